"""Two traces of the same call, made ready to be held against each other: which call is which, and which message is which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sbc_sim.journal.entries import Kind
from sbc_sim.journal.store import Trace
from sbc_sim.offline.attempts import Heard, call_id_of, sort_out, tag_of
from sbc_sim.offline.framing import framed
from sbc_sim.sip.message import Message, Request, Response, read_message
from sbc_sim.sip.stream import StreamLimits
from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.recording import Recording

EARLIEST_DATE = 1e8
"""Smaller times count from the beginning of a text: no clock says them."""
MOST_MESSAGES = 2000
"""Messages of one call that are held against each other."""
MOST_CALLS = 2000
"""Calls of one trace that a counterpart is looked for among."""
_LIMITS = StreamLimits(1 << 17, 1 << 18, 1 << 15)


@dataclass(frozen=True, slots=True)
class Copy:
    """One message as one side saw it."""

    at: float | None
    """Unix seconds; None when the trace has no times."""
    inbound: bool
    """True: towards the SBC."""
    message: Message

    @property
    def sequence(self) -> tuple[str, str]:
        """CSeq number and method."""
        number, _, method = (self.message.headers.first("CSeq") or "").strip().partition(" ")
        return number, method.strip()

    @property
    def summary(self) -> str:
        """`INVITE`, `200 OK (INVITE)`."""
        if isinstance(self.message, Request):
            return self.message.method
        return f"{self.message.status} {self.message.reason} ({self.sequence[1]})"

    @property
    def kind(self) -> tuple[bool, str, int]:
        """What its counterpart has in common with it, whatever happened to the headers."""
        status = self.message.status if isinstance(self.message, Response) else 0
        return self.inbound, self.sequence[1], status


@dataclass(frozen=True, slots=True)
class CallCopies:
    """One call as one side saw it, in order."""

    copies: tuple[Copy, ...]

    @property
    def invite(self) -> Message:
        """Its first message."""
        return self.copies[0].message

    @property
    def call_id(self) -> str:
        """Call-ID of its INVITE."""
        return call_id_of(self.invite)

    def header(self, name: str) -> str:
        """A header of the INVITE, empty when it is not there."""
        return (self.invite.headers.first(name) or "").strip()


@dataclass(frozen=True, slots=True)
class Pair:
    """The same message at both ends, or at one only."""

    theirs: Copy | None
    ours: Copy | None
    repeats: tuple[int, int] = (0, 0)
    """How often more it was seen by each side."""

    @property
    def known(self) -> Copy:
        """The copy that there is."""
        copy = self.ours or self.theirs
        assert copy is not None
        return copy


def calls_of(side: Recording | Trace, time: Allowance, notes: list[str]) -> list[CallCopies]:
    """The calls of a trace, up to a bound; a trace of the journal is one call."""
    if isinstance(side, Trace):
        copies = tuple(_of_journal(side))[:MOST_MESSAGES]
        return [CallCopies(copies)] if copies else []
    found = sort_out(framed(side, _LIMITS, time).spoken)
    notes += found.notes()
    if len(found.attempts) > MOST_CALLS:
        notes.append(f"Only the first {MOST_CALLS} of {len(found.attempts)} calls are looked at: cut the trace to the call.")
    return [CallCopies(tuple(map(_copy, attempt.heard[:MOST_MESSAGES]))) for attempt in found.attempts[:MOST_CALLS]]


def _copy(heard: Heard) -> Copy:
    at = heard.spoken.at
    return Copy(at if at >= EARLIEST_DATE else None, heard.inbound, heard.message)


def _of_journal(trace: Trace) -> Iterator[Copy]:
    partner_calls = trace.call.direction != "outbound"
    for entry in trace.entries:
        message = read_message(entry.raw).message if entry.kind is Kind.MESSAGE else None
        if message is not None:
            yield Copy(entry.at, (entry.data.get("direction") == "in") == partner_calls, message)


# --- which call is which ---------------------------------------------------------------------------------------------------------


def paired_calls(theirs: list[CallCopies], ours: list[CallCopies], time: Allowance) -> Iterator[tuple[CallCopies, CallCopies, str]]:
    """Find for each of our calls its counterpart and say by what, as long as there is time; a B2BUA on the way makes a new Call-ID."""
    left = list(theirs)
    for call in ours:
        if time.step(len(left)):
            return
        found = _counterpart(left, call, len(ours) == 1)
        if found is not None:
            left.remove(found[0])
            yield found[0], call, found[1]


def _counterpart(theirs: list[CallCopies], call: CallCopies, only: bool) -> tuple[CallCopies, str] | None:
    tests = (
        ("Call-ID and From tag", lambda c: (c.call_id, tag_of(c.invite, "From")) == (call.call_id, tag_of(call.invite, "From"))),
        ("Call-ID", lambda c: c.call_id == call.call_id),
        ("User-to-User", lambda c: c.header("User-to-User").lower()[:1000] == call.header("User-to-User").lower()[:1000] != ""),
        ("the start of User-to-User", lambda c: _begins_alike(c.header("User-to-User"), call.header("User-to-User"))),
        ("To and From", lambda c: _users(c) == _users(call) != ("", "")),
    )
    for name, fits in tests:
        fitting = [candidate for candidate in theirs if fits(candidate)]
        if fitting:
            # Of several legs the last one is the one that came to us.
            return _nearest(fitting, call), name
    if only and len(theirs) == 1:
        return theirs[0], "being the only one"
    return None


def _nearest(candidates: list[CallCopies], call: CallCopies) -> CallCopies:
    at = call.copies[0].at
    timed = [c for c in candidates if c.copies[0].at is not None]
    same = [c for c in candidates if c.header("Via") and c.header("Via").split(";")[0] in " ".join(call.invite.headers.all("Via"))]
    if same:
        return max(same, key=lambda c: len(c.invite.headers.all("Via")))
    if at is None or not timed:
        return candidates[-1]
    return min(timed, key=lambda c: abs((c.copies[0].at or 0.0) - at))


def _begins_alike(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    return shorter >= 32 and one[:shorter].lower()[:32] == other[:shorter].lower()[:32]


def _users(call: CallCopies) -> tuple[str, str]:
    return _user(call.header("To")), _user(call.header("From"))


def _user(value: str) -> str:
    _, _, rest = value.partition(":")
    return rest.partition("@")[0] if "@" in rest else ""


# --- which message is which ------------------------------------------------------------------------------------------------------


def paired_messages(theirs: CallCopies, ours: CallCopies) -> list[Pair]:
    """Hold the messages of a call against each other: by direction, CSeq, method and status; copies of one message are repeats."""
    numbered = theirs.call_id == ours.call_id
    mine, others = _grouped(ours.copies, numbered), _grouped(theirs.copies, numbered)
    places = {id(copy): place for call in (ours, theirs) for place, copy in enumerate(call.copies)}
    stretch = len(ours.copies) / max(1, len(theirs.copies))
    pairs: list[tuple[int, Pair]] = []
    for key in dict.fromkeys([*mine, *others]):
        there, here = others.get(key, []), mine.get(key, [])
        # A message that only they saw stands about where it stood there.
        place = places[id(here[0])] if here else round(places[id(there[0])] * stretch)
        pair = Pair(there[0] if there else None, here[0] if here else None, (max(0, len(there) - 1), max(0, len(here) - 1)))
        pairs.append((place, pair))
    return [pair for _, pair in sorted(pairs, key=lambda placed: placed[0])]


def _grouped(copies: Iterable[Copy], numbered: bool) -> dict[tuple[object, ...], list[Copy]]:
    """Messages by what both sides see of them. Under another Call-ID the numbers of CSeq may differ: then their order counts."""
    groups: dict[tuple[object, ...], list[Copy]] = defaultdict(list)
    ranks: dict[tuple[bool, str], dict[str, int]] = defaultdict(dict)
    for copy in copies:
        number, method = copy.sequence
        asked_inbound = copy.inbound == isinstance(copy.message, Request)
        known = ranks[asked_inbound, method]
        rank = known.setdefault(number, len(known))
        groups[(*copy.kind, asked_inbound, number if numbered else rank)].append(copy)
    return groups
