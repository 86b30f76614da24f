"""The verdict on a recorded call: each one is played again through a switchboard, and the rules say what they would have said of it live.

The traces that come out hold the recorded messages of both sides and look like any call of the journal, so that ladders and reports can
show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.store import Trace
from sbc_sim.offline.attempts import Attempt, Sorted, sort_out
from sbc_sim.offline.failed_flows import failed_flows
from sbc_sim.offline.far_end import FarEnd, partner_ports, study
from sbc_sim.offline.fragments import fragment
from sbc_sim.offline.framing import PIECES, Spoken, framed, sane
from sbc_sim.offline.hidden import hidden_rules
from sbc_sim.offline.media import Datagrams, Line, MediaReplay, find_line
from sbc_sim.offline.replay import Replay
from sbc_sim.rules import media as media_rules
from sbc_sim.rules import tls as tls_rules
from sbc_sim.rules.finding import Status
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.responses import PRODUCT_OF_RETURNS
from sbc_sim.sip.stream import StreamLimits
from sbc_sim.sip.text import printable
from sbc_sim.traces.allowance import Allowance, Spent, TimeSpent
from sbc_sim.traces.recording import Address, Recording

MOST_CALLS = 500
"""Calls of one trace that are judged."""
MOST_ORPHANS = 20
MOST_NOTES = 200
NO_RTP = "No RTP in the trace."
_WHOLE_STREAM = ("SBC-MEDIA-006", "SBC-MEDIA-019")
"""Rules that need every packet."""
_STORE = StoreLimits(calls=2 * MOST_CALLS, first_entries=2000, last_entries=2000, octets=256 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a trace."""

    calls: tuple[Trace, ...]
    """In the order of their INVITEs; the view of each holds its verdict. Behind them calls without INVITE, which have none."""
    notes: tuple[str, ...]
    """What people should know beside the verdicts."""


def judge(
    recording: Recording,
    policy: Policy,
    limits: Limits | None = None,
    sbc: Address | None = None,
    call_id: str = "",
    spent: Spent | None = None,
) -> Judged:
    """Judge every call of a recording by `policy`. Never raises, whatever the recording holds.

    `sbc` picks the legs that lead to that address (port 0: any port, host empty: any host); without it every leg is judged. `call_id`
    picks calls by their Call-ID. `spent` tells when the time for it is over: the calls judged until then count, a note tells of the others.
    """
    limits = limits or Limits()
    time = Allowance(spent)
    framing = framed(recording, StreamLimits(limits.header_bytes, limits.body_bytes, limits.uri_bytes), time)
    found = sort_out(framing.spoken)
    bench = _Bench(recording, policy, limits, time)
    bench.notes += [*recording.notes, *framing.notes, *found.notes(), *failed_flows(recording)]
    returned = [attempt for attempt in found.attempts if _placed_by_the_sbc(attempt, sbc)]
    found.attempts = [attempt for attempt in found.attempts if not _placed_by_the_sbc(attempt, sbc)]
    attempts = _chosen(found, sbc, call_id, bench.notes)
    calls = bench.judge_all(attempts) + bench.show_returned(returned, call_id) + bench.show_orphans(found.orphans, sbc, call_id)
    return Judged(tuple(calls), tuple(dict.fromkeys(bench.notes[:MOST_NOTES])))


def _placed_by_the_sbc(attempt: Attempt, sbc: Address | None) -> bool:
    """Tell whether the SBC sent an INVITE: it says so itself, or it comes from the address that was named (the port may be any)."""
    if (attempt.heard[0].message.headers.first("User-Agent") or "").strip() == PRODUCT_OF_RETURNS:
        return True
    if sbc is None or not sbc[0]:
        return False
    return attempt.partner == sbc or (attempt.partner[0] == sbc[0] and attempt.sbc[0] != sbc[0])


def _chosen(found: Sorted, sbc: Address | None, call_id: str, notes: list[str]) -> list[Attempt]:
    attempts = [a for a in found.attempts if call_id in ("", a.call_id)]
    if sbc is not None:
        host, port = sbc
        attempts = [a for a in attempts if host in ("", a.sbc[0]) and port in (0, a.sbc[1])]
    if found.attempts and not attempts:
        ends = ", ".join(dict.fromkeys(_address(a.sbc) for a in found.attempts[:10]))
        notes.append(f"No call of the trace is the one asked for; its {len(found.attempts)} INVITEs lead to {ends}.")
    if len({a.sbc for a in attempts}) > 1 and sbc is None:
        ends = ", ".join(dict.fromkeys(_address(a.sbc) for a in attempts[:10]))
        notes.append(f"The INVITEs lead to several places ({ends}); each is judged as though it were the SBC. Choose one with --sbc.")
    if len(attempts) > MOST_CALLS:
        notes.append(f"Only the first {MOST_CALLS} of {len(attempts)} calls were judged.")
    return attempts[:MOST_CALLS]


def _address(address: Address) -> str:
    return f"{printable(address[0], 60)}:{address[1]}" if address[0] else "an address that is not in the trace"


def _named(call_id: str) -> str:
    return f"Call-ID {printable(call_id, 60)}" if call_id else "no Call-ID"


class _Bench:
    """What the calls of one trace share."""

    def __init__(self, recording: Recording, policy: Policy, limits: Limits, time: Allowance) -> None:
        self.notes: list[str] = []
        self._time = time
        self._policy = replace(policy, off_list="403") if policy.off_list == "close" else policy
        self._limits = limits
        self._datagrams = Datagrams(recording.datagrams)
        last = [*(piece.at for piece in recording.octets[-1:]), *(datagram.at for datagram in recording.datagrams[-1:])]
        self._end = max(map(sane, last), default=0.0)
        self._store = MemoryStore(_STORE)

    def judge_all(self, attempts: list[Attempt]) -> list[Trace]:
        """Judge them one after the other; a bug of ours costs the call that meets it."""
        studied: list[tuple[Attempt, FarEnd, Line]] = []
        for attempt in attempts:
            if self._time.over:
                break
            try:
                far = study(attempt, self._policy)
                studied.append((attempt, far, find_line(self._datagrams, far, partner_ports(attempt))))
            except Exception as error:
                self._bug(attempt, error)
        uses = Counter(address for _, _, line in studied for address in line.rtp)
        calls: list[Trace] = []
        judged = 0
        for attempt, far, line in studied:
            shared = any(uses[address] > 1 for address in line.rtp)
            try:
                calls += self._judge_one(attempt, far, line, shared)
                judged += 1
            except TimeSpent:
                break
            except Exception as error:
                self._bug(attempt, error)
        if self._time.ended and judged < len(attempts):
            self._tell_of_time(judged, len(attempts))
        return calls

    def _tell_of_time(self, judged: int, of: int) -> None:
        self.notes.append(f"The time allowed for the trace is over: {judged} of its {of} calls were judged. Cut it to the call.")

    def show_orphans(self, orphans: Mapping[str, list[Spoken]], sbc: Address | None, call_id: str) -> list[Trace]:
        """Give what there is of calls whose INVITE is not in the trace."""
        traces: list[Trace] = []
        for number, (name, spoken) in enumerate(list(orphans.items())[:MOST_ORPHANS]):
            if call_id not in ("", name):
                continue
            why = f"its INVITE is not in the trace, which begins mid-call; {len(spoken)} messages are shown and not judged."
            self.notes.append(f"{_named(name)}: {why}")
            entries = list(fragment(spoken, number, sbc))
            for entry in entries:
                self._store.append(entry)
            trace = self._store.trace(str(entries[1].call))
            traces += [] if trace is None else [trace]
        return traces

    def show_returned(self, returned: list[Attempt], call_id: str) -> list[Trace]:
        """Give the calls that the SBC placed: the rules about an INVITE are for the partner's, so these have no verdict."""
        traces: list[Trace] = []
        for number, attempt in enumerate(returned[:MOST_ORPHANS]):
            if call_id not in ("", attempt.call_id):
                continue
            why = "the SBC sent its INVITE: a call back is shown and not judged as a call of the partner."
            self.notes.append(f"{_named(attempt.call_id)}: {why}")
            entries = list(fragment([heard.spoken for heard in attempt.heard], MOST_ORPHANS + number, attempt.partner, outbound=True))
            for entry in entries:
                self._store.append(entry)
            trace = self._store.trace(str(entries[1].call))
            traces += [] if trace is None else [trace]
        return traces

    def _bug(self, attempt: Attempt, error: Exception) -> None:
        name = type(error).__name__
        why = f"{name}: {printable(str(error), 120)}"
        self.notes.append(f"{_named(attempt.call_id)}: could not be judged, which is a bug of sbc-sim ({why}).")

    def _judge_one(self, attempt: Attempt, far: FarEnd, line: Line, shared: bool) -> list[Trace]:
        if self._time.over:
            raise TimeSpent
        began = attempt.heard[0].spoken.at
        line = replace(line, datagrams=self._datagrams.touching(line.rtp | line.rtcp))
        seen = self._media_was_captured(far, line)
        media = MediaReplay(line, far, began, shared, self._time) if seen else None
        unseen = _unseen(attempt, seen) | hidden_rules(attempt.heard[0].message)
        if media is not None and media.gap:
            why = f"The capture leaves out about {media.gap} packets: it keeps the first and the last ones."
            unseen |= dict.fromkeys(_WHOLE_STREAM, why)
        policy = far.policy
        if "SBC-NET-001" in unseen:
            far.policy = replace(policy, allow_from=())
        last = attempt.heard[-1].spoken
        end = max(self._end, last.at) if last.flow.transport != "text" else last.at
        shown = _as_recorded if _answered(attempt) else _unanswered
        replay = Replay(attempt, far, media, self._limits, lambda entry: _keep_as_seen(self._store, shown(entry), unseen), self._time)
        replay.run(end)
        self._tell(attempt, far, replay, media)
        return [trace for call in replay.calls if (trace := self._store.trace(call)) is not None]

    def _media_was_captured(self, far: FarEnd, line: Line) -> bool:
        """Tell whether the silence of a call would be seen: its own datagrams are there, or others of its SBC."""
        if line.datagrams:
            return True
        host = far.media.host if far.media is not None else None
        return any(host in (d.source[0], d.destination[0]) for d in self._datagrams.all[:10_000])

    def _tell(self, attempt: Attempt, far: FarEnd, replay: Replay, media: MediaReplay | None) -> None:
        """Say what the verdict cannot: where the far end did otherwise, what the trace does not show."""
        notes = [*far.notes, *replay.answers.differences(), *replay.notes]
        if media is None and far.answered:
            notes.append("there is no RTP of it in the trace, so nothing is said of its media.")
        elif media is not None and media.assumed:
            notes.append("what the SBC sent is not in the trace; the echo is counted as ours would have sent it.")
        self.notes += [f"{_named(attempt.call_id)}: {note}" for note in notes]


def _unseen(attempt: Attempt, media_seen: bool) -> dict[str, str]:
    """Rules about what the trace cannot show, and why."""
    flow = attempt.heard[0].spoken.flow
    unseen = {} if _had_room(attempt) else {"SBC-NET-002": "Not in the trace: whether the SBC had room."}
    if flow.transport != "tls":
        how = {"text": "SIP text", "udp": "SIP over UDP", "tcp": "SIP over TCP without TLS"}.get(flow.transport, flow.transport)
        unseen |= dict.fromkeys(tls_rules.RULES, f"Not in the trace: it is {how}.")
    elif flow.tls is None or not flow.tls.version:
        unseen |= dict.fromkeys(tls_rules.RULES, "Not in the trace: it begins after the handshake.")
    if not attempt.partner[0]:
        unseen |= dict.fromkeys(("SBC-NET-001", "SBC-NET-003"), "Not in the trace: no addresses.")
    elif flow.transport in PIECES:
        unseen["SBC-NET-003"] = "Not in the trace: there is no connection."
    if not media_seen:
        unseen |= dict.fromkeys(media_rules.JUDGES, NO_RTP)
    return unseen


def _answers(attempt: Attempt) -> list[int]:
    """List the final answers to an INVITE that the trace holds: those with its CSeq, which a broken INVITE may write as it likes."""
    messages = [(heard.inbound, heard.message) for heard in attempt.heard]
    asked = {_sequence(one) for inbound, one in messages if inbound and isinstance(one, Request) and one.method == "INVITE"}
    said = (one for inbound, one in messages if not inbound and isinstance(one, Response) and _sequence(one) in asked)
    return [one.status for one in said if one.status >= 200]


def _answered(attempt: Attempt) -> bool:
    return bool(_answers(attempt))


def _had_room(attempt: Attempt) -> bool:
    """An SBC that answered, and not that it is too busy, had room."""
    answers = _answers(attempt)
    return bool(answers) and 503 not in answers


def _sequence(message: Request | Response) -> str:
    return " ".join((message.headers.first("CSeq") or "").split())


def _as_recorded(entry: Entry) -> Entry:
    """Claim no address of the partner that the trace does not tell."""
    if entry.kind is Kind.CALL_STARTED and entry.data.get("peer") == ":0":
        return replace(entry, data={**entry.data, "peer": None})
    return entry


def _unanswered(entry: Entry) -> Entry:
    """Say of a refusal that the trace does not show that it is ours."""
    if entry.kind is Kind.CALL_ENDED and entry.data.get("state") == "rejected" and entry.data.get("status"):
        why = f"would be refused with {entry.data['status']}"
        return replace(entry, data={**entry.data, "endedBy": None, "endReason": why, "status": None})
    return _as_recorded(entry)


def _keep_as_seen(store: MemoryStore, entry: Entry, unseen: Mapping[str, str]) -> None:
    """Keep an entry; a verdict says of what the trace cannot show that it was not seen."""
    if entry.kind is Kind.VERDICT and unseen:
        store.append(_as_seen(entry, unseen))
    elif entry.kind is not Kind.FINDING or entry.data.get("rule") not in unseen:
        store.append(entry)


def _as_seen(entry: Entry, unseen: Mapping[str, str]) -> Entry:
    findings = [_without(finding, unseen) for finding in entry.data["findings"]]
    counts = {status.value: sum(f["status"] == status.value for f in findings) for status in Status}
    worst = next((s for s in (Status.FAIL, Status.WARN) if counts[s.value]), Status.PASS)
    return replace(entry, data={**entry.data, "findings": findings, "counts": counts, "status": worst.value})


def _without(finding: Mapping[str, Any], unseen: Mapping[str, str]) -> Mapping[str, Any]:
    why = unseen.get(str(finding["rule"]))
    if why is None or (why is NO_RTP and finding["detail"] == "The call was not answered."):
        return finding
    return {**finding, "status": Status.SKIP.value, "detail": why, "evidence": []}
