"""One recorded call, played again: the partner's messages go into a switchboard at their times; what it says is compared, not sent.

The journal of the replay holds the recorded messages of both sides. What the far end decided by itself (to hang up, to refresh, to refuse)
is done when the trace shows it; answers of the partner to the far end's requests are given to ours, with the Via and CSeq of ours.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sbc_sim.calls.choosing import Choosing
from sbc_sim.calls.conduct import CallFacts, Conduct
from sbc_sim.calls.faults import FaultTable
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.numbers import AGENT, NUMBERS, NumberTable
from sbc_sim.calls.outbox import message_data
from sbc_sim.calls.outputs import Close, Connect, Environment, Output, Record, Say, Send, StartMedia, StopMedia
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.offline.attempts import Attempt, Heard
from sbc_sim.offline.differences import Answers, named
from sbc_sim.offline.far_end import FarEnd
from sbc_sim.offline.framing import PIECES
from sbc_sim.offline.media import MediaReplay
from sbc_sim.offline.rewriting import FAR_END, as_answer_to, for_our_offer, reason_of
from sbc_sim.rtp.leg import LegReport, MediaAddress, MediaConduct
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.message import Request, Response, read_message
from sbc_sim.sip.peer import Peer, TlsFacts
from sbc_sim.sip.server_side import Choices
from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.recording import Address, Flow

MOST_STEPS = 100_000
"""Alarms that one replay may take: a call of a day, looked at once a second."""
FALLBACK = MediaAddress("192.0.2.1", 31000, 31001)
"""Our ports when the trace does not tell the far end's (RFC 5737)."""
Keep = Callable[[Entry], None]


def peer_of(heard: Heard, sbc: Address) -> Peer:
    """Say who is at the other end of a message's flow, as the SBC sees it."""
    flow = heard.spoken.flow
    piece = flow.transport in PIECES
    ours = flow.server == sbc if piece else heard.inbound == heard.spoken.from_client
    here, there = (flow.server, flow.client) if ours else (flow.client, flow.server)
    seen = flow.tls
    tls = None
    if flow.transport == "tls" and seen is not None and seen.version and ours:
        tls = TlsFacts(seen.version, seen.cipher, seen.server_name, seen.client_certificate)
    return Peer(there[0], there[1], here[0], here[1], tls=tls, dialled=not ours and not piece)


@dataclass(slots=True)
class _Request:
    """A request of the far end, and ours in its place."""

    method: str
    ours: Request | None = None


_AGENT_NUMBERS = NumberTable(replace(number, faults=()) for number in NUMBERS if number.reaches == AGENT)
"""Of the test numbers only who answers counts: what the far end did wrong on purpose, the trace shows."""


def _agent(facts: CallFacts) -> Conduct:
    """An agent as a trace shows it: it echoes nothing, and what it does is in the trace."""
    return Conduct(AGENT, media=MediaConduct(AGENT))


class Replay:
    """A switchboard of its own for one attempt."""

    def __init__(self, attempt: Attempt, far: FarEnd, media: MediaReplay | None, limits: Limits, keep: Keep, time: Allowance) -> None:
        """`media` is None when the trace shows none; `keep` takes the journal's entries."""
        self.calls: list[str] = []
        self.answers = Answers()
        self.notes: list[str] = []
        self.over = 0
        """Calls that ended."""
        self._attempt = attempt
        self._far = far
        self._media = media
        self._keep = keep
        self._time = time
        self._now = attempt.heard[0].spoken.at
        silence = limits.media_timeout_seconds if media is not None else far.ring_seconds + 1e9
        self._limits = replace(limits, ring_seconds=far.ring_seconds, media_timeout_seconds=silence, calls_per_second=1e9)
        self._board = Switchboard(far.policy, self._limits, Identity(attempt.sbc[0], attempt.sbc[1]), self._environment())
        self._flows: dict[int, Flow] = {}
        self._asked: list[Request] = []
        """Requests of ours that answer to none of the far end's yet."""
        self._theirs: dict[tuple[str, str], _Request] = {}
        self._repeated: set[bytes] = set()
        self._current: Heard | None = None
        self._unwritten: Heard | None = None
        self._steps = 0
        self._left_alone = False
        """We hung up and the far end did not: what we say from then on tells nothing."""

    def _environment(self) -> Environment:
        numbers = itertools.count()
        seed = f"{self._attempt.call_id}\n{self._attempt.tag}".encode("utf-8", "surrogateescape")

        def chance(octets: int) -> bytes:
            return hashlib.shake_256(b"%d\n" % next(numbers) + seed).digest(octets)

        choices = Choices(lambda _: self._far.tag, lambda _: self._far.rseq)
        choose = Choosing(_AGENT_NUMBERS, FaultTable(), _agent, self._far.policy.echo_org)
        return Environment(
            lambda *_: self._far.media or FALLBACK,
            self._read_media,
            lambda octets: chance(octets).hex(),
            chance,
            choices,
            choose=choose,
        )

    def _read_media(self, _: str) -> LegReport | None:
        return None if self._media is None else self._media.report()

    # --- time ----------------------------------------------------------------------------------------------------------

    def run(self, end: float) -> None:
        """Play everything up to the end of the trace, then give the verdict on what was reached. Raises TimeSpent."""
        for heard in self._attempt.heard:
            self._time.need(16)
            self._advance(heard.spoken.at)
            self._current = heard
            if heard.inbound:
                self._inbound(heard)
            else:
                self._outbound(heard)
            self._current = None
        self._advance(end)
        for call in self.calls:
            self._took(self._board.conclude(call, self._now))

    def _advance(self, to: float) -> None:
        """Let our timers and the media run up to a moment; connections that ended are lost."""
        ended = sorted((flow.ended_at, number) for number, flow in self._flows.items() if flow.ended_at is not None and flow.ended_at <= to)
        for at, number in ended:
            self._alarms(at)
            self._took(self._board.lost(number, self._flows.pop(number).end or "closed", self._now))
        self._alarms(to)

    def _alarms(self, to: float) -> None:
        while (deadline := self._board.deadline) is not None and deadline <= to and self._steps < MOST_STEPS:
            self._steps += 1
            self._time.need(4)
            self._pass(deadline)
            self._took(self._board.advance(self._now))
        self._pass(to)

    def _pass(self, to: float) -> None:
        self._now = max(self._now, to)
        if self._media is not None:
            self._media.until(self._now)

    # --- what the partner said -------------------------------------------------------------------------------------------

    def _inbound(self, heard: Heard) -> None:
        flow = heard.spoken.flow
        if flow.number not in self._flows:
            self._flows[flow.number] = flow
            self._took(self._board.connected(flow.number, peer_of(heard, self._attempt.sbc), self._now))
        octets = self._for_us(heard)
        self._unwritten = heard
        if octets is not None:
            self._took(self._board.receive(flow.number, octets, self._now))
        self._write(None)

    def _for_us(self, heard: Heard) -> bytes | None:
        """Rewrite what answers to a message of the far end so that it answers to ours; None for what concerns us nowhere."""
        message, octets = heard.message, heard.spoken.fed
        self._note_description(message)
        if isinstance(message, Request):
            return for_our_offer(message, octets, self._far.policy.suites) if message.method in ("ACK", "PRACK") else octets
        if not _readable(octets):
            return octets
        asked = self._theirs.get(_key(message))
        if asked is None or asked.ours is None:
            return None
        return for_our_offer(message, as_answer_to(message, asked.ours), (self._agreed_suite(),))

    def _agreed_suite(self) -> str:
        answer = self._far.answer
        return answer.crypto.suite if answer is not None and answer.crypto is not None else ""

    def _note_description(self, message: Request | Response) -> None:
        if self._media is None:
            return
        try:
            self._media.offer = sdp_body(message) or self._media.offer
        except MalformedMessage:
            return

    # --- what the far end did ----------------------------------------------------------------------------------------------

    def _outbound(self, heard: Heard) -> None:
        repeated = heard.spoken.raw in self._repeated
        self._repeated.add(heard.spoken.raw)
        self._record(heard, repeated)
        message = heard.message
        if isinstance(message, Response):
            self.answers.theirs(message)
            if message is self._far.refused and self.calls:
                self._refused(message)
        elif not repeated and self.calls:
            self._follow(message)

    def _refused(self, refusal: Response) -> None:
        """The far end refused: where ours rings, its verdict ends here. A cancelled call, or one that we refused too, is over already."""
        reason = reason_of(refusal)
        if reason[0] != FAR_END:  # the simulator itself gave up while it rang
            self._took(self._board.hang_up(self.calls[-1], self._now, *reason))
            return
        before = self.over
        self._took(self._board.conclude(self.calls[-1], self._now, refusal.status))
        if self.over > before:
            self.notes.append(f"the SBC refused the call with {named(refusal)}; ours would have taken it.")

    def _follow(self, request: Request) -> None:
        """Do what the far end did of its own accord."""
        call = self.calls[-1]
        ours = next((own for own in self._asked if own.method == request.method), None)
        if ours is None and request.method == "BYE":
            self._took(self._board.hang_up(call, self._now, *reason_of(request)))
        elif ours is None and request.method in ("INVITE", "UPDATE"):
            self._took(self._board.refresh(call, request.method, self._now))
        ours = ours or next((own for own in self._asked if own.method == request.method), None)
        if ours is not None:
            self._asked.remove(ours)
        self._theirs[_key(request)] = _Request(request.method, ours)

    # --- what our switchboard wants ------------------------------------------------------------------------------------------

    def _took(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Record(entry):
                    self._entry(entry)
                case StartMedia(leg):
                    if self._media is not None:
                        self._media.start(leg, self._now)
                case StopMedia():
                    if self._media is not None:
                        self._media.stop()
                case Connect(connection, host, port):
                    peer = Peer(host, port, *self._attempt.sbc, dialled=True)
                    self._took(self._board.connected(connection, peer, self._now))
                case Send(connection, data):
                    self._sent(connection, data)
                case Close() | Say():
                    pass

    def _sent(self, connection: int, data: bytes) -> None:
        message = read_message(data).message
        if isinstance(message, Response):
            if not self._left_alone:
                self.answers.ours(message)
        elif message is not None and message.method in ("BYE", "INVITE", "UPDATE"):
            if message.method == "BYE" and not self._will_hang_up():
                # Nobody answered it in the trace, for nobody sent it.
                self.notes.append(f"ours would have hung up {self._since_start()} ({reason_of(message)[1]}); the SBC did not.")
                self._left_alone = True
                ok = Response(200, "OK", message.headers).to_bytes()
                self._took(self._board.receive(connection, ok, self._now))
            else:
                self._asked.append(message)

    def _since_start(self) -> str:
        return f"{self._now - self._attempt.heard[0].spoken.at:.1f} s after the INVITE"

    def _will_hang_up(self) -> bool:
        """Tell whether a BYE of the far end is being followed, or still to come."""
        place = next((n for n, heard in enumerate(self._attempt.heard) if heard is self._current), 0)
        rest = self._attempt.heard[place:] if self._current is not None else [h for h in self._attempt.heard if h.spoken.at >= self._now]
        return any(not h.inbound and isinstance(h.message, Request) and h.message.method == "BYE" for h in rest)

    # --- the journal ---------------------------------------------------------------------------------------------------------

    def _entry(self, entry: Entry) -> None:
        if entry.kind is Kind.CALL_STARTED and entry.call is not None:
            self.calls.append(entry.call)
        self.over += entry.kind is Kind.CALL_ENDED
        if entry.kind is not Kind.MESSAGE:
            self._keep(entry)
        elif entry.data["direction"] == "in":
            self._write(entry.call)

    def _write(self, call: str | None) -> None:
        """Write the message down that came in, once."""
        if self._unwritten is not None:
            self._record(self._unwritten, call=call)
            self._unwritten = None

    def _record(self, heard: Heard, repeated: bool = False, call: str | None = None) -> None:
        """Write a recorded message down as it was."""
        spoken = heard.spoken
        data: dict[str, Any] = message_data(heard.message, spoken.flow.number, heard.inbound, repeated, peer_of(heard, self._attempt.sbc))
        if call is None and self.calls:
            call = self.calls[-1]
        if call is not None:
            self._keep(Entry(self._now, Kind.MESSAGE, call, data, spoken.raw))


def _readable(octets: bytes) -> bool:
    """Tell whether a response can be matched at all; what cannot be read counts against the partner as it would in a live call."""
    reading = read_message(octets)
    return reading.error is None and isinstance(reading.message, Response) and reading.message.headers.first("CSeq") is not None


def _key(message: Request | Response) -> tuple[str, str]:
    """CSeq number and method."""
    number, _, method = (message.headers.first("CSeq") or "").strip().partition(" ")
    return number, method.strip()
