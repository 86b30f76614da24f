"""Everything that arrives for one leg on its RTP port: opened, sorted, counted, measured.

One call per datagram, `receive`, and most datagrams are audio packets in their order: that path is kept short on purpose, and what is
rare leaves it early. Sums over streams are made when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from sbc_sim.rtp import packet as rtp
from sbc_sim.rtp.audio import AudioMeter
from sbc_sim.rtp.dtmf import DtmfReader
from sbc_sim.rtp.leg import Direction, LegDescription
from sbc_sim.rtp.packet import COMFORT_NOISE, FIXED_HEADER, HEADER_OCTETS, MARKER, PLAIN_FLAGS
from sbc_sim.rtp.recording import Recording
from sbc_sim.rtp.srtp import TAG_OCTETS, Refusal, SrtpReceiver
from sbc_sim.rtp.statistics import StreamStatistics

MOST_SSRCS = 16
"""Streams whose state is kept; the one that was quiet longest makes room."""

MOST_PAYLOAD_TYPES = 16

STRANGER = "stranger: from another address than the partner's, and no key opens it"

Address = tuple[str, int]


Heard = tuple[StreamStatistics, int, int, bool, bytes]
"""One audio packet: its stream, extended sequence number (the newest when it equals `stream.highest`), timestamp, marker, payload.

A bare tuple, because one is made for every packet.
"""


class Past(NamedTuple):
    """What remains of streams whose state was dropped."""

    received: int = 0
    expected: int = 0
    lost: int = 0
    reordered: int = 0
    max_jitter: float = 0.0

    def plus(self, stream: StreamStatistics) -> Past:
        """Add a stream."""
        return Past(
            self.received + stream.all_received,
            self.expected + stream.expected,
            self.lost + stream.lost,
            self.reordered + stream.reordered,
            max(self.max_jitter, stream.max_jitter),
        )


NOT_OURS = (StreamStatistics(-1, 0), 0, 0, False, b"")
"""What `receive` gives for a packet that our key does not open, when it was asked not to count it."""


class Reception:
    """The receiving half of a leg. Counters are named as in `LegReport`."""

    __slots__ = (
        "_description",
        "_latched",
        "_may_receive",
        "_old",
        "_open",
        "_past",
        "_payload_type",
        "_receiver",
        "_record",
        "_recording",
        "_usual",
        "auth_failures",
        "comfort_noise",
        "dtmf",
        "duplicates",
        "expected_source",
        "first_packet_at",
        "foreign",
        "last_packet_at",
        "malformed",
        "meter",
        "old_key",
        "other_payloads",
        "plain_rtp",
        "replayed",
        "rtcp_source",
        "source",
        "ssrcs",
        "stray",
        "stream",
        "streams",
        "tags",
        "unwanted_while_held",
        "wrong_payload",
    )

    def __init__(self, description: LegDescription) -> None:
        """Raise ValueError for a suite or key that cannot be used."""
        self.meter = AudioMeter(description.codec)
        self.dtmf = DtmfReader()
        self.stream = StreamStatistics(-1, 0)
        """The stream of the newest packet; before any, one that no packet belongs to."""
        self.streams: dict[int, StreamStatistics] = {}
        self.ssrcs = 0
        self.source: Address | None = None
        """Of the newest authentic packet that came from elsewhere than expected."""
        self.rtcp_source: Address | None = None
        """Of the newest authentic SRTCP packet; the leg notes it here."""
        self.first_packet_at: float | None = None
        self.last_packet_at: float | None = None
        self.auth_failures = self.plain_rtp = self.old_key = self.malformed = self.replayed = self.duplicates = 0
        self.stray = self.foreign = self.wrong_payload = self.comfort_noise = self.unwanted_while_held = 0
        self.other_payloads: Counter[int] = Counter()
        self.tags: Counter[int] = Counter()
        self._past = Past()
        self._receiver = SrtpReceiver(description.receive_key)
        self._open = self._receiver.open
        self._old: SrtpReceiver | None = None
        self._description = description
        self._latched = False
        self._recording: Recording | None = None
        self._record: Callable[[float, Address, bytes], None] | None = None
        self._use(description)

    def record_to(self, recording: Recording) -> None:
        """Keep from now on what is opened and what is refused."""
        self._recording, self._record = recording, recording.received.add

    @property
    def srtp(self) -> SrtpReceiver:
        """The peer's key as it is now."""
        return self._receiver

    def change(self, description: LegDescription) -> None:
        """Go on under a new description. With a new key the old one opens nothing any more (RFC 3264 section 8.3.1)."""
        before, self._description = self._description, description
        if description.receive_key != before.receive_key:
            self._old, self._receiver = self._receiver, SrtpReceiver(description.receive_key)
            self._open = self._receiver.open
            self._retire_streams()
        if description.codec != before.codec:
            self.meter.use(description.codec)
        if description.remote != before.remote or not description.latch:
            self._latched = False
        if description.remote_rtcp != before.remote_rtcp:
            self.rtcp_source = None
        self._use(description)

    def is_foreign(self, source: Address) -> bool:
        """True for a source that is none of the peer's, once the present key has opened packets: what no key opens is a stranger's then.

        Before that the peer may be anywhere behind NAT, and a wrong key of its own must be told.
        """
        if not self.streams or source in (self.expected_source, self.source, self.rtcp_source):
            return False
        rtcp = self._description.remote_rtcp
        if rtcp is None:
            return True
        return source != rtcp and (self.rtcp_source is not None or source != (self.expected_source[0], rtcp[1]))

    def _use(self, description: LegDescription) -> None:
        if not self._latched:
            self.expected_source = description.remote
            """Where packets are to come from, and where ours go: the SDP's address, or the one latched to (RFC 4961)."""
        self._payload_type = description.payload_type
        self._may_receive = description.direction in (Direction.SENDRECV, Direction.RECVONLY)
        self._usual = description.payload_type if self._may_receive else -1
        """The second octet of a packet that needs no second look: audio without marker that we want to have."""

    def _retire_streams(self) -> None:
        for stream in self.streams.values():
            self._past = self._past.plus(stream)
        self.streams = {}
        self.stream = StreamStatistics(-1, 0)

    def receive(self, datagram: bytes, source: Address, now: float, blame: bool = True) -> Heard | None:
        """Open an SRTP packet and give its audio; None when it has none for us, which is then counted.

        With `blame` False a packet that is not authentic is not counted: NOT_OURS is given, for it may be another leg's.
        """
        unprotect = self._open  # by way of a local: Python 3.11 calls what a slot holds slowly when it looks like a method
        packet = unprotect(datagram)
        if not isinstance(packet, bytes):
            if blame:
                self._refuse(datagram, source, packet, now)
            return None if blame else NOT_OURS
        flags, second, sequence, timestamp, ssrc = FIXED_HEADER.unpack_from(packet)
        stream = self.stream
        if ssrc != stream.ssrc:
            stream = self._switch(ssrc, sequence, now)
        self.last_packet_at = now
        expected, record = self.expected_source, self._record
        if source != expected:
            self._from_elsewhere(source)
            expected = self._shared(source)
        if record is not None:
            record(now, expected, packet)  # not `source`: one address is kept for all packets
        if flags != PLAIN_FLAGS or second != self._usual or len(packet) == HEADER_OCTETS:
            return self._look_closer(packet, stream, now)
        payload = packet[HEADER_OCTETS:]
        self.meter.add(payload)
        return stream, stream.take_audio(sequence, timestamp, now), timestamp, False, payload

    def _switch(self, ssrc: int, sequence: int, now: float) -> StreamStatistics:
        """Turn to another SSRC, new or known, and let the one that was quiet longest go when there are too many."""
        if self.first_packet_at is None:
            self.first_packet_at = now
        stream = self.streams.pop(ssrc, None)
        if stream is None:
            stream = StreamStatistics(ssrc, sequence)
            self.ssrcs += 1
            if len(self.streams) >= MOST_SSRCS:
                self._drop(next(iter(self.streams)))
        self.streams[ssrc] = self.stream = stream
        return stream

    def _drop(self, ssrc: int) -> None:
        self._past = self._past.plus(self.streams.pop(ssrc))
        self._receiver.forget(ssrc)

    def _from_elsewhere(self, source: Address) -> None:
        if source != self.source:
            self.source = source
        if self._description.latch and not self._latched:
            self.expected_source, self._latched = source, True
        else:
            self.stray += 1

    def _shared(self, source: Address) -> Address:
        """Give an equal address that is kept already."""
        return next((known for known in (self.expected_source, self.source) if known == source), source)

    def _look_closer(self, packet: bytes, stream: StreamStatistics, now: float) -> Heard | None:
        """Take a packet that is not the usual one: marker, padding, extension, another payload type, or unwanted."""
        payload = rtp.payload_of(packet)
        _, second, sequence, timestamp, _ = FIXED_HEADER.unpack_from(packet)
        payload_type = second & 0x7F
        if not self._may_receive:
            self.unwanted_while_held += 1
        if payload_type == self._payload_type and payload:
            if second & MARKER:
                stream.forget_transit()
            self.meter.add(payload)
            return stream, stream.take_audio(sequence, timestamp, now), timestamp, second >= MARKER, payload
        extended = stream.take(sequence)
        stream.skip(extended)
        if payload is not None and payload_type == self._description.dtmf_payload_type:
            self.dtmf.take(timestamp, payload, now, ssrc=stream.ssrc, late=extended != stream.highest)
        self._count_no_audio(payload_type, payload)
        return None

    def _count_no_audio(self, payload_type: int, payload: bytes | None) -> None:
        if payload_type != self._payload_type and (payload_type in self.other_payloads or len(self.other_payloads) < MOST_PAYLOAD_TYPES):
            self.other_payloads[payload_type] += 1
        if payload is None:
            self.malformed += 1
        elif payload_type == COMFORT_NOISE:
            self.comfort_noise += 1
        elif payload_type not in (self._payload_type, self._description.dtmf_payload_type):
            self.wrong_payload += 1

    def _refuse(self, datagram: bytes, source: Address, refusal: Refusal, now: float) -> None:
        why = self._blame(datagram, source, refusal)
        if self._recording is not None:
            self._recording.refuse(now, source, datagram, why)

    def _blame(self, datagram: bytes, source: Address, refusal: Refusal) -> str:
        """Count what no key opens, and say why in words."""
        if refusal is Refusal.AUTHENTICATION and self._old is not None and isinstance(self._old.open(datagram), bytes):
            self.old_key += 1
            return "old key: replaced by a re-INVITE or UPDATE"
        if self.is_foreign(source):
            self.foreign += 1
            return STRANGER
        if refusal is Refusal.REPLAYED:
            self.replayed += 1
            self.duplicates += 1
            return "replayed: this packet came before"
        if self._looks_plain(datagram):
            self.plain_rtp += 1
            return "plain RTP, not encrypted"
        if refusal is Refusal.TOO_OLD:
            self.replayed += 1
            return "too late: behind the replay window"
        if refusal is not Refusal.AUTHENTICATION:
            self.malformed += 1
            return "malformed: no SRTP packet"
        self.auth_failures += 1
        return f"wrong key or suite: authentication failed{self._guess_tag(datagram)}"

    def _looks_plain(self, datagram: bytes) -> bool:
        """Tell clear RTP by its length: whole multiples of ten milliseconds, with no room for a tag, or one telephone-event."""
        payload = rtp.payload_of(datagram)
        if not payload:
            return False
        payload_type = datagram[1] & 0x7F
        if payload_type == self._payload_type:
            return len(payload) % 80 == 0
        return payload_type == self._description.dtmf_payload_type and len(payload) == 4

    def _guess_tag(self, datagram: bytes) -> str:
        """Note which suite's tag would make the audio whole: a peer that took another suite is found by that."""
        tag = (len(datagram) - HEADER_OCTETS) % 80
        if tag not in TAG_OCTETS.values() or datagram[1] & 0x7F != self._payload_type:
            return ""
        self.tags[tag] += 1
        return f" (a tag of {tag} octets by its length)"

    @property
    def totals(self) -> Past:
        """All streams together."""
        past = self._past
        for stream in self.streams.values():
            past = past.plus(stream)
        return past

    def payload_types(self) -> tuple[tuple[int, int], ...]:
        """Packets by payload type, the most frequent first; at most 16."""
        counts = Counter(self.other_payloads)
        if self.meter.packets:
            counts[self._payload_type] += self.meter.packets
        return tuple(counts.most_common(MOST_PAYLOAD_TYPES))

    def real_source(self) -> Address | None:
        """Where most authentic packets come from; None before any."""
        received = self.totals.received
        if not received:
            return None
        return self.source if self.source is not None and self.stray * 2 > received else self.expected_source
