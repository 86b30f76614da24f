"""The media of a recorded call: an echo leg that hears the recorded SRTP, and what the far end was seen to send back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sbc_sim.offline.far_end import FarEnd, offered_key
from sbc_sim.offline.framing import sane
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import LegDescription, LegReport, SrtpKey
from sbc_sim.rtp.packet import FIXED_HEADER, Kind, classify
from sbc_sim.rtp.srtp import SrtpSender
from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.recording import Address, Datagram

SHORTEST_GAP_S = 1.0
MOST_UNMATCHED = 4096
"""Echoes of our own leg that wait to be found in the trace."""


class Datagrams:
    """All datagrams of a trace, found by either end."""

    def __init__(self, datagrams: Iterable[Datagram]) -> None:
        """Sort them by time."""
        self.all = sorted(datagrams, key=lambda datagram: sane(datagram.at))
        self._to: dict[Address, list[int]] = {}
        self._from: dict[Address, list[int]] = {}
        for number, datagram in enumerate(self.all):
            self._to.setdefault(datagram.destination, []).append(number)
            self._from.setdefault(datagram.source, []).append(number)

    def touching(self, addresses: Iterable[Address]) -> list[Datagram]:
        """All that came from or went to one of these, in the order of time."""
        numbers = {number for address in addresses for found in (self._to, self._from) for number in found.get(address, ())}
        return [self.all[number] for number in sorted(numbers)]

    def knows(self, address: Address) -> bool:
        """Tell whether anything came from or went to it."""
        return address in self._to or address in self._from

    def with_port(self, ports: set[int]) -> set[Address]:
        """Addresses that something was sent to, by port."""
        return {address for address in self._to if address[1] in ports}

    def sent_to_by(self, sources: Iterable[Address]) -> set[Address]:
        """Where these sources sent something."""
        return {self.all[number].destination for source in sources for number in self._from.get(source, ())}


@dataclass(slots=True)
class Line:
    """The two ends of a call's media, as the trace shows them."""

    rtp: frozenset[Address]
    """The SBC's."""
    rtcp: frozenset[Address]
    datagrams: list[Datagram] = field(default_factory=list)
    """Only while the call is judged: many calls may have the same."""

    @property
    def both_ways(self) -> bool:
        """Tell whether anything that the SBC sent is in the trace."""
        ours = self.rtp | self.rtcp
        return any(datagram.source in ours for datagram in self.datagrams)


def find_line(datagrams: Datagrams, far: FarEnd, partner: frozenset[Address]) -> Line:
    """Find the SBC's media: by the addresses that it named, by their ports (NAT), else by whom the partner's named addresses sent to."""
    rtp, rtcp = far.ports, far.rtcp_ports - far.ports
    if not any(datagrams.knows(address) for address in rtp):
        numbers = {port for _, port in rtp}
        seen = datagrams.with_port(numbers) - partner if numbers else set()
        rtp = frozenset(seen or datagrams.sent_to_by(partner))
        ports = {port for _, port in rtcp} or {port + 1 for _, port in rtp}
        rtcp = frozenset(datagrams.with_port(ports)) - rtp
    return Line(rtp, rtcp)


def _gap(line: Line) -> int:
    """Count what lies between the first and the last packets that our own capture keeps: numbers and time that jump alike."""
    last: tuple[float, int] | None = None
    for datagram in line.datagrams:
        if datagram.destination not in line.rtp or classify(datagram.data) is not Kind.RTP:
            continue
        here = (datagram.at, int.from_bytes(datagram.data[2:4]))
        if last is not None:
            missing, seconds = (here[1] - last[1] - 1) & 0xFFFF, here[0] - last[0]
            if seconds > SHORTEST_GAP_S and 0.005 < seconds / (missing + 1) < 0.1:
                return missing
        last = here
    return 0


class MediaReplay:
    """The media plane of one replayed call."""

    def __init__(self, line: Line, far: FarEnd, began: float, shared: bool, time: Allowance) -> None:
        """`shared`: other calls of the trace use the same ports, so that a key decides whose a packet is."""
        self._line = line
        self._time = time
        self._far = far
        self._shared = shared
        self._leg: EchoLeg | None = None
        self._live = False
        self._next = bisect_left([sane(d.at) for d in line.datagrams], began)
        self._sealing: tuple[SrtpKey, SrtpSender] | None = None
        self._echoes: dict[int, float] = {}
        self._delays: tuple[float, float] | None = None
        self._sent = self._rtcp_sent = 0
        self._both_ways = line.both_ways
        self.gap = _gap(line) if any(datagram.clear for datagram in line.datagrams[:100]) else 0
        """Packets that a capture of ours left out in the middle, about."""
        self.offer = b""
        """The partner's newest description."""

    def start(self, leg: LegDescription, now: float) -> None:
        """Begin or change the leg, with the keys, SSRC and numbers that the far end took."""
        leg = self._as_far_end(leg)
        self._live = True
        if self._leg is None:
            self._leg = EchoLeg(leg, now)
        else:
            self._leg.change(leg)

    def _as_far_end(self, leg: LegDescription) -> LegDescription:
        answer = self._far.answer
        if answer is not None and answer.crypto is not None and answer.crypto.suite == leg.receive_key.suite:
            line = offered_key(self.offer, answer.crypto.tag)
            if line is not None and line.suite == leg.receive_key.suite:
                leg = replace(leg, receive_key=SrtpKey(line.suite, line.key_salt))
        if self._leg is not None:
            own = self._leg.description
            return replace(leg, ssrc=own.ssrc, first_sequence=own.first_sequence)
        first = next((d.data for d in self._line.datagrams[self._next :] if self._is_ours(d) and classify(d.data) is Kind.RTP), None)
        if first is None:
            return leg
        _, _, sequence, _, ssrc = FIXED_HEADER.unpack_from(first)
        return replace(leg, ssrc=ssrc, first_sequence=sequence)

    def _is_ours(self, datagram: Datagram) -> bool:
        return datagram.source in self._line.rtp or datagram.source in self._line.rtcp

    def stop(self) -> None:
        """The ports are free: what comes now is nobody's."""
        self._live = False

    def until(self, now: float) -> None:
        """Deliver what was seen before `now`. Raises TimeSpent."""
        datagrams = self._line.datagrams
        while self._next < len(datagrams) and sane(datagrams[self._next].at) < now:
            self._time.need()
            datagram = datagrams[self._next]
            self._next += 1
            if self._leg is None or not self._live:
                continue
            if self._is_ours(datagram):
                self._sent_back(datagram)
            else:
                self._arrived(datagram, self._leg)

    def _arrived(self, datagram: Datagram, leg: EchoLeg) -> None:
        at, data = sane(datagram.at), datagram.data
        if datagram.clear:
            data = self._sealed(data, leg)
        if datagram.destination not in self._line.rtp:
            leg.receive_rtcp(data, datagram.source, at)
            return
        if self._shared and datagram.source != leg.reception.expected_source:
            if classify(data) is Kind.RTCP:
                leg.claim_rtcp(data, datagram.source, at)
                return
            _, echo = leg.claim_rtp(data, datagram.source, at)
        else:
            echo = leg.receive_rtp(data, datagram.source, at)
        if echo is not None:
            if len(self._echoes) >= MOST_UNMATCHED:
                del self._echoes[next(iter(self._echoes))]
            self._echoes[int.from_bytes(echo[2:4])] = at

    def _sealed(self, clear: bytes, leg: EchoLeg) -> bytes:
        """Protect again what the capturing side had opened."""
        key = leg.description.receive_key
        if self._sealing is None or self._sealing[0] != key:
            self._sealing = (key, SrtpSender(key))
        sender = self._sealing[1]
        sealed = sender.protect_rtcp(clear) if classify(clear) is Kind.RTCP else sender.protect(clear)
        return sealed if isinstance(sealed, bytes) else clear

    def _sent_back(self, datagram: Datagram) -> None:
        if classify(datagram.data) is not Kind.RTP:
            self._rtcp_sent += 1
            return
        self._sent += 1
        came = self._echoes.pop(int.from_bytes(datagram.data[2:4]), None)
        if came is not None:
            delay = sane(datagram.at) - came
            least, most = self._delays or (delay, delay)
            self._delays = (min(least, delay), max(most, delay))

    @property
    def assumed(self) -> bool:
        """Tell whether an echo is counted that the trace does not show."""
        return not self._both_ways and self._leg is not None and self._leg.echoed > 0

    def report(self) -> LegReport | None:
        """Give what the leg saw; what went out is as the trace shows it, if it shows that direction at all.

        The delay of an echo is counted from the quickest one: the way between capture and SBC is none of the SBC's doing.
        """
        if self._leg is None:
            return None
        report = self._leg.report()
        if self._leg.description.conduct.kind == "agent":
            report = replace(report, echoed_packets=0, max_echo_delay_ms=None)
            return replace(report, packets_sent=self._sent, rtcp_sent=self._rtcp_sent) if self._both_ways else report
        if not self._both_ways:
            return report
        delay = None if self._delays is None else (self._delays[1] - self._delays[0]) * 1000
        echoed = min(report.echoed_packets, self._sent)
        return replace(report, packets_sent=self._sent, echoed_packets=echoed, rtcp_sent=self._rtcp_sent, max_echo_delay_ms=delay)
