"""Faults: what is done wrong on purpose, to whom, how often and for how long. Pure: time is an argument, chance follows from a seed.

table = FaultTable(tell)
table.put(read_fault("five-busy", {"type": "busy", "count": 5}, "api"), now)
for fault in table.candidates("signalling", target, now): ...      # those meant for this call, the oldest first
table.take(fault, now)                                             # whether it strikes: probability, count; a hit is counted
table.telephony("/telephony/v1/voiceCalls", "acme", now)           # the one that strikes this request, or None

Where several replicas share a store each has a table of its own, and they tell each other what is set and what was hit.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.calls.fault_types import FAULT_TYPES, FaultType, Value
from sbc_sim.calls.nearest import did_you_mean
from sbc_sim.journal.view import rfc3339
from sbc_sim.rtp.seeded import Seeded, seed_of
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.uri import Uri

MOST_FAULTS = 100
MOST_COUNT = 1_000_000
LONGEST_S = 7 * 86400.0
LONGEST_WORD = 256
MEMBERS = ("type", "value", "seed", "scope", "probability", "count", "seconds")
"""What a fault may say of itself, in settings and in the body of a PUT."""
SCOPES = ("number", "region", "partner", "path")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEPARATORS = re.compile(r"[-.()\s]")

Tell = Callable[[float, Mapping[str, Any]], object]
"""`tell(now, data)`: FAULT_CHANGED."""


class BadFault(ValueError):
    """A description of a fault that makes no sense: which member, why, and what would."""

    def __init__(self, member: str, detail: str, fix: str) -> None:
        """`member` empty: the whole of it."""
        super().__init__(f"{detail} {fix}".strip())
        self.member = member
        self.detail = detail
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a fault is meant; what is empty fits everybody."""

    number: str = ""
    """User part of the Request-URI, or its beginning followed by ``*``."""
    region: str = ""
    partner: str = ""
    path: str = ""
    """Telephony faults: a part of the path."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a fault could strike."""

    number: str = ""
    region: str = ""
    partner: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault by its name."""

    name: str
    type: FaultType
    value: Value = None
    seed: int = 0
    scope: Scope = Scope()
    probability: float = 1.0
    count: int | None = None
    """So many hits, then it is used up; None: any number."""
    seconds: float | None = None
    """It ends so long after it was set; None: it stays."""
    by: str = "api"
    """``api``, ``settings`` or ``number 1012``."""

    def stamp(self) -> dict[str, Any]:
        """Tell of it where it struck: as in SCENARIO and in the call JSON."""
        return {"name": self.name, "type": self.type.name, "value": self.value, "seed": self.seed, "by": self.by}


def read_fault(name: str, members: Mapping[str, Any], by: str = "api") -> Fault:
    """Read a fault from plain data, as in settings `faults.NAME` and PUT /api/v1/faults/NAME. Raises BadFault."""
    if not _NAME.fullmatch(name):
        raise BadFault("name", f"{name[:80]!r} is no name for a fault.", "Use letters, digits, dot, dash and underscore, at most 64.")
    for member in members:
        if member not in MEMBERS:
            raise BadFault(str(member)[:80], f"{str(member)[:80]!r} means nothing here.", did_you_mean(member, MEMBERS))
    kind = _type(members.get("type"))
    for member in ("probability", "count", "seed") if kind.area == "tls" else ():
        if members.get(member) is not None:
            fix = "It holds for all new connections; end it by seconds, or by DELETE."
            raise BadFault(member, f"{member} means nothing for {kind.name}.", fix)
    return Fault(
        name,
        kind,
        _value(kind, members.get("value")),
        _seed(members.get("seed"), name),
        _scope(kind, members.get("scope")),
        _number("probability", members.get("probability"), 1.0, 0.0, 1.0, above=True) or 1.0,
        _whole("count", members.get("count"), 1, MOST_COUNT),
        _number("seconds", members.get("seconds"), None, 0.0, LONGEST_S, above=True),
        by,
    )


def _type(name: object) -> FaultType:
    if name is None:
        raise BadFault("type", "A fault needs a type.", f"There are {', '.join(FAULT_TYPES)}.")
    if not isinstance(name, str) or name not in FAULT_TYPES:
        raise BadFault("type", f"There is no fault of the type {str(name)[:80]!r}.", did_you_mean(name, tuple(FAULT_TYPES)))
    return FAULT_TYPES[name]


def _value(kind: FaultType, value: object) -> Value:
    if not kind.unit:
        if value is not None:
            raise BadFault("value", f"{kind.name} takes no value.", "Leave it out.")
        return None
    if value is None:
        return kind.usual
    if kind.words:
        if not isinstance(value, str) or value not in kind.words:
            raise BadFault(
                "value", f"{kind.name}: {str(value)[:80]!r} is not one of its values ({kind.unit}).", did_you_mean(value, kind.words)
            )
        return value
    return _uri(value) if kind.unit == "URI" else _number("value", value, None, kind.least, kind.most, kind.unit)


def _uri(value: object) -> str:
    fix = "Give a URI like sip:+15551000000@sbc.example:5061;transport=tls."
    if not isinstance(value, str) or len(value) > LONGEST_WORD or re.search(r"[^\x21-\x7e]|[<>\"]", value):
        raise BadFault("value", "The value is no SIP URI.", fix)
    try:
        Uri.parse(value, "value")
    except MalformedMessage as error:
        raise BadFault("value", f"The value is no SIP URI: {error.detail}.", fix) from None
    return value


def _number(
    member: str, value: object, usual: float | None, least: float, most: float, unit: str = "", above: bool = False
) -> float | None:
    """Read a number between bounds; `above`: the lower one itself is too little."""
    if value is None:
        return usual
    of = f" ({unit})" if unit else ""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadFault(member, f"{member}{of} must be a number.", f"Use {least:g} to {most:g}.")
    if not least <= value <= most or (above and value == least):
        more = "more than " if above else ""
        raise BadFault(member, f"{member}{of} is {value:g}.", f"Use {more}{least:g} to {most:g}.")
    return float(value)


def _whole(member: str, value: object, least: int, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadFault(member, f"{member} must be a whole number.", f"Use {least} to {most}.")
    return value


def _seed(value: object, name: str) -> int:
    """Without a seed it follows from the name, so that chance is the same in every run all the same."""
    most = 2**53 - 1  # what JSON carries unharmed
    seed = _whole("seed", value, -most, most)
    return seed_of(name) & 0x7FFFFFFF if seed is None else seed


def _scope(kind: FaultType, scope: object) -> Scope:
    if scope is None:
        return Scope()
    if not isinstance(scope, Mapping):
        raise BadFault("scope", "scope must be an object.", f"Its members: {', '.join(SCOPES)}.")
    for member, value in scope.items():
        if member not in SCOPES:
            raise BadFault(f"scope.{str(member)[:80]}", f"scope.{str(member)[:80]} means nothing.", did_you_mean(member, SCOPES))
        if not isinstance(value, str) or len(value) > LONGEST_WORD:
            raise BadFault(f"scope.{member}", f"scope.{member} must be text of at most {LONGEST_WORD} characters.", "Put it in quotes.")
        if value and member not in _SCOPES_OF[kind.area]:
            fix = f"{kind.name} can be limited by {' and '.join(_SCOPES_OF[kind.area])}."
            raise BadFault(f"scope.{member}", f"scope.{member} means nothing for {kind.name}.", fix)
    return Scope(**{str(member): value for member, value in scope.items()})


_CALLS = ("number", "region", "partner")
_SCOPES_OF = {"signalling": _CALLS, "media": _CALLS, "tls": ("region",), "telephony": ("partner", "path")}


@dataclass(slots=True)
class _Entry:
    fault: Fault
    created_at: float
    expires_at: float | None
    chance: Seeded = field(repr=False)
    hits: int = 0


class FaultTable:
    """All faults that are set, at most a hundred. Every change is told."""

    def __init__(self, tell: Tell = lambda now, data: None) -> None:
        """Begin without any."""
        self._tell = tell
        self._entries: dict[str, _Entry] = {}
        self.on_hit: Callable[[str], object] = lambda name: None
        """Is told the name of a fault that has a count and struck here."""

    # --- changing ----------------------------------------------------------------------------------------------------

    def put(self, fault: Fault, now: float) -> Mapping[str, Any]:
        """Set a fault, in place of one of the same name; its hits are counted anew. Raises BadFault when there are too many."""
        self.advance(now)
        if fault.name not in self._entries and len(self._entries) >= MOST_FAULTS:
            raise BadFault("", f"{MOST_FAULTS} faults are set already.", "Remove one with DELETE /api/v1/faults/NAME.")
        expires = None if fault.seconds is None else now + fault.seconds
        entry = _Entry(fault, now, expires, Seeded(seed_of(fault.seed, fault.type.name)))
        self._entries.pop(fault.name, None)
        self._entries[fault.name] = entry
        self._changed(entry, "set", now)
        return _json(entry)

    def remove(self, name: str, now: float) -> bool:
        """Take a fault away; False when there is none of that name."""
        self.advance(now)
        return self._drop(name, "removed", now)

    def clear(self, now: float, by: str = "api") -> int:
        """Take away all that came from there, as a reset does; give their number."""
        names = [entry.fault.name for entry in self._entries.values() if by in ("", entry.fault.by)]
        return sum(self._drop(name, "removed", now) for name in names)

    def _drop(self, name: str, change: str, now: float) -> bool:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._changed(entry, change, now)
        return entry is not None

    def _changed(self, entry: _Entry, change: str, now: float) -> None:
        self._tell(now, {"name": entry.fault.name, "change": change, "fault": _json(entry)})

    @property
    def deadline(self) -> float | None:
        """When the next one ends by itself."""
        return min((entry.expires_at for entry in self._entries.values() if entry.expires_at is not None), default=None)

    def advance(self, now: float) -> None:
        """Drop what has run out."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return
        for name, entry in list(self._entries.items()):
            if entry.expires_at is not None and now >= entry.expires_at:
                self._drop(name, "expired", now)

    # --- reading -----------------------------------------------------------------------------------------------------

    def one(self, name: str, now: float) -> Mapping[str, Any] | None:
        """Tell of a fault as JSON; None when there is none of that name."""
        self.advance(now)
        entry = self._entries.get(name)
        return None if entry is None else _json(entry)

    def all(self, now: float) -> list[Mapping[str, Any]]:
        """Tell of all faults as JSON, the oldest first."""
        self.advance(now)
        return [_json(entry) for entry in self._entries.values()]

    def standing(self, by: str, now: float) -> list[dict[str, Any]]:
        """Give all that came from there as another table can set them: ``{name, members, hits}``, what time is left to them in members."""
        self.advance(now)
        return [
            {"name": entry.fault.name, "members": _members(entry, now), "hits": entry.hits}
            for entry in self._entries.values()
            if entry.fault.by == by
        ]

    def active(self) -> Mapping[str, int]:
        """How many of each type are set."""
        return Counter(entry.fault.type.name for entry in self._entries.values())

    # --- striking ----------------------------------------------------------------------------------------------------

    def candidates(self, areas: tuple[str, ...], target: Target, now: float) -> Iterator[Fault]:
        """Give the faults of some areas that are meant for this target, the oldest first. None of them has struck yet: see `take`."""
        if not self._entries:
            return iter(())
        self.advance(now)
        return iter(
            [e.fault for e in self._entries.values() if e.fault.type.area in areas and _meant(e.fault.scope, target)]
        )  # a list: `take` may drop one

    def take(self, fault: Fault, now: float) -> bool:
        """Say whether a candidate strikes, by its probability, and count the hit; the last one of its count uses it up."""
        entry = self._entries.get(fault.name)
        if entry is None or (fault.probability < 1.0 and entry.chance.next() >= fault.probability):
            return False
        if fault.count is not None:
            self.on_hit(fault.name)
        self._hit(entry, 1, now)
        return True

    def hit_elsewhere(self, name: str, hits: int, now: float) -> None:
        """Count what another replica's table of the same faults was hit."""
        entry = self._entries.get(name)
        if entry is not None:
            self._hit(entry, hits, now)

    def _hit(self, entry: _Entry, hits: int, now: float) -> None:
        entry.hits += hits
        if entry.fault.count is not None and entry.hits >= entry.fault.count:
            self._drop(entry.fault.name, "used up", now)

    def telephony(self, path: str, partner: str, now: float) -> Fault | None:
        """Give the fault that strikes this request to the Telephony Integration API, if any; its hit is counted."""
        target = Target(partner=partner, path=path)
        return next((fault for fault in self.candidates(("telephony",), target, now) if self.take(fault, now)), None)

    def tls(self, now: float) -> list[Fault]:
        """Give the faults of certificates that are set, the oldest first: they hold for new connections as long as they stand."""
        self.advance(now)
        return [entry.fault for entry in self._entries.values() if entry.fault.type.area == "tls"]


def _meant(scope: Scope, target: Target) -> bool:
    return (
        _fits(scope.number, target.number)
        and scope.region in ("", target.region)
        and scope.partner in ("", target.partner)
        and scope.path in target.path
    )


def _fits(wanted: str, number: str) -> bool:
    if not wanted:
        return True
    wanted, number = _SEPARATORS.sub("", wanted), _SEPARATORS.sub("", number)
    return number.startswith(wanted[:-1]) if wanted.endswith("*") else number == wanted


def _members(entry: _Entry, now: float) -> dict[str, Any]:
    """As `read_fault` takes them."""
    fault = entry.fault
    left = None if entry.expires_at is None else max(0.001, entry.expires_at - now)
    scope = {name: getattr(fault.scope, name) for name in SCOPES if getattr(fault.scope, name)}
    told = {"type": fault.type.name, "value": fault.value, "scope": scope or None, "count": fault.count, "seconds": left}
    chance = {} if fault.type.area == "tls" else {"seed": fault.seed, "probability": fault.probability}
    return {name: value for name, value in {**told, **chance}.items() if value is not None}


def _json(entry: _Entry) -> dict[str, Any]:
    """As the API shows it."""
    fault, scope = entry.fault, entry.fault.scope
    return {
        "name": fault.name,
        "type": fault.type.name,
        "value": fault.value,
        "seed": fault.seed,
        "scope": {name: getattr(scope, name) for name in SCOPES if getattr(scope, name)},
        "probability": fault.probability,
        "count": fault.count,
        "seconds": fault.seconds,
        "by": fault.by,
        "hits": entry.hits,
        "remaining": None if fault.count is None else fault.count - entry.hits,
        "createdAt": rfc3339(entry.created_at),
        "expiresAt": rfc3339(entry.expires_at),
    }
