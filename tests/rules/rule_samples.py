"""A call in which every rule holds, to be broken in one place: real parsers for what the partner sent, values for what happened then."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sbc_sim.rtp.leg import Direction, DtmfEvent, LegDescription, LegReport, SrtpKey
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Status
from sbc_sim.rules.judge import judge_call
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import Capabilities, negotiate
from sbc_sim.sip.message import Headers, Request
from sbc_sim.sip.peer import Peer, TlsFacts
from sbc_sim.sip.uui import UuiExpectation, encode, read

NOW = 1_700_000_000.0
ECHO = "7b226f72674964223a226563686f2d746573742d6f7267222c227363727432446f6d61696e223a226166762d7773732d6563686f3a37343432227d"
GOOD_UUI = f"{ECHO};encoding=hex;purpose=isdn-uui"
KEY = base64.b64encode(bytes(range(30))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 31))).decode()
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
M_LINE = "m=audio 40000 RTP/SAVP 0 101"
SDP = (
    "v=0",
    "o=pbx 4711 1 IN IP4 192.0.2.10",
    "s=-",
    "c=IN IP4 192.0.2.10",
    "t=0 0",
    M_LINE,
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-16",
    CRYPTO,
    "a=ptime:20",
    "a=sendrecv",
)
OFFER_OF_OURS = (
    "v=0",
    "o=- 1 1 IN IP4 203.0.113.5",
    "s=-",
    "c=IN IP4 203.0.113.5",
    "t=0 0",
    "m=audio 31000 RTP/SAVP 0 101",
    "a=rtpmap:101 telephone-event/8000",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}",
)


def sdp(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def changed_sdp(old: str, new: str | None, *more: str) -> bytes:
    """The good offer with one line replaced, or left out for None, and `more` at its end."""
    assert old in SDP
    lines = [new if line == old else line for line in SDP]
    return sdp(*(line for line in lines if line is not None), *more)


def an_invite(uri: str = "sip:+15550100@sbc.example", method: str = "INVITE", **changed: str | None) -> Request:
    """An INVITE with header fields changed (`max_forwards="0"`), or left out for None."""
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/TLS 192.0.2.10:5061;branch=z9hG4bKabc;rport",
        "Max-Forwards": "70",
        "From": '"Ann" <sip:+442071234567@partner.example>;tag=f1',
        "To": "<sip:+15550100@sbc.example>",
        "Call-ID": "call-1@partner",
        "CSeq": f"1 {method}",
        "Contact": "<sip:ann@192.0.2.10:5061;transport=tls>",
        "User-to-User": GOOD_UUI,
        "Session-Expires": "1800;refresher=uac",
        "P-Asserted-Identity": "<sip:+442071234567@partner.example>",
        "Diversion": "<sip:+442079999999@partner.example>;reason=unconditional",
    }
    names = {name.lower().replace("-", "_"): name for name in headers}
    headers |= {names.get(name, name.replace("_", "-")): value for name, value in changed.items()}
    return Request(method, uri, Headers([(name, value) for name, value in headers.items() if value is not None]))


def a_peer(**facts: object) -> Peer:
    tls = replace(TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "sbc.example"), **facts)  # type: ignore[arg-type]
    return Peer("192.0.2.10", 40001, "203.0.113.5", 5061, tls=tls)


def a_report(**changed: object) -> LegReport:
    """Twenty seconds of good media."""
    good = LegReport(
        packets_received=1000,
        octets_received=160_000,
        packets_sent=1000,
        octets_sent=160_000,
        echoed_packets=1000,
        expected=1000,
        jitter_ms=1.0,
        max_jitter_ms=3.0,
        payload_types=((0, 1000),),
        ssrcs=1,
        ssrc=1,
        first_packet_at=NOW + 1.1,
        last_packet_at=NOW + 20.9,
        packet_ms=20.0,
        level_dbfs=-20.0,
        peak_dbfs=-10.0,
        audio_packets=1000,
        dtmf=(DtmfEvent("5", NOW + 5, 120),),
        remote=("192.0.2.10", 40000),
        rtcp_sent=4,
        rtcp_received=4,
        max_echo_delay_ms=2.5,
        peer_cname="ann",
        peer_fraction_lost=0.0,
        peer_jitter_ms=1.0,
        round_trip_ms=12.0,
    )
    return replace(good, **changed)  # type: ignore[arg-type]


def a_leg(**changed: object) -> LegDescription:
    key = SrtpKey("AES_CM_128_HMAC_SHA1_80", bytes(30))
    good = LegDescription("c1", ("192.0.2.10", 40000), None, key, key, dtmf_payload_type=101, latch=True)
    return replace(good, **changed)  # type: ignore[arg-type]


def a_call(policy: Policy, uui: str | None = GOOD_UUI, offer: bytes = sdp(*SDP), invite: Request | None = None) -> Evidence:
    """Everything known about a call that went well: 20 s of echo after 1 s of ringing, ended by the partner."""
    invite = invite or an_invite(user_to_user=uui)
    return Evidence(
        peer=a_peer(),
        invite=invite,
        uui=read(invite.headers, expectation(policy)),
        offer=offer,
        negotiation=negotiate(offer, capabilities(policy)),
        leg=a_leg(),
        report=a_report(),
        invited_at=NOW,
        answered_at=NOW + 1,
        acknowledged_at=NOW + 1.02,
        ended_at=NOW + 21,
        ended_by="partner",
        end_reason="normal",
        methods={"BYE": 1, "PRACK": 1, "INFO": 1},
        bye_reason='Q.850;cause=16;text="Normal call clearing"',
    )


def expectation(policy: Policy) -> UuiExpectation:
    return UuiExpectation(
        several=policy.uui_several,
        leading_octet=policy.uui_leading_octet,
        x_header=policy.uui_x_header,
        limit=policy.uui_limit,
        limit_scope=policy.uui_limit_scope,
        max_depth=policy.uui_max_depth,
        aliases=policy.uui_aliases,
    )


def capabilities(policy: Policy) -> Capabilities:
    return Capabilities(policy.suites, policy.codecs, policy.crypto_in_avp == "accept", policy.ipv6, policy.min_ptime, policy.max_ptime)


def hex_of(text: str | bytes) -> str:
    return f"{encode(text)};purpose=isdn-uui"


def nothing(evidence: Evidence) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Case:
    """One call that shows a rule with a status."""

    rule: str
    status: Status
    says: str
    """Words that the detail must hold."""
    change: Callable[[Evidence], None] = nothing
    policy: Policy = field(default_factory=Policy)
    uui: str | None = GOOD_UUI
    offer: bytes = sdp(*SDP)
    invite: Request | None = None

    def __str__(self) -> str:
        return f"{self.rule}-{self.status.value}-{self.says.replace(' ', '_')[:30]}"

    @property
    def evidence(self) -> Evidence:
        evidence = a_call(self.policy, self.uui, self.offer, self.invite)
        self.change(evidence)
        return evidence

    @property
    def finding(self) -> Finding:
        """What the judge says of the rule in this call."""
        (finding,) = (f for f in judge_call(self.evidence, self.policy).findings if f.rule == self.rule)
        return finding


def reported(**changed: object) -> Callable[[Evidence], None]:
    """Change the media report."""

    def change(evidence: Evidence) -> None:
        evidence.report = a_report(**changed)

    return change


def known(**changed: object) -> Callable[[Evidence], None]:
    """Change fields of the evidence."""

    def change(evidence: Evidence) -> None:
        for name, value in changed.items():
            setattr(evidence, name, value)

    return change


def both(*changes: Callable[[Evidence], None]) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        for one in changes:
            one(evidence)

    return change


HELD_LEG = a_leg(direction=Direction.RECVONLY)
