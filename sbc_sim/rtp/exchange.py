"""The RTCP of one leg: when to report, what to say, what the peer said (RFC 3550 sections 6.2 to 6.6)."""

from __future__ import annotations

from collections.abc import Iterable

from sbc_sim.rtp import rtcp
from sbc_sim.rtp.statistics import StreamStatistics

INTERVAL_S = 5.0
"""The minimum interval of RFC 3550 section 6.2. With two members, five percent of one G.711 stream would allow more."""

FIRST_S = 1.0
"""Mean time to the first report, so that even a short call has one."""

_COMPENSATION = 2.71828 - 1.5
"""For timer reconsideration (section 6.3.1)."""


class RtcpExchange:
    """Reports both ways. Chance comes from the SSRC, which is random already: the timer only must not run in step with others."""

    def __init__(self, ssrc: int, cname: str, now: float) -> None:
        """Begin at the start of the media."""
        self.ssrc = ssrc
        self.cname = cname
        self.next_at = now + FIRST_S * self._between_half_and_one_and_a_half(ssrc)
        self.sent = 0
        self.received = 0
        self.bye = False
        self.peer_cname: str | None = None
        self.peer_fraction_lost: float | None = None
        self.peer_jitter: int | None = None
        """Timestamp units."""
        self.round_trip: float | None = None
        """Seconds, from the newest report that tells."""
        self._chance = ssrc
        self._sender_reports: dict[int, tuple[int, float]] = {}
        """By the peer's SSRC: middle of the NTP time of its last report, and when it came."""
        self._sent_before = 0

    @staticmethod
    def _between_half_and_one_and_a_half(number: int) -> float:
        return 0.5 + (number * 2654435761 & 0xFFFFFFFF) / 0x1_0000_0000

    def schedule(self, now: float) -> None:
        """Set the time of the next report."""
        self._chance = (self._chance * 1664525 + 1013904223) & 0xFFFFFFFF
        self.next_at = now + INTERVAL_S * self._between_half_and_one_and_a_half(self._chance) / _COMPENSATION

    def compound(self, now: float, sender: rtcp.SenderInfo | None, streams: Iterable[StreamStatistics], *, bye: bool = False) -> bytes:
        """Write SR or RR, CNAME and, at the end, BYE. An SR only when packets were sent since the last report (section 6.4)."""
        if sender is not None and sender.packets == self._sent_before:
            sender = None
        if sender is not None:
            self._sent_before = sender.packets
        report = rtcp.Report(self.ssrc, sender, tuple(self._block(stream, now) for stream in streams))
        self.sent += 1
        datagram = rtcp.build_report(report) + rtcp.build_cname(self.ssrc, self.cname)
        return datagram + rtcp.build_bye(self.ssrc) if bye else datagram

    def _block(self, stream: StreamStatistics, now: float) -> rtcp.ReportBlock:
        last_sr, came_at = self._sender_reports.get(stream.ssrc, (0, now))
        delay = min(0xFFFFFFFF, max(0, int((now - came_at) * 65536)))
        fraction = stream.fraction_since_last()
        return rtcp.ReportBlock(stream.ssrc, fraction, stream.lost, stream.highest, int(stream.jitter), last_sr, delay)

    def take(self, datagram: bytes, now: float) -> bool:
        """Read an authentic compound packet; False when it is malformed."""
        packets = rtcp.parse(datagram)
        if packets is None:
            return False
        self.received += 1
        for packet in packets:
            match packet:
                case rtcp.Report():
                    self._take_report(packet, now)
                case rtcp.Description():
                    self.peer_cname = packet.cname
                case rtcp.Bye():
                    self.bye = True
                case _:
                    pass
        return True

    def _take_report(self, report: rtcp.Report, now: float) -> None:
        if report.sender is not None:
            if len(self._sender_reports) >= 16 and report.ssrc not in self._sender_reports:
                self._sender_reports.clear()
            self._sender_reports[report.ssrc] = (rtcp.middle(report.sender.ntp), now)
        for block in report.blocks:
            if block.ssrc == self.ssrc:
                self._take_block(block, now)

    def _take_block(self, block: rtcp.ReportBlock, now: float) -> None:
        self.peer_fraction_lost = block.fraction_lost / 256
        self.peer_jitter = block.jitter
        if block.last_sr:
            elapsed = (rtcp.middle(rtcp.ntp_time(now)) - block.last_sr - block.delay) & 0xFFFFFFFF
            # More than half the range is a small negative time: clocks are coarse, and a peer may round its delay up.
            self.round_trip = elapsed / 65536 if elapsed < 0x80000000 else 0.0
