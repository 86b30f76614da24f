"""The audio of a call as a WAV file: left what was received, right what was sent, on one time axis. 8 kHz, 16 bits.

A packet stands where its RTP timestamp puts it, as a player with a jitter buffer would play it: the first of a stream at the time of its
arrival. A stream whose timestamps leave the clock by a second (a hold, another SSRC) is put at its arrival anew. Where nothing was kept, or
nothing was said by either side for long, a second of silence stands, and a comment in the file says what was cut.
"""

from __future__ import annotations

import audioop
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct

from sbc_sim.exports.capture import Capture, MediaRecording
from sbc_sim.rtp.audio import DECODERS
from sbc_sim.rtp.packet import CLOCK_RATE, parse
from sbc_sim.rtp.recording import Clip

MOST_SECONDS = 600
"""What is longer is cut at its end; 19 MB."""
LONGEST_SILENCE = 10.0
"""Seconds without a packet of either side; longer ones are cut to one second."""
SHORT_SILENCE = 1.0

_OUT_OF_STEP = CLOCK_RATE
_WIDTH = 2
_CHANNELS = 2
_CHUNK = Struct("<4sI")
_FORMAT = Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A packet's audio and its place."""

    start: int
    """Samples since the first packet of the call."""
    samples: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """Where the next sample would stand."""
        return self.start + len(self.samples) // _WIDTH


@dataclass(frozen=True, slots=True)
class _Cut:
    """A part of the time axis that is left out: what comes later than `start` comes `length` samples earlier."""

    start: int
    length: int
    why: str


def audio_wav(capture: Capture) -> bytes | None:
    """Write what was kept of a call's audio; None when there is none."""
    media = capture.media
    if media is None:
        return None
    begin = min((clip.packets[0][0] for clip in (media.received, media.sent) if clip.packets), default=0.0)
    left, right = (list(_pieces(clip, begin)) for clip in (media.received, media.sent))
    if not left and not right:
        return None
    cuts = list(_cuts(media, begin, sorted([*left, *right], key=lambda piece: piece.start)))
    longest = MOST_SECONDS * CLOCK_RATE
    placed = [_moved(pieces, cuts) for pieces in (left, right)]
    length = max(piece.end for pieces in placed for piece in pieces)
    channels = [_channel(pieces, min(length, longest)) for pieces in placed]
    samples = audioop.add(audioop.tostereo(channels[0], _WIDTH, 1, 0), audioop.tostereo(channels[1], _WIDTH, 0, 1), _WIDTH)
    return _riff(samples, _comment(cuts, length > longest))


def _pieces(clip: Clip, begin: float) -> Iterator[_Piece]:
    """Decode the packets of one direction and find their places."""
    ssrc, anchor, first_timestamp = -1, 0, 0
    for at, _, octets in clip.packets:
        packet = parse(octets)
        if packet is None or packet.payload_type not in DECODERS or not packet.payload:
            continue
        arrived = round((at - begin) * CLOCK_RATE)
        place = anchor + _signed(packet.timestamp - first_timestamp)
        if packet.ssrc != ssrc or abs(place - arrived) > _OUT_OF_STEP:
            ssrc, anchor, first_timestamp = packet.ssrc, arrived, packet.timestamp
            place = arrived
        yield _Piece(max(0, place), DECODERS[packet.payload_type](packet.payload, _WIDTH))


def _signed(difference: int) -> int:
    return (difference + 0x80000000) % 0x100000000 - 0x80000000


def _cuts(media: MediaRecording, begin: float, pieces: Iterable[_Piece]) -> Iterator[_Cut]:
    """Find the stretches where neither side has audio and that are too long, or that hold what was not kept."""
    dropped = [_dropped_at(clip, begin) for clip in (media.received, media.sent) if clip.dropped]
    end = 0
    for piece in pieces:
        silent = piece.start - end
        lost = any(end - CLOCK_RATE <= place <= piece.start for place in dropped)
        if silent > (SHORT_SILENCE if lost else LONGEST_SILENCE) * CLOCK_RATE:
            why = "packets were not kept (capture.media_seconds)" if lost else "no audio either way"
            yield _Cut(end, silent - round(SHORT_SILENCE * CLOCK_RATE), why)
        end = max(end, piece.end)


def _dropped_at(clip: Clip, begin: float) -> int:
    """Where the last packet before the missing ones stands."""
    return round((clip.packets[max(0, clip.dropped_after - 1)][0] - begin) * CLOCK_RATE) if clip.packets else 0


def _moved(pieces: list[_Piece], cuts: list[_Cut]) -> list[_Piece]:
    return [_Piece(piece.start - sum(cut.length for cut in cuts if piece.start > cut.start), piece.samples) for piece in pieces]


def _channel(pieces: list[_Piece], length: int) -> bytes:
    samples = bytearray(length * _WIDTH)
    for piece in pieces:
        kept = piece.samples[: max(0, length - piece.start) * _WIDTH]
        samples[piece.start * _WIDTH : piece.start * _WIDTH + len(kept)] = kept
    return bytes(samples)


def _comment(cuts: list[_Cut], too_long: bool) -> str:
    texts = ["left: received, right: sent"]
    shift = 0
    for cut in cuts[:20]:
        texts.append(f"at {(cut.start - shift) / CLOCK_RATE:.1f} s: {cut.length / CLOCK_RATE:.1f} s left out, {cut.why}")
        shift += cut.length
    return "; ".join([*texts, *([f"cut after {MOST_SECONDS} s"] if too_long else [])])


def _riff(samples: bytes, comment: str) -> bytes:
    """Put samples into a WAV file with a comment (RIFF chunk LIST of type INFO)."""
    octets_per_frame = _WIDTH * _CHANNELS
    form = _FORMAT.pack(1, _CHANNELS, CLOCK_RATE, CLOCK_RATE * octets_per_frame, octets_per_frame, 8 * _WIDTH)
    info = b"INFO" + _chunk(b"ISFT", b"sbc-sim\x00") + _chunk(b"ICMT", comment.encode("ascii", "replace") + b"\x00")
    return _chunk(b"RIFF", b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"LIST", info) + _chunk(b"data", samples))


def _chunk(name: bytes, body: bytes) -> bytes:
    return _CHUNK.pack(name, len(body)) + body + bytes(len(body) % 2)
