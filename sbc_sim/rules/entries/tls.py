"""Rules of the TLS handshake and of the network below the call (SBC-TLS, SBC-NET)."""

from __future__ import annotations

from sbc_sim.rules.entries import platforms
from sbc_sim.rules.finding import Rule

GUIDE_TLS = "Partner guide, support requirements: SIP over TLS, mTLS not supported"

TLS: tuple[Rule, ...] = (
    Rule(
        id="SBC-TLS-001",
        title="SIP comes over TLS",
        severity="must",
        why="The SBC takes SIP over TLS and nothing else. Clear-text SIP on the TLS port is closed without an answer, for there is no"
        " channel on which an answer could go back.",
        fix="Set the trunk's transport to TLS, port 5061, and send no clear-text OPTIONS pings to that port either.",
        source=f"{GUIDE_TLS}; RFC 3261 section 26.3.1",
        platforms=platforms.TRANSPORT_TLS,
        keywords=("plain-sip", "plain", "clear-text", "udp", "tcp", "transport"),
    ),
    Rule(
        id="SBC-TLS-002",
        title="The first octets on the port are a TLS ClientHello",
        severity="must",
        why="What arrived is neither TLS nor SIP: another protocol was pointed at this port, or a proxy puts a preamble of its own"
        " (such as the PROXY protocol line) in front of TLS.",
        fix="Point only SIP over TLS at this port. Switch the load balancer's PROXY protocol off for it, and use ready or /readyz for"
        " health"
        " checks.",
        source="RFC 8446 section 4.1.2, RFC 3261 section 18",
        keywords=("not-tls", "proxy protocol", "http", "health check"),
    ),
    Rule(
        id="SBC-TLS-003",
        title="The partner presents no client certificate",
        severity="must",
        why="The guide says that mutual TLS is not supported. A trunk configured for it depends on something that the real SBC does not do."
        " Many stacks send their certificate whenever a server asks, so we ask in order to see it.",
        fix="Take the client certificate off this trunk. A stack that cannot be told to leave it out can be tested with"
        " tls.client_certificates=report, which lets the call go on with this finding, or ignore, which never asks."
        " A refused client certificate gets the alert unknown_ca from us: it says nothing about the CA of our own certificate.",
        source=GUIDE_TLS,
        platforms=platforms.NO_CLIENT_CERTIFICATE,
        setting="tls.client_certificates",
        keywords=("client-certificate", "mtls", "mutual tls", "certificate_required", "access_denied", "bad_certificate", "unknown_ca"),
    ),
    Rule(
        id="SBC-TLS-004",
        title="TLS 1.2 or TLS 1.3 is used",
        severity="must",
        why="TLS 1.0 and 1.1 are formally forbidden. The handshake ends with the alert protocol_version and no SIP message is ever seen.",
        fix="Allow TLS 1.2 (and 1.3) on the trunk; do not pin an older version.",
        source="RFC 8996 and RFC 9325; which of the two the real SBC prefers is not published",
        platforms=platforms.TLS_VERSION,
        setting="tls.min_version",
        keywords=("old-version", "protocol_version", "inappropriate_fallback", "sslv3", "tlsv1"),
    ),
    Rule(
        id="SBC-TLS-005",
        title="Both sides share a cipher suite",
        severity="must",
        why="Without a common suite, group or signature algorithm the handshake ends with handshake_failure or insufficient_security.",
        fix="Offer ECDHE suites with AES-GCM or ChaCha20-Poly1305; with an ECDSA certificate on our side offer ECDSA suites too, and the"
        " groups X25519 and P-256.",
        source="RFC 9325 section 4; the real SBC's list is not published",
        platforms={
            platforms.AUDIOCODES: "TLS Contexts: Cipher Server and Cipher Client.",
            platforms.ORACLE: "tls-profile: cipher-list.",
            platforms.RIBBON_EDGE: "Security > TLS Profiles: Client Cipher List.",
            platforms.ASTERISK: "pjsip.conf, transport: cipher=",
            platforms.FREESWITCH: "sofia profile: tls-ciphers",
            platforms.KAMAILIO: "tls.cfg: cipher_list",
            platforms.OPENSIPS: "tls_mgm: ciphers_list",
            platforms.PJSUA: "--tls-cipher",
        },
        keywords=("no-common-cipher", "handshake_failure", "insufficient_security", "cipher", "no shared cipher", "missing_extension"),
    ),
    Rule(
        id="SBC-TLS-006",
        title="The partner trusts the CA of the SBC's certificate",
        severity="must",
        why="The partner's TLS client refused our chain, usually with the alert unknown_ca. No SIP message was sent, so the partner's own"
        " SIP trace shows nothing.",
        fix="Import our CA into the trust store of this trunk: sbc-sim tls ca prints it, /api/v1/tls/ca.pem serves it. Do not switch the"
        " verification off: the real trunk needs it.",
        source="RFC 5922 section 7, RFC 8446 section 6.2",
        platforms=platforms.TRUST_CA,
        setting="tls.dir",
        keywords=("unknown-ca", "unknown_ca", "self-signed", "trust", "ca", "certificate_unknown", "verify failed"),
    ),
    Rule(
        id="SBC-TLS-007",
        title="The partner accepts the SBC's certificate: name, validity, purpose",
        severity="must",
        why="The chain was trusted or not looked at, but the certificate itself was refused: the name dialled is not among its subject"
        " alternative names, it is out of date by the partner's clock, or it is not meant for servers.",
        fix="Dial the SBC by a name or address that stands in the certificate (sbc-sim tls show lists them; tls.names adds more), and check"
        " the clock of the partner's machine.",
        source="RFC 5922 sections 7.1 and 7.2, RFC 8446 section 6.2",
        setting="tls.names",
        keywords=(
            "bad-certificate",
            "bad_certificate",
            "certificate_expired",
            "certificate_revoked",
            "unsupported_certificate",
            "certificate_unknown",
            "hostname",
            "san",
        ),
    ),
    Rule(
        id="SBC-TLS-008",
        title="SNI, when sent, names the SBC by a host name that is served",
        severity="must",
        why="Regions share infrastructure and are told apart by name. SNI must be a host name: RFC 6066 forbids IP addresses there, and"
        " some"
        " TLS front ends refuse them with unrecognized_name.",
        fix="Configure the trunk with the SBC's host name instead of its address; the TLS stack then sends that name as SNI.",
        source="RFC 6066 section 3",
        keywords=("unknown-name", "unrecognized_name", "sni", "server name"),
    ),
    Rule(
        id="SBC-TLS-009",
        title="The partner completes the handshake that it begins",
        severity="advice",
        why="The connection was closed before the handshake was over and without an alert: a port scan, a TCP health check, or a client"
        " that"
        " refused our certificate and did not say so.",
        fix="If the partner's SBC did this, look into its TLS log for a refused certificate and treat it as SBC-TLS-006. Health checks"
        " should"
        " use SIP OPTIONS over TLS.",
        source="RFC 8446 section 6.1",
        keywords=("closed-early", "close_notify", "health check", "port scan", "reset", "user_canceled"),
    ),
    Rule(
        id="SBC-TLS-010",
        title="The handshake is over in time",
        severity="must",
        why="The partner opened a TCP connection and then sent nothing, or not enough for a handshake. Half-open connections are closed so"
        " that they cannot use up the SBC.",
        fix="Start TLS at once after connecting. A firewall that holds packets larger than the path MTU shows exactly this: try a smaller"
        " MTU or MSS clamping.",
        source="Our limit; Salesforce publishes none",
        setting="limits.handshake_seconds",
        keywords=("handshake-timeout", "timeout", "mtu", "slow"),
    ),
    Rule(
        id="SBC-TLS-011",
        title="The TLS handshake succeeds",
        severity="must",
        why="The handshake failed in a way that no other rule names; the alert says which side gave up and why.",
        fix="Look the alert up with sbc-sim explain, and compare with openssl s_client -connect HOST:5061 -trace from the partner's"
        " machine.",
        source="RFC 8446 section 6.2",
        keywords=("other", "alert", "decode_error", "decrypt_error", "internal_error", "illegal_parameter", "unexpected_message"),
    ),
    Rule(
        id="SBC-TLS-012",
        title="The partner's server presents a certificate that our CA bundle verifies",
        severity="must",
        why="As a TLS client the SBC checks the partner's server certificate: chain, name and dates. The partner's CA is installed on the"
        " Salesforce edge for that purpose.",
        fix="Serve the whole chain (leaf, then intermediates), with the dialled host name as subject alternative name, and set tls.ca_file"
        " to the partner's CA.",
        source="RFC 5922 section 7; that the partner's CA is installed on the edge comes from a third party's summary of the newer guide",
        setting="tls.ca_file",
        keywords=("untrusted-server", "chain", "intermediate", "verify"),
    ),
    Rule(
        id="SBC-TLS-013",
        title="The partner's server does not ask for a client certificate",
        severity="must",
        why="The SBC has no client certificate to show, for mutual TLS is not supported. A server that insists on one ends the handshake"
        " with certificate_required or handshake_failure.",
        fix="Switch the demand for a client certificate off on the partner's TLS listener for this trunk.",
        source=GUIDE_TLS,
        platforms=platforms.NO_CERTIFICATE_DEMAND,
        keywords=("server-wants-certificate", "certificate_required", "mtls", "mutual tls"),
    ),
)

NET: tuple[Rule, ...] = (
    Rule(
        id="SBC-NET-001",
        title="Signalling comes from an address on the allow-list",
        severity="must",
        why="Signalling and media addresses are static and allow-listed on both sides. A call from any other address is not taken.",
        fix="Send from the address given in the signalling form, or add the network to sip.allow_from. Behind NAT the address that counts"
        " is the public one that we see.",
        source="Partner guide, support requirements: static signaling and media IP addresses; the status is our choice (sip.off_list)",
        platforms=platforms.SOURCE_ADDRESS,
        setting="sip.allow_from",
        keywords=("off-list", "403", "503", "allow-list", "whitelist", "acl", "forbidden"),
    ),
    Rule(
        id="SBC-NET-002",
        title="The SBC has room for the call",
        severity="profile",
        why="Calls, calls per second, transactions or media ports are at their limit. The partner should try again after Retry-After and"
        " must not hammer.",
        fix="Slow down, honour Retry-After, and mark the route down for that time. To allow more here, raise limits.calls,"
        " limits.calls_per_second or media.ports.",
        source="RFC 3261 section 21.5.4; the real limits are not published",
        setting="limits.calls",
        keywords=("overloaded", "503", "retry-after", "limit", "busy"),
    ),
    Rule(
        id="SBC-NET-003",
        title="The partner keeps few connections open",
        severity="profile",
        why="Each TLS connection costs memory and a handshake. A partner that opens one for every request runs into the limit.",
        fix="Reuse one TLS connection for many calls, and close those that are idle.",
        source="RFC 3261 section 18, RFC 5923; the number is our limit",
        platforms={
            platforms.ORACLE: "session-agent: reuse-connections TCP (with transport-method StaticTLS one connection serves all calls).",
            platforms.CUBE: "sip-ua: connection-reuse",
        },
        setting="limits.connections",
        keywords=("too-many-connections", "connections"),
    ),
    Rule(
        id="SBC-NET-004",
        title="The partner's signalling address accepts connections from the SBC",
        severity="must",
        why="In-dialog requests and calls toward the partner need a connection to the address in its Contact when the old one is gone. It"
        " could not be opened.",
        fix="Listen for TLS on the advertised address and port, and let the SBC's signalling address through the firewall.",
        source="RFC 3261 sections 12.2.1.1 and 18.1",
        keywords=("unreachable", "refused", "firewall", "connect"),
    ),
)
