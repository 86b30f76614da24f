"""What the far end of a recorded call chose: its tag, when it answered, suite, codec and ports. The replay must choose the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from sbc_sim.calls.session import capabilities
from sbc_sim.offline.attempts import Attempt, Heard, tag_of
from sbc_sim.rtp.leg import MediaAddress
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import KEY_SALT_LENGTH, Capabilities, CryptoLine, Negotiation, negotiate
from sbc_sim.sdp.crypto import CryptoFault, parse_crypto
from sbc_sim.sdp.description import read
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Message, Request, Response
from sbc_sim.sip.responses import has_tag
from sbc_sim.sip.text import printable

NEVER = 1e7
"""Seconds to ring when the far end did not answer: longer than any trace that is looked at."""
JUST_BEFORE = 1e-6
"""An answer is given so much before it was seen: a float holds the time of day to a quarter of that."""
_ANYTHING = Capabilities(
    tuple(KEY_SALT_LENGTH), ("PCMU", "PCMA", "G722"), crypto_in_avp=True, ipv6=True, min_ptime=1, max_ptime=1000, unencrypted=True
)
DEFAULT_TAG = "sbc-sim-offline"


@dataclass(slots=True)
class FarEnd:
    """What is known of it."""

    tag: str
    ring_seconds: float
    """From the INVITE to its answer."""
    answered: bool
    """It accepted the call, whether the 200 is in the trace or only what follows it."""
    refused: Response | None
    """Its refusal of the INVITE."""
    rseq: int | None
    """RSeq of its reliable provisional response."""
    media: MediaAddress | None
    """Where it wanted the partner's RTP, first of all."""
    ports: frozenset[tuple[str, int]] = frozenset()
    """All addresses that it named for RTP."""
    rtcp_ports: frozenset[tuple[str, int]] = frozenset()
    answer: Negotiation | None = None
    """Its first description, read leniently."""
    policy: Policy = field(default_factory=Policy)
    """Ours, narrowed to what it chose."""
    notes: list[str] = field(default_factory=list)


def study(attempt: Attempt, policy: Policy) -> FarEnd:
    """Read what the far end of an attempt chose."""
    invite = attempt.heard[0]
    answers = list(_answers(attempt, invite))
    accepted = next(((at, r) for at, r in answers if 200 <= r.status < 300), None)
    refused = None if accepted else next((r for _, r in answers if r.status >= 300), None)
    notes: list[str] = []
    ring = _ring_seconds(attempt, invite, accepted, refused, notes)
    descriptions = [d for d in (_description(h.message) for h in attempt.heard if not h.inbound) if d is not None]
    answer = next(iter(descriptions), None)
    far = FarEnd(
        tag=_tag(attempt, accepted[1] if accepted else None, [r for _, r in answers]),
        ring_seconds=ring,
        answered=ring < NEVER,
        refused=refused,
        rseq=next((number for _, r in answers if r.status < 200 and (number := _rseq(r)) is not None), None),
        media=_media_address(answer),
        ports=frozenset(d.remote for d in descriptions if d.remote is not None),
        rtcp_ports=frozenset(d.remote_rtcp for d in descriptions if d.remote_rtcp is not None),
        answer=answer,
        notes=notes,
    )
    far.policy = _narrowed(policy, invite.message, answer, notes)
    return far


def _answers(attempt: Attempt, invite: Heard) -> Iterator[tuple[float, Response]]:
    sequence = (invite.message.headers.first("CSeq") or "").split()
    for heard in attempt.heard:
        if not heard.inbound and isinstance(heard.message, Response) and (heard.message.headers.first("CSeq") or "").split() == sequence:
            yield heard.spoken.at, heard.message


def _ring_seconds(
    attempt: Attempt, invite: Heard, accepted: tuple[float, Response] | None, refused: Response | None, notes: list[str]
) -> float:
    began = invite.spoken.at
    if accepted is not None:
        return max(0.0, accepted[0] - began - JUST_BEFORE)
    if refused is not None:
        return NEVER
    later = next((h.spoken.at for h in attempt.heard if h.inbound and _proves_answer(h.message)), None)
    if later is None:
        return NEVER
    notes.append("the SBC's 200 is not in the trace; the call goes on, so it is taken as answered just before that.")
    return max(0.0, later - began - JUST_BEFORE)


def _proves_answer(message: Message) -> bool:
    """An ACK, BYE or the like within the dialog, where no refusal was seen."""
    if not isinstance(message, Request) or message.method in ("CANCEL", "PRACK", "UPDATE"):
        return False
    return has_tag(message.headers.first("To") or "")


def _tag(attempt: Attempt, accepted: Response | None, answers: list[Response]) -> str:
    """The far end's tag: that of its 2xx, else of a request within the dialog, else of any answer."""
    within = (
        tag_of(h.message, "To" if h.inbound else "From")
        for h in attempt.heard
        if isinstance(h.message, Request) and h.message.method not in ("INVITE", "CANCEL")
    )
    others = (tag_of(answer, "To") for answer in reversed(answers))
    candidates = (tag_of(accepted, "To") if accepted is not None else "", *within, *others)
    return next((tag for tag in candidates if tag and tag != attempt.tag), DEFAULT_TAG)


def _rseq(response: Response) -> int | None:
    text = (response.headers.first("RSeq") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def _description(message: Message) -> Negotiation | None:
    """Read the session description that a message carries, whatever is wrong with it."""
    try:
        sdp = sdp_body(message)
    except MalformedMessage:
        return None
    return None if sdp is None else negotiate(sdp, _ANYTHING)


def _media_address(answer: Negotiation | None) -> MediaAddress | None:
    if answer is None or answer.remote is None:
        return None
    try:
        host = str(ip_address(answer.remote[0]))
    except ValueError:
        return None
    rtcp = answer.remote_rtcp or answer.remote
    return MediaAddress(host, answer.remote[1], rtcp[1])


def _narrowed(policy: Policy, invite: Message, answer: Negotiation | None, notes: list[str]) -> Policy:
    """Take the far end's suite and codec where ours would have been others."""
    offer = _offer(invite)
    if answer is None or offer is None:
        return policy
    ours = negotiate(offer, capabilities(policy))
    if not ours.usable or ours.crypto is None:
        return policy
    suite = answer.crypto.suite if answer.crypto is not None else ours.crypto.suite
    if suite != ours.crypto.suite and suite in policy.suites:
        notes.append(f"the SBC took {suite}, ours would have taken {ours.crypto.suite}.")
        policy = replace(policy, suites=(suite,))
    if answer.codec and answer.codec != ours.codec:
        if answer.codec in policy.codecs:
            notes.append(f"the SBC took {answer.codec}, ours would have taken {ours.codec}.")
            policy = replace(policy, codecs=(answer.codec,))
        else:
            notes.append(f"the SBC took {printable(answer.codec, 20)}, which the {policy.profile} profile does not.")
    return policy


def _offer(message: Message) -> bytes | None:
    try:
        return sdp_body(message)
    except MalformedMessage:
        return None


def offered_key(offer: bytes, tag: int) -> CryptoLine | None:
    """Give the crypto line of an offer that has this tag; None when there is none that can be read."""
    for section in read(offer).media:
        for _, value in section.attributes("crypto"):
            try:
                line = parse_crypto(value)
            except CryptoFault:
                continue
            if line.tag == tag:
                return line
    return None


def partner_ports(attempt: Attempt) -> frozenset[tuple[str, int]]:
    """Addresses that the partner named for its media."""
    descriptions = (_description(heard.message) for heard in attempt.heard if heard.inbound)
    return frozenset(d.remote for d in descriptions if d is not None and d.remote is not None)
