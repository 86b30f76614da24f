"""The media of a call over time, as columns of equal length for a plot: packets, loss, jitter and levels, step by step.

From the packets that were kept when there are any, else from the reports in the journal, which are few and sums.
"""

from __future__ import annotations

import audioop
import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from sbc_sim.exports.capture import Capture, MediaRecording
from sbc_sim.journal.entries import Kind
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.audio import DECODERS, dbfs
from sbc_sim.rtp.packet import CLOCK_RATE, RtpPacket, parse
from sbc_sim.rtp.recording import Clip
from sbc_sim.rtp.statistics import StreamStatistics

STEP_MS = 100
MOST_POINTS = 600
_ECHO_WITHIN_S = 2.0
_GAPS_REMEMBERED = 128
"""Gaps in the numbers of one SSRC into which a packet may still come late; older ones stay lost."""
_COLUMNS = ("t", "received", "sent", "lost", "jitterMs", "levelIn", "levelOut")


def media_series(trace: Trace, capture: Capture) -> dict[str, Any]:
    """Give ``source`` (capture | journal), ``stepMs``, the columns, ``echoDelayMs`` and ``gap``: from and to, when packets were not kept.

    ``t`` and ``gap`` are in seconds since the answer, levels in dBFS or None without audio. In the middle of the gap stands a row of None.
    """
    media = capture.media
    if media is not None and (media.received.packets or media.sent.packets):
        return _from_capture(trace, media)
    return _from_journal(trace)


# --- from packets --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Step:
    """What one step of time holds in one direction."""

    packets: int = 0
    lost: int = 0
    jitter: float | None = None
    energy: float = 0.0
    samples: int = 0

    @property
    def level(self) -> float | None:
        """In dBFS."""
        return round(dbfs(math.sqrt(self.energy / self.samples)), 1) if self.samples else None


@dataclass(slots=True)
class _Track:
    """One direction, step by step."""

    steps: dict[int, _Step] = field(default_factory=dict)
    payloads: dict[bytes, list[float]] = field(default_factory=dict)
    """When each audio payload passed."""


@dataclass(slots=True)
class _Gap:
    """Sequence numbers that were missing when a later one came: a range, for one packet can leap over thousands."""

    first: int
    end: int
    place: int
    """The step in which it showed."""
    filled: set[int] = field(default_factory=set)


Gaps = dict[int, deque[_Gap]]
"""By SSRC, the newest in front."""


def _from_capture(trace: Trace, media: MediaRecording) -> dict[str, Any]:
    times = [packet[0] for clip in (media.received, media.sent) for packet in clip.packets]
    zero = trace.call.answered_at if trace.call.answered_at is not None else min(times)
    gap = _gap(media)
    kept = max(times) - min(times) - (gap[1] - gap[0] if gap else 0.0)
    step = STEP_MS * max(1, math.ceil(kept * 1000 / STEP_MS / (MOST_POINTS - 3))) / 1000
    heard, said = _track(media.received, zero, step), _track(media.sent, zero, step)
    rows = list(_rows(heard, said, _places(times, zero, step, gap), step))
    columns = {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
    return {
        "source": "capture",
        "stepMs": round(step * 1000),
        **columns,
        "echoDelayMs": _echo_delay(heard, said),
        "gap": [round(gap[0] - zero, 3), round(gap[1] - zero, 3)] if gap else None,
    }


def _gap(media: MediaRecording) -> tuple[float, float] | None:
    """Find the time of which nothing was kept in any direction; None when all was kept."""
    ends = [
        (clip.packets[clip.dropped_after - 1][0], clip.packets[clip.dropped_after][0])
        for clip in (media.received, media.sent)
        if clip.dropped and 0 < clip.dropped_after < len(clip.packets)
    ]
    if not ends:
        return None
    begin, end = max(first for first, _ in ends), min(last for _, last in ends)
    whole = [clip for clip in (media.received, media.sent) if not clip.dropped]
    if begin >= end or any(begin < packet[0] < end for clip in whole for packet in clip.packets):
        return None
    return begin, end


def _places(times: list[float], zero: float, step: float, gap: tuple[float, float] | None) -> Iterator[int | None]:
    """Number the steps in order; None stands for the gap."""
    first, last = (math.floor((at - zero) / step) for at in (min(times), max(times)))
    if gap is None:
        yield from range(first, last + 1)
        return
    before, after = (math.floor((at - zero) / step) for at in gap)
    yield from range(first, before + 1)
    if after > before + 1:
        yield None
    yield from range(max(after, before + 1), last + 1)


def _rows(heard: _Track, said: _Track, places: Iterator[int | None], step: float) -> Iterator[tuple[float | None, ...]]:
    nothing = _Step()
    t = 0.0
    for place in places:
        if place is None:
            yield round(t + step, 3), None, None, None, None, None, None
            continue
        t = place * step
        received, sent = heard.steps.get(place, nothing), said.steps.get(place, nothing)
        jitter = None if received.jitter is None else round(received.jitter, 2)
        yield round(t, 3), received.packets, sent.packets, received.lost, jitter, received.level, sent.level


def _track(clip: Clip, zero: float, step: float) -> _Track:
    track = _Track()
    streams: dict[int, StreamStatistics] = {}
    gaps: Gaps = {}
    for number, (at, _, octets) in enumerate(clip.packets):
        if clip.dropped and number == clip.dropped_after:
            streams, gaps = {}, {}  # what was not kept is not lost
        packet = parse(octets)
        if packet is None:
            continue
        place = math.floor((at - zero) / step)
        one = track.steps.setdefault(place, _Step())
        one.packets += 1
        stream = streams.get(packet.ssrc)
        if stream is None:
            stream = streams[packet.ssrc] = StreamStatistics(packet.ssrc, packet.sequence)
        _count_lost(track, stream, packet, at, place, gaps)
        if packet.payload_type in DECODERS and packet.payload:
            one.jitter = stream.jitter * 1000 / CLOCK_RATE
            _add_audio(track, one, packet, at)
    return track


def _count_lost(track: _Track, stream: StreamStatistics, packet: RtpPacket, at: float, place: int, gaps: Gaps) -> None:
    """Count what is missing before a packet where it shows; one that comes late after all is taken off there."""
    before, restarts = stream.highest, stream.restarts
    if packet.marker:
        stream.forget_transit()
    audio = packet.payload_type in DECODERS
    extended = stream.take_audio(packet.sequence, packet.timestamp, at) if audio else stream.take(packet.sequence)
    if stream.restarts != restarts:
        return
    if extended > before + 1:
        gaps.setdefault(packet.ssrc, deque(maxlen=_GAPS_REMEMBERED)).appendleft(_Gap(before + 1, extended, place))
        track.steps[place].lost += extended - before - 1
    elif extended < before:
        _fill(track, gaps.get(packet.ssrc, ()), extended)


def _fill(track: _Track, gaps: Iterable[_Gap], extended: int) -> None:
    for gap in gaps:
        if gap.first <= extended < gap.end and extended not in gap.filled:
            gap.filled.add(extended)
            track.steps[gap.place].lost -= 1
            return


def _add_audio(track: _Track, step: _Step, packet: RtpPacket, at: float) -> None:
    samples = DECODERS[packet.payload_type](packet.payload, 2)
    count = len(samples) // 2
    step.energy += float(audioop.rms(samples, 2)) ** 2 * count
    step.samples += count
    track.payloads.setdefault(packet.payload, []).append(at)


def _echo_delay(heard: _Track, said: _Track) -> float | None:
    """Find how long after it came each payload went back, by payloads that passed once each way; None when most were never heard."""
    delays = [
        (times[0] - heard.payloads[payload][0]) * 1000
        for payload, times in said.payloads.items()
        if len(times) == 1 and len(heard.payloads.get(payload, ())) == 1 and 0 <= times[0] - heard.payloads[payload][0] <= _ECHO_WITHIN_S
    ]
    return round(median(delays), 2) if delays and 2 * len(delays) >= len(said.payloads) else None


# --- from the journal ----------------------------------------------------------------------------------------------------


def _from_journal(trace: Trace) -> dict[str, Any]:
    reports = [entry for entry in trace.entries if entry.kind is Kind.MEDIA][-MOST_POINTS:]
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    if not reports:
        return {"source": "journal", "stepMs": STEP_MS, **columns, "echoDelayMs": None, "gap": None}
    zero = trace.call.answered_at if trace.call.answered_at is not None else reports[0].at
    before: Counter[str] = Counter()
    for entry in reports:
        columns["t"].append(round(entry.at - zero, 3))
        for name, member in (("received", "packetsReceived"), ("sent", "packetsSent"), ("lost", "lost")):
            columns[name].append(_grown(entry.data, member, before))
        columns["jitterMs"].append(entry.data.get("jitterMs"))
        columns["levelIn"].append(entry.data.get("levelDbfs"))
        columns["levelOut"].append(None)
    span = columns["t"][-1] - columns["t"][0]
    step = round(span * 1000 / (len(reports) - 1)) if len(reports) > 1 else STEP_MS
    return {"source": "journal", "stepMs": max(1, step), **columns, "echoDelayMs": None, "gap": None}


def _grown(data: Mapping[str, Any], member: str, before: Counter[str]) -> int:
    now = int(data.get(member) or 0)
    grown = max(0, now - before[member])
    before[member] = max(now, before[member])
    return grown
