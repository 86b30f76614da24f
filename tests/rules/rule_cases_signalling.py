"""Calls that break the rules of TLS, network, requests, headers and dialogs, one each; and calls in which rarer ones hold."""

from __future__ import annotations

from sbc_sim.rules.finding import Status
from sbc_sim.rules.policy import Policy
from tests.rules.rule_samples import NOW, Case, a_peer, an_invite, both, known

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN


def dialled(**facts: object) -> object:
    peer = a_peer(**facts)
    return type(peer)(peer.host, peer.port, peer.local_host, peer.local_port, tls=peer.tls, dialled=True)


def invited(**changed: object) -> dict[str, object]:
    return {"invite": an_invite(**changed)}  # type: ignore[arg-type]


RANG = known(answered_at=None, acknowledged_at=None, report=None, leg=None)

TLS = [
    Case("SBC-TLS-003", FAIL, "CN=pbx", known(peer=a_peer(client_certificate="CN=pbx.example"))),
    Case("SBC-TLS-004", FAIL, "TLSv1.1", known(peer=a_peer(version="TLSv1.1"))),
    Case("SBC-TLS-004", PASS, "TLSv1.2", known(peer=a_peer(version="TLSv1.2"))),
    Case("SBC-TLS-008", WARN, "198.51.100.7", known(peer=a_peer(server_name="198.51.100.7"))),
    Case("SBC-TLS-008", WARN, "2001:db8::1", known(peer=a_peer(server_name="2001:db8::1"))),
    Case("SBC-TLS-008", PASS, "No SNI", known(peer=a_peer(server_name=None))),
    Case("SBC-TLS-012", PASS, "CN=pbx", known(peer=dialled(peer_certificate="CN=pbx.example"))),
    Case("SBC-TLS-013", PASS, "no client certificate", known(peer=dialled())),
    Case("SBC-TLS-013", WARN, "asked for a client certificate", known(peer=dialled(certificate_requested=True))),
    Case("SBC-TLS-003", SKIP, "We opened", known(peer=dialled())),
    Case("SBC-TLS-001", SKIP, "Nothing is known", known(peer=None)),
]

NET = [
    Case("SBC-NET-001", FAIL, "198.51.100.0/24", policy=Policy(allow_from=("198.51.100.0/24",))),
    Case("SBC-NET-001", PASS, "on the allow-list", policy=Policy(allow_from=("192.0.2.0/24",))),
    Case("SBC-NET-001", SKIP, "Nothing is known", known(peer=None)),
    Case("SBC-NET-002", FAIL, "200 calls are up", known(overloaded="200 calls are up (limits.calls)")),
    Case("SBC-NET-004", PASS, "192.0.2.10:40001 accepted", known(peer=dialled())),
]

SIP = [
    Case("SBC-SIP-015", FAIL, "blank", known(**invited(uri="sip:a b@c"))),
    Case("SBC-SIP-020", FAIL, "tel", known(**invited(uri="tel:+15550100"))),
    Case("SBC-SIP-020", PASS, "tel", known(**invited(uri="tel:+15550100")), Policy(accept_tel=True)),
    Case("SBC-SIP-020", FAIL, "scheme http", known(**invited(uri="http://sbc.example/"))),
    Case("SBC-SIP-021", FAIL, "+15550100 is not served", policy=Policy(served_users=("echo",))),
    Case("SBC-SIP-021", FAIL, "sbc.example is not served", policy=Policy(served_hosts=("other.example",))),
    Case(
        "SBC-SIP-021",
        PASS,
        "Dialled: sip:+15550100@sbc.example.",
        policy=Policy(served_users=("+15550100",), served_hosts=("SBC.example",)),
    ),
    Case("SBC-SIP-024", FAIL, "REFER was sent", known(refer_seen=True)),
    Case("SBC-SIP-029", WARN, "missing", known(**invited(max_forwards=None))),
    Case("SBC-SIP-029", WARN, "taken, for it ends here", known(**invited(max_forwards="0"))),
    Case("SBC-SIP-029", FAIL, "Max-Forwards is 0", known(**invited(max_forwards="0")), Policy(max_forwards_zero="refuse")),
    Case("SBC-SIP-029", WARN, "not a number", known(**invited(max_forwards="-1"))),
    Case("SBC-SIP-029", WARN, "not a number", known(**invited(max_forwards="\u0667\u0660"))),
    Case("SBC-SIP-029", WARN, "above 255", known(**invited(max_forwards="256"))),
    Case("SBC-SIP-029", WARN, "above 255", known(**invited(max_forwards="9" * 5000))),
    Case("SBC-SIP-029", PASS, "is 255", known(**invited(max_forwards=" 255 "))),
    Case("SBC-SIP-030", FAIL, "60 s, below our minimum of 90 s", known(**invited(session_expires="60"))),
    Case("SBC-SIP-030", PASS, "90", known(**invited(session_expires="90"))),
    Case("SBC-SIP-030", WARN, "ignored", known(**invited(session_expires="soon"))),
    Case("SBC-SIP-030", SKIP, "no session timer", known(**invited(session_expires=None))),
    Case("SBC-SIP-032", FAIL, "not acknowledged by PRACK", known(answered_at=None, ended_by="sbc", end_reason="no-prack")),
    Case("SBC-SIP-031", SKIP, "No INFO", known(methods={})),
    Case("SBC-SIP-001", SKIP, "No INVITE", known(invite=None)),
]

HDR = [
    Case("SBC-HDR-001", WARN, "Neither", known(**invited(From="<sip:ann@partner.example>;tag=1", P_Asserted_Identity=None))),
    Case("SBC-HDR-001", PASS, "from From", known(**invited(p_asserted_identity=None))),
    Case("SBC-HDR-001", PASS, "Forwarded from +442079999999 (Diversion)"),
    Case("SBC-HDR-001", PASS, "+442071234567, from P-Asserted-Identity", known(**invited(p_asserted_identity="<tel:+442071234567>"))),
    Case("SBC-HDR-001", SKIP, "sip.caller_number", known(**invited(p_asserted_identity=None)), Policy(caller_number="ignore")),
    Case("SBC-HDR-002", WARN, "02071234567 in From", known(**invited(From="<sip:02071234567@p.example>;tag=1"))),
    Case("SBC-HDR-002", WARN, "+44 20 7123-4567", known(**invited(From="<sip:+44%2020%207123-4567@p.example>;tag=1"))),
    Case("SBC-HDR-002", WARN, "+1234567890123456", known(**invited(From="<sip:+1234567890123456@p.example>;tag=1"))),
    Case("SBC-HDR-003", WARN, "ignored", known(**invited(p_asserted_identity="Ann <sip:+44207"))),
    Case("SBC-HDR-003", WARN, "2 values", known(**invited(p_asserted_identity="<sip:+15550111@a>, <sip:+15550112@a>"))),
    Case("SBC-HDR-003", PASS, "and one more", known(**invited(p_asserted_identity="<sip:+15550111@a>, <tel:+15550111>"))),
    Case("SBC-HDR-003", SKIP, "no P-Asserted-Identity", known(**invited(p_asserted_identity=None))),
    Case("SBC-HDR-004", WARN, "ignored", known(**invited(diversion="<sip:+15550111@a"))),
    Case("SBC-HDR-004", SKIP, "no Diversion", known(**invited(diversion=None))),
    Case("SBC-HDR-005", FAIL, "no Contact", known(**invited(contact=None))),
    Case("SBC-HDR-005", FAIL, "2 Contact values", known(**invited(contact="<sip:a@b>, <sip:c@d>"))),
    Case("SBC-HDR-005", FAIL, "tel URI", known(**invited(contact="<tel:+15550111>"))),
    Case("SBC-HDR-005", FAIL, "Contact", known(**invited(contact="<sip:a@b"))),
    Case("SBC-HDR-005", PASS, "192.0.2.10:5061", known(**invited(contact="<sip:192.0.2.10:5061;transport=tls;transport=tls>"))),
    Case("SBC-HDR-006", WARN, "no tag", known(**invited(From="<sip:+442071234567@p.example>"))),
    Case("SBC-HDR-007", WARN, "1", known(**invited(via="SIP/2.0/TLS 192.0.2.10;branch=1"))),
    Case("SBC-HDR-007", WARN, "missing", known(**invited(via="SIP/2.0/TLS 192.0.2.10"))),
    Case("SBC-HDR-007", SKIP, "no Via", known(**invited(via=None))),
    Case("SBC-HDR-008", WARN, "sips", known(**invited(uri="sips:+15550100@sbc.example"))),
    Case("SBC-HDR-010", PASS, "ignored: x-intent", known(**invited(x_intent="billing"))),
    Case("SBC-HDR-010", PASS, "1 X-header captured", known(**invited(x_intent="billing")), Policy(profile="extended")),
    Case("SBC-HDR-010", WARN, "the first 1 are", known(**invited(x_a="1", x_b="2")), Policy(profile="extended", x_headers=1)),
    Case("SBC-HDR-010", WARN, "longer than 4 octets", known(**invited(x_a="12345")), Policy(profile="extended", x_header_bytes=4)),
    Case("SBC-HDR-009", WARN, "TCP", known(**invited(via="SIP/2.0/TCP 192.0.2.10;branch=z9hG4bKa"))),
    Case("SBC-HDR-001", SKIP, "No INVITE", known(invite=None)),
]

DLG = [
    Case("SBC-DLG-001", FAIL, "No ACK", known(acknowledged_at=None, ended_by="sbc", end_reason="no-ack")),
    Case("SBC-DLG-001", UNKNOWN, "before the ACK", known(acknowledged_at=None)),
    Case("SBC-DLG-001", PASS, "20 ms after the 200"),
    Case("SBC-DLG-002", WARN, "see SBC-MEDIA-018", known(ended_by="sbc", end_reason="media-timeout")),
    Case("SBC-DLG-002", WARN, "see SBC-DLG-009", known(ended_by="sbc", end_reason="session-expired")),
    Case("SBC-DLG-002", PASS, "longest duration", known(ended_by="sbc", end_reason="max-duration")),
    Case("SBC-DLG-002", UNKNOWN, "not ended", known(ended_by="", end_reason="", ended_at=None)),
    Case("SBC-DLG-008", WARN, "ACK with another CSeq. And 2 more.", known(dialog_errors=["ACK with another CSeq"] * 5)),
    Case("SBC-DLG-009", FAIL, "not refreshed", known(ended_by="sbc", end_reason="session-expired")),
    Case("SBC-DLG-009", SKIP, "No session timer", known(**invited(session_expires=None))),
    Case("SBC-DLG-010", WARN, "Reason", known(bye_reason=";cause=16")),
    Case("SBC-DLG-010", PASS, "SIP;cause=200", known(bye_reason="SIP;cause=200, Q.850;cause=16")),
    Case("SBC-DLG-010", SKIP, "No Reason", known(bye_reason=None)),
    Case("SBC-DLG-011", WARN, "limits.call_seconds", known(ended_by="sbc", end_reason="max-duration")),
    Case("SBC-DLG-011", UNKNOWN, "not ended", both(known(ended_at=None), known(ended_by=""))),
    Case("SBC-DLG-012", FAIL, "2 messages", known(malformed_in_dialog=2)),
    Case("SBC-DLG-013", WARN, "(the partner sent CANCEL): nothing was proved", both(RANG, known(end_reason="cancelled"))),
    Case("SBC-DLG-013", WARN, "shut down", both(RANG, known(ended_by="sbc", end_reason="shutdown"))),
    Case("SBC-DLG-013", WARN, "request to the API", both(RANG, known(ended_by="sbc", end_reason="api"))),
    Case("SBC-DLG-013", WARN, "see SBC-SIP-032", both(RANG, known(ended_by="sbc", end_reason="no-prack"))),
    Case("SBC-DLG-013", SKIP, "was refused", both(RANG, known(ended_by="sbc", end_reason="refused", refused_status=488))),
    Case("SBC-DLG-013", SKIP, "not answered", both(RANG, known(ended_by="", end_reason="", ended_at=None))),
    Case("SBC-DLG-001", SKIP, "not answered", known(answered_at=None, report=None)),
    Case("SBC-DLG-011", PASS, "20.0 s", known(ended_at=NOW + 21)),
]

CASES = [*TLS, *NET, *SIP, *HDR, *DLG]
