"""What can be done wrong on purpose, and what each of it makes of the conduct towards a call (requirement 116).

A test number is nothing but one of these for every call to it, and a fault that is set by settings or API one for the calls that it
is meant for: so both behave alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sbc_sim.calls.conduct import Answer, Conduct
from sbc_sim.rtp.leg import MediaConduct

Value = float | str | None
"""The strength of a fault: a number, or a word."""

MOST_SECONDS = 3600.0
RENEWED_S = 2.0
"""Seconds from the ACK to the new certificate, by test number."""


@dataclass(frozen=True, slots=True)
class FaultType:
    """One kind of fault."""

    name: str
    area: str
    """``signalling``, ``media``, ``tls`` or ``telephony``."""
    does: str
    """What happens, as a sentence without its subject."""
    unit: str = ""
    """What `value` counts, in words; empty: it takes none."""
    usual: Value = None
    """The value without one."""
    least: float = 0.0
    most: float = MOST_SECONDS
    words: tuple[str, ...] = ()
    """When the value is a word: which ones there are; any text up to 256 characters when `unit` is ``URI``."""
    make: Callable[[Conduct, Any], Conduct | None] | None = None
    """Change the conduct towards a call; None: something stronger stands there already. Not for telephony, and for TLS by number only."""


def _refusing(status: int) -> Callable[[Conduct, Any], Conduct | None]:
    return lambda conduct, value: _refuse(conduct, Answer(status))


def _refuse(conduct: Conduct, answer: Answer) -> Conduct | None:
    return None if never_talks(conduct) else replace(conduct, answer=answer)


def never_talks(conduct: Conduct) -> bool:
    """Say whether a call of this conduct is never answered."""
    return conduct.answer is not None or conduct.silent or conduct.never_answer


def _overload(conduct: Conduct, seconds: float) -> Conduct | None:
    return _refuse(conduct, Answer(503, "", (("Retry-After", f"{max(1, round(seconds))}"),)))


def _redirect(conduct: Conduct, uri: str) -> Conduct | None:
    """Without a URI the call fills in its own echo: a Contact that can really be followed."""
    return _refuse(conduct, Answer(302, "", (("Contact", f"<{uri}>"),) if uri else ()))


def _silent(conduct: Conduct, value: Value) -> Conduct | None:
    return None if never_talks(conduct) else replace(conduct, silent=True)


def _no_answer(conduct: Conduct, value: Value) -> Conduct | None:
    return None if never_talks(conduct) else replace(conduct, never_answer=True)


def _slow(conduct: Conduct, seconds: float) -> Conduct | None:
    return None if conduct.ring_seconds is not None else replace(conduct, ring_seconds=seconds)


def _early(conduct: Conduct, seconds: float) -> Conduct | None:
    if conduct.ring_seconds is not None:
        return None
    kind = "ringing" if conduct.media.kind == "echo" else conduct.media.kind
    return replace(conduct, ring_seconds=seconds, early_media=True, media=replace(conduct.media, kind=kind))


def _after(member: str) -> Callable[[Conduct, Any], Conduct | None]:
    """Something that happens so many seconds after the ACK; two of a kind: the first one holds."""

    def make(conduct: Conduct, seconds: float) -> Conduct | None:
        changed: dict[str, Any] = {member: float(seconds)}
        return None if getattr(conduct, member) is not None else replace(conduct, **changed)

    return make


def _ignore_bye(conduct: Conduct, value: Value) -> Conduct | None:
    return None if conduct.ignore_bye else replace(conduct, ignore_bye=True)


ONE_WAY = {"out": 1.0, "in": 2.0}
"""As in MediaConduct.faults: nothing goes out to the partner, or nothing of what comes in is heard."""


def _media(kind: str) -> Callable[[Conduct, Any], Conduct | None]:
    def make(conduct: Conduct, value: Value) -> Conduct | None:
        media = conduct.media
        if any(known == kind for known, _ in media.faults):
            return None
        strength = ONE_WAY[value] if isinstance(value, str) else 1.0 if value is None else float(value)
        return replace(conduct, media=_with_fault(media, kind, strength))

    return make


def _with_fault(media: MediaConduct, kind: str, strength: float) -> MediaConduct:
    return replace(media, faults=(*media.faults, (kind, strength)))


_SECONDS_AFTER_ACK = "seconds after the ACK"
_SHARE = "fraction of the packets, 0 to 1"

_TYPES = (
    FaultType("busy", "signalling", "refuses the INVITE with 486 Busy Here", make=_refusing(486)),
    FaultType("unavailable", "signalling", "refuses the INVITE with 480 Temporarily Unavailable", make=_refusing(480)),
    FaultType("overload", "signalling", "refuses the INVITE with 503 Service Unavailable and Retry-After", "seconds in Retry-After", 10.0,
              1.0, 86400.0, make=_overload),
    FaultType("reject", "signalling", "refuses the INVITE with a status of your choice", "status, 400 to 699", 500.0, 400.0, 699.0,
              make=lambda conduct, value: _refuse(conduct, Answer(round(value)))),
    FaultType("redirect", "signalling", "answers the INVITE with 302 Moved Temporarily and a Contact", "URI", "", make=_redirect),
    FaultType("silence", "signalling", "sends 100 Trying and then nothing, as a server that has died (408 for whoever waits)",
              make=_silent),
    FaultType("no-answer", "signalling", "rings until the partner sends CANCEL", make=_no_answer),
    FaultType("slow-answer", "signalling", "rings for some seconds before the 200", "seconds of ringing", 5.0, 0.0, 180.0, make=_slow),
    FaultType("early-media", "signalling", "sends 183 with SDP and a ringing tone as audio before the 200", "seconds before the 200", 3.0,
              0.0, 180.0, make=_early),
    FaultType("bye-after", "signalling", "ends the call with BYE", _SECONDS_AFTER_ACK, 5.0, make=_after("hang_up_after")),
    FaultType("bye-at-once", "signalling", "ends the call with BYE right after the ACK",
              make=lambda conduct, value: _after("hang_up_after")(conduct, 0.0)),
    FaultType("no-bye-answer", "signalling", "leaves the partner's BYE without an answer", make=_ignore_bye),
    FaultType("reset", "signalling", "drops the TCP connection with RST", _SECONDS_AFTER_ACK, 2.0, make=_after("reset_after")),
    FaultType("hold", "signalling", "puts the call on hold by re-INVITE (sendonly) and resumes it as much later", _SECONDS_AFTER_ACK, 2.0,
              make=_after("hold_after")),
    FaultType("session-refresh", "signalling", "refreshes the session by UPDATE or re-INVITE", _SECONDS_AFTER_ACK, 2.0,
              make=_after("refresh_after")),
    FaultType("escalate", "signalling", "gives the call back to the partner", _SECONDS_AFTER_ACK, 0.0, make=_after("escalate_after")),
    FaultType("loss", "media", "loses packets on the way to the partner", _SHARE, 0.05, 0.0, 1.0, make=_media("loss")),
    FaultType("burst", "media", "loses packets in rows on the way to the partner, one row a second", "packets in a row", 5.0, 1.0,
              50.0, make=_media("burst")),
    FaultType("jitter", "media", "delays each packet to the partner by another time, the order kept", "milliseconds at most", 60.0, 1.0,
              1000.0, make=_media("jitter")),
    FaultType("reorder", "media", "lets packets to the partner overtake each other", _SHARE, 0.05, 0.0, 1.0, make=_media("reorder")),
    FaultType("duplicate", "media", "sends packets to the partner twice", _SHARE, 0.05, 0.0, 1.0, make=_media("duplicate")),
    FaultType("delay", "media", "delays all packets to the partner alike", "milliseconds", 400.0, 1.0, 5000.0, make=_media("delay")),
    FaultType("one-way", "media", "lets audio go one way only", "which way is dead: out (towards the partner) or in", "out",
              words=tuple(ONE_WAY), make=_media("one-way")),
    FaultType("wrong-key", "media", "protects its SRTP and SRTCP with another key than the answer names", make=_media("wrong-key")),
    FaultType("tls-certificate", "tls", "shows another server certificate on new connections", "which one", "new-leaf",
              words=("new-leaf", "new-ca", "expired", "wrong-name", "self-signed", "missing-intermediate"),
              make=lambda conduct, value: replace(conduct, renew_certificate_after=RENEWED_S)),
    FaultType("telephony-slow", "telephony", "answers the Telephony Integration API late", "seconds", 5.0, 0.0, 120.0),
    FaultType("telephony-500", "telephony", "answers the Telephony Integration API with a server error", "status, 500 to 599", 500.0,
              500.0, 599.0),
    FaultType("telephony-429", "telephony", "answers the Telephony Integration API with 429 and Retry-After", "seconds in Retry-After", 5.0,
              1.0, 86400.0),
    FaultType("telephony-drop", "telephony", "drops the connection of a request to the Telephony Integration API without an answer"),
    FaultType("telephony-garbage", "telephony", "answers the Telephony Integration API with JSON that is cut off"),
)  # fmt: skip

FAULT_TYPES: Mapping[str, FaultType] = {one.name: one for one in _TYPES}
"""Every type by its name."""


def told_types() -> list[dict[str, Any]]:
    """Give every type as JSON."""
    return [told_type(kind) for kind in FAULT_TYPES.values()]


def told_type(kind: FaultType) -> dict[str, Any]:
    """Give a type as JSON; the bounds only where its value is a number."""
    told = {"name": kind.name, "area": kind.area, "does": kind.does, "unit": kind.unit, "usual": kind.usual, "words": list(kind.words)}
    return told if kind.words or kind.unit in ("", "URI") else {**told, "least": kind.least, "most": kind.most}
