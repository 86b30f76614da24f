"""Settings of partner platforms to copy, with the values of this instance in their places.

`tested` is true only where this very platform is run against the simulator by the test suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from string import Template
from typing import Any

from sbc_sim.rules.entries import platforms as known
from sbc_sim.sip.uri import host_port

TESTED = frozenset({known.BARESIP, "linphone", known.KAMAILIO})
CA_FILE = "sbc-sim-ca.pem"

THEMES = (
    ("Transport", known.TRANSPORT_TLS),
    ("Trust", known.TRUST_CA),
    ("Client certificate", known.NO_CLIENT_CERTIFICATE),
    ("SRTP", known.SRTP),
    ("SRTP suite", known.SRTP_SUITE),
    ("Codec", known.CODEC_PCMU),
    ("Offer", known.EARLY_OFFER),
    ("User-to-User", known.UUI_HEADER),
    ("Caller", known.CALLER_NUMBER),
)
"""What a trunk to the simulator needs, in the order in which people set it."""

_WORDS = (
    known.AUDIOCODES,
    known.ORACLE,
    known.RIBBON_EDGE,
    known.RIBBON_CORE,
    known.CUBE,
    known.GENESYS,
    known.ASTERISK,
    known.FREESWITCH,
    known.KAMAILIO,
    known.OPENSIPS,
    known.BARESIP,
)

_EITHER_TARGET = "dns:HOST:5061 (of an address ipv4:HOST:5061)"
"""In the words for CUBE; here one of both is right."""

_FILES = (
    (known.CUBE, "Configuration", """\
crypto pki trustpoint SBC-SIM
 enrollment terminal
 revocation-check none
crypto pki authenticate SBC-SIM
! paste $ca here
sip-ua
 transport tcp tls v1.2
 crypto signaling default trustpoint SBC-SIM
voice class codec 90
 codec preference 1 g711ulaw
voice class srtp-crypto 90
 crypto 1 AES_CM_128_HMAC_SHA1_80
voice class sip-profiles 90
 request INVITE sip-header User-to-User add "User-to-User: $uui"
dial-peer voice 90 voip
 destination-pattern .T
 session protocol sipv2
 session target $cube
 session transport tcp tls
 voice-class codec 90
 voice-class sip srtp-crypto 90
 voice-class sip profiles 90
 dtmf-relay rtp-nte
 srtp
 no vad
"""),
    (known.ORACLE, "Configuration", """\
session-agent
    hostname             $host
    port                 $port
    transport-method     StaticTLS
    realm-id             SBC-SIM
sdes-profile
    name                 SBC-SIM
    crypto-list          AES_CM_128_HMAC_SHA1_80
media-sec-policy
    name                 SBC-SIM
    inbound
        profile          SBC-SIM
        mode             srtp
        protocol         sdes
    outbound
        profile          SBC-SIM
        mode             srtp
        protocol         sdes
sip-manipulation
    name                 SBC-SIM
    header-rule
        name             addUui
        header-name      User-to-User
        action           add
        msg-type         request
        methods          INVITE
        new-value        "$uui"
"""),
    (known.RIBBON_EDGE, "SIP Server Table, entry IP/FQDN", """\
Host:        $host
Port:        $port
Protocol:    TLS
TLS Profile: one with $ca among the Trusted CA Certificates
"""),
    (known.RIBBON_CORE, "Configuration", """\
set addressContext default zone ZONE ipPeer SBC-SIM $ribbon
"""),
    (known.ASTERISK, "pjsip.conf", """\
[sbc-sim-transport]
type=transport
protocol=tls
bind=0.0.0.0:5061
method=tlsv1_2
ca_list_file=/etc/asterisk/$ca
verify_server=yes

[sbc-sim]
type=aor
contact=sip:$address\\;transport=tls

[sbc-sim]
type=endpoint
transport=sbc-sim-transport
aors=sbc-sim
context=default
allow=!all,ulaw
media_encryption=sdes
media_encryption_optimistic=no
dtmf_mode=rfc4733
direct_media=no
send_pai=yes
trust_id_outbound=yes
"""),
    (known.ASTERISK, "extensions.conf", """\
[add-uui]
exten => s,1,Set(PJSIP_HEADER(add,User-to-User)=$escaped)
 same => n,Return()

[default]
exten => _X.,1,Dial(PJSIP/$${EXTEN}@sbc-sim,60,b(add-uui^s^1))
"""),
    (known.FREESWITCH, "Dialplan", """\
<extension name="sbc-sim">
  <condition field="destination_number" expression="^(\\d+)$$">
    <action application="export" data="nolocal:rtp_secure_media=mandatory:AES_CM_128_HMAC_SHA1_80"/>
    <action application="export" data="nolocal:absolute_codec_string=PCMU"/>
    <action application="export" data="nolocal:sip_h_User-to-User=$uui"/>
    <action application="bridge" data="sofia/external/$$1@$address;transport=tls"/>
  </condition>
</extension>
<!-- sofia profile `external`: tls=true, tls-version=tlsv1.2, tls-verify-policy=out, $ca as cafile.pem in tls-cert-dir -->
"""),
    (known.KAMAILIO, "tls.cfg", """\
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
ca_list = /etc/kamailio/$ca
"""),
    (known.KAMAILIO, "kamailio.cfg, before t_relay()", """\
remove_hf("User-to-User");
append_hf("User-to-User: $uui\\r\\n");
$$du = "sip:$address;transport=tls";
"""),
    (known.OPENSIPS, "opensips.cfg", """\
loadmodule "proto_tls.so"
loadmodule "tls_openssl.so"
loadmodule "tls_mgm.so"
modparam("tls_mgm", "client_domain", "sbcsim")
modparam("tls_mgm", "match_ip_address", "[sbcsim]*")
modparam("tls_mgm", "tls_method", "[sbcsim]TLSv1_2")
modparam("tls_mgm", "verify_cert", "[sbcsim]1")
modparam("tls_mgm", "ca_list", "[sbcsim]/etc/opensips/$ca")

# before t_relay():
append_hf("User-to-User: $uui\\r\\n");
$$du = "sip:$address;transport=tls";
"""),
    (known.BARESIP, "config", """\
sip_cafile /etc/ssl/$ca
module g711.so
module srtp.so
"""),
    (known.BARESIP, "accounts, then dial", """\
<sip:+15550111@localhost;transport=tls>;regint=0;mediaenc=srtp-mand;audio_codecs=PCMU/8000/1
/dial sip:+15550100@$address;transport=tls
"""),
    ("linphone", "linphonerc", """\
[sip]
media_encryption=srtp
media_encryption_mandatory=1
root_ca=/etc/ssl/$ca
verify_server_certs=1
"""),
)  # fmt: skip
"""Platform, title, text; ``$name`` stands for a value of this instance."""


@dataclass(frozen=True, slots=True)
class Values:
    """What stands in the places."""

    host: str
    port: int
    uui: str
    """Value of the User-to-User header."""
    own_ca: bool
    """Whether there is a CA to import."""


def snippets(values: Values) -> list[dict[str, Any]]:
    """Give the settings of every platform: whole files where they are known, else what to look for."""
    files = [_snippet(platform, title, _filled(text, values)) for platform, title, text in _FILES]
    words = [_snippet(platform, "What to set", _words(platform, values)) for platform in _WORDS]
    order = [*_WORDS, "linphone"]
    return sorted(files + words, key=lambda one: order.index(one["platform"]))


def _snippet(platform: str, title: str, text: str) -> dict[str, Any]:
    return {"platform": platform, "title": title, "text": text, "tested": platform in TESTED}


def _filled(text: str, values: Values) -> str:
    ca = CA_FILE if values.own_ca else "ca.pem"
    return Template(text).substitute(
        address=host_port(values.host, values.port),
        host=values.host,
        port=values.port,
        cube=_cube_target(values),
        ribbon=_ribbon_peer(values),
        uui=values.uui,
        escaped=values.uui.replace(";", "\\;"),
        ca=ca,
    )


def _cube_target(values: Values) -> str:
    """What follows `session target`: its kind says whether a name or an address stands there."""
    return f"{_kind(values.host)}:{host_port(values.host, values.port)}"


def _kind(host: str) -> str:
    try:
        return f"ipv{ip_address(host).version}"
    except ValueError:
        return "dns"


def _ribbon_peer(values: Values) -> str:
    """Where an IP Peer leads. To a name over TLS the SBC adds 1 to the port that is set, unless that is 5061."""
    if _kind(values.host) != "dns":
        return f"ipAddress {values.host} ipPort {values.port}"
    port = values.port if values.port == 5061 else values.port - 1
    return f"policy sip fqdn {values.host} fqdnPort {port}"


def _words(platform: str, values: Values) -> str:
    lines = (f"{name}: {theme[platform]}" for name, theme in THEMES if platform in theme)
    digits = values.uui.partition(";")[0]
    address = host_port(values.host, values.port)
    text = "\n".join(lines).replace(_EITHER_TARGET, _cube_target(values)).replace("HOST:5061", address).replace("HOST", values.host)
    text = text.replace("port 5061", f"port {values.port}").replace("Port 5061", f"Port {values.port}")
    return text.replace("HEX", digits) + "\n"
