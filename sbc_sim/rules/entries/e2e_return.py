"""The escalation, the way back and the partner check: SBC-E2E-020 to 039."""

from __future__ import annotations

from sbc_sim.rules.entries import platforms
from sbc_sim.rules.finding import Rule

_FLOW = "Partner guide (escalation; return the call to the partner's telephony; route it to the human rep)"
_INVITE_BACK = "Not published: a call back by INVITE is our setting (escalation.mode), named in one help page only"
_REFER = "Help page on agent SIP headers (REFER set in the escalation flow); the rest is not published, so our choice"

E2E_RETURN = (
    Rule(
        id="SBC-E2E-020",
        title="The partner keeps the customer when the agent's leg ends by escalation",
        severity="must",
        why="With plain BYE nothing in SIP tells an escalation from a finished call, so the partner holds the customer's leg until"
        " it knows."
        " A partner that drops it loses the customer at the very moment when a human is wanted.",
        fix="On BYE from the SBC keep the customer's leg, let the routing decide (the flow, the voice call's record), and only then end it."
        " Where the BYE carries User-to-User or X-headers, read them before the leg is torn down.",
        source=_FLOW,
        platforms={
            platforms.GENESYS: "Architect: transfer to the SBC with the flow going on after the outside party has hung up.",
            platforms.ASTERISK: "Dial(...,g) goes on in the dialplan when the called party hangs up.",
            platforms.FREESWITCH: "hangup_after_bridge=false, and park or transfer after bridge.",
        },
        keywords=("escalation", "customer", "dropped", "bye"),
    ),
    Rule(
        id="SBC-E2E-021",
        title="An escalated call reaches a human rep in time",
        severity="must",
        why="The end-to-end test is over only when a rep in Salesforce Voice talks to the customer.",
        fix="After the escalation route the customer through omniFlow, and PATCH the voice call with agent and acceptTime once the"
        " rep accepts."
        " Without the REST API, tell it by POST /api/v1/calls/{id}/partner. escalation.check_seconds says how long is waited.",
        source=_FLOW,
        setting="escalation.check_seconds",
        keywords=("escalation", "rep", "human", "accepttime", "omniflow"),
    ),
    Rule(
        id="SBC-E2E-022",
        title="The rep's voice call refers to the agent's",
        severity="must",
        why="The record of the agent's call must be linked to that of the rep; without it the rep sees neither transcript nor history.",
        fix="Create the rep's voice call with parentVoiceCallId of the first one, or go on with the first record (its vendorCallKey).",
        source="Public notes on the newer guide, drawn from a third party (records linked); voice developer guide (parentVoiceCallId)",
        keywords=("escalation", "linked", "parentvoicecallid", "vendorcallkey"),
    ),
    Rule(
        id="SBC-E2E-023",
        title="The BYE of an escalation is answered with 200",
        severity="must",
        why="A BYE without 200 leaves both sides with different ideas about the first leg, and the return with an unsure beginning.",
        fix="Answer BYE with 200 at once, whatever becomes of the customer's leg.",
        source="RFC 3261 section 15.1.2",
        keywords=("escalation", "bye", "481"),
    ),
    Rule(
        id="SBC-E2E-024",
        title="There is an address to which a call can be given back",
        severity="profile",
        why="A call back by INVITE needs a sip or sips URI that is reached over TLS: that of the partner, of a setting, of the API, or the"
        " Contact of the call.",
        fix="Set escalation.return_uri, or return_uri of the partner, to sips:USER@HOST:PORT, or send a Contact that can be called.",
        source=_INVITE_BACK,
        setting="escalation.return_uri",
        keywords=("escalation", "return", "target", "no-target", "contact"),
    ),
    Rule(
        id="SBC-E2E-025",
        title="The partner's server for returned calls accepts connections",
        severity="must",
        why="The call back goes over a new TLS connection. Nobody listens there, or a firewall refuses it.",
        fix="Listen on the address and port of the return URI, and let the SBC's signalling address in; the form names both.",
        source="RFC 3261 section 18.1; partner guide (static addresses, allow-listed on both sides)",
        keywords=("escalation", "return", "dead", "refused", "unreachable", "firewall"),
    ),
    Rule(
        id="SBC-E2E-026",
        title="The partner's server for returned calls is up in time",
        severity="must",
        why="The connection or its TLS handshake was not over in time. A packet filter that drops without a word looks just like"
        " this, and so"
        " does a server that waits for the client to speak first.",
        fix="Look for a packet filter on the way, for a load balancer without a healthy target, and for a port without TLS.",
        source="RFC 3261 section 18.1; how long is waited is our limit (limits.handshake_seconds)",
        setting="limits.handshake_seconds",
        keywords=("escalation", "return", "slow", "timeout"),
    ),
    Rule(
        id="SBC-E2E-027",
        title="The port for returned calls speaks TLS",
        severity="must",
        why="Something else than TLS answered: clear-text SIP, or another protocol. Calls go over SIP on TLS only.",
        fix="Give the return URI the TLS port (5061 by custom, not 5060), or set the listener there to TLS.",
        source="Partner guide (SIP over TLS)",
        platforms=platforms.TRANSPORT_TLS,
        keywords=("escalation", "return", "clear-text", "plain", "5060"),
    ),
    Rule(
        id="SBC-E2E-028",
        title="The certificate chain of the server for returned calls is trusted",
        severity="must",
        why="The partner's CA is installed on the Salesforce edge; a chain that does not lead to it is refused.",
        fix="Send the whole chain (leaf, then intermediates), and name its CA here: ca_file of the partner, or tls.ca_file.",
        source="Public notes on the newer guide, drawn from a third party (partner's CA on the edge); RFC 5280 section 6",
        setting="tls.ca_file",
        keywords=("escalation", "return", "chain", "unknown_ca", "self-signed", "intermediate"),
    ),
    Rule(
        id="SBC-E2E-029",
        title="The certificate of the server for returned calls is for its name",
        severity="must",
        why="The host of the return URI must stand in the certificate as a subjectAltName; no wildcard replaces it for SIP.",
        fix="Issue the certificate for the host of the return URI, or call that URI by a name that is in the certificate.",
        source="RFC 5922 sections 7.1 and 7.2",
        keywords=("escalation", "return", "name", "san", "subjectaltname", "wildcard"),
    ),
    Rule(
        id="SBC-E2E-030",
        title="The certificate of the server for returned calls is valid now",
        severity="must",
        why="A certificate that has expired, or is not valid yet, ends the handshake.",
        fix="Renew it, and compare the clocks of both sides.",
        source="RFC 5280 section 4.1.2.5",
        keywords=("escalation", "return", "expired", "not yet valid", "certificate_expired"),
    ),
    Rule(
        id="SBC-E2E-031",
        title="The server for returned calls asks for no client certificate",
        severity="must",
        why="Mutual TLS is not supported: no certificate is ever shown. A server that only asks gets none and the call goes on; one that"
        " insists can never be called back.",
        fix="Switch client certificates off for the listener that takes calls from Salesforce.",
        source="Partner guide (mutual TLS isn't supported)",
        platforms=platforms.NO_CERTIFICATE_DEMAND,
        keywords=("escalation", "return", "mtls", "mutual tls", "certificate_required", "client certificate"),
    ),
    Rule(
        id="SBC-E2E-032",
        title="The TLS handshake with the server for returned calls succeeds",
        severity="must",
        why="Certificate and name aside, the two sides found no common version or cipher, or the handshake was cut off.",
        fix="Allow TLS 1.2 and 1.3 with the usual AEAD ciphers; the detail quotes the alert.",
        source="RFC 9325; RFC 8996",
        platforms=platforms.TLS_VERSION,
        keywords=("escalation", "return", "handshake_failure", "protocol_version"),
    ),
    Rule(
        id="SBC-E2E-033",
        title="The partner answers the returned call",
        severity="must",
        why="The INVITE with User-to-User was refused, or rang in vain, so the customer never met a rep this way.",
        fix="Route calls from the SBC's address by their User-to-User value to the waiting customer; the status and its Warning tell"
        " what stood"
        " against it.",
        source=f"{_INVITE_BACK}; RFC 3261 section 13.2.2",
        setting="escalation.ring_seconds",
        keywords=("escalation", "return", "refused", "unanswered", "ring", "cancel"),
    ),
    Rule(
        id="SBC-E2E-034",
        title="The partner answers the returned call with SRTP",
        severity="must",
        why="Media is SRTP in both directions. A 200 with RTP/AVP, without a crypto line, or with another suite than offered makes"
        " no session;"
        " it was acknowledged and ended by BYE.",
        fix="Answer RTP/SAVP with one crypto line out of the offer, with its tag and a key of your own.",
        source="Partner guide (SRTP); RFC 4568 section 5.1.2",
        platforms=platforms.SRTP,
        keywords=("escalation", "return", "srtp", "rtp/avp", "crypto"),
    ),
    Rule(
        id="SBC-E2E-035",
        title="The partner takes the REFER of an escalation and tells how it went",
        severity="profile",
        why="In the profile extended an escalation can be a REFER. The partner accepts with 202 and reports by NOTIFY; a refused"
        " REFER falls"
        " back to BYE, which ends the leg but says nothing about where to go.",
        fix="Accept REFER from the SBC (202), place the call to Refer-To, and send NOTIFY with message/sipfrag until a final status.",
        source=f"{_REFER}; RFC 3515 sections 2.4.2 and 2.4.4",
        setting="escalation.mode",
        keywords=("escalation", "refer", "notify", "202", "sipfrag", "transfer"),
    ),
    Rule(
        id="SBC-E2E-036",
        title="It is known how the agent's call ended: escalation, normal end, or the customer hung up",
        severity="advice",
        why="The three look alike on the wire, and only the first asks for a rep. The report tells them apart, so that the partner's own"
        " records can be held against it.",
        fix="Compare with the end that your system noted: an escalation must not be counted as a finished call.",
        source="Help page on agent SIP headers (other disconnects are handled in a fallback flow)",
        keywords=("escalation", "end", "normal", "caller hung up"),
    ),
)
"""How a call is given back, and what became of the customer."""
