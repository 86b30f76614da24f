"""One port for all calls: which leg a datagram belongs to.

A stream is known by its source address and SSRC. The first packet of a stream goes to the leg whose SRTP key authenticates it. Legs
whose peer said in its SDP that it sends from that address are asked first; the others are asked within a budget, so that garbage from
strangers costs a bounded share of the processor, whatever its rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sbc_sim.net.media_ports import Address
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.packet import Kind, classify

TRIALS_PER_DATAGRAM = 32
"""Keys that are tried on one datagram; about 2 us each."""

TRIALS_PER_SECOND = 2000
"""Keys that are tried on datagrams from addresses that no SDP named."""

MOST_STREAMS = 32
"""Streams remembered for each leg, the oldest making room; RTP and RTCP count apart."""

Stream = tuple[Address, bytes]
Send = Callable[[bytes, Address, Endpoint], None]


class MuxRouter:
    """Takes every datagram of the one port (`receive`) and sends the answers itself."""

    def __init__(self, send: Send) -> None:
        """Begin with no leg; `send(datagram, destination, leg)` is the port's."""
        self._send = send
        self._streams: dict[Stream, Endpoint] = {}
        self._streams_of: dict[Endpoint, deque[Stream]] = {}
        self._named: dict[Address, list[Endpoint]] = {}
        """Legs by the addresses in their peers' SDP."""
        self._addresses_of: dict[Endpoint, tuple[Address, ...]] = {}
        self._budget = float(TRIALS_PER_SECOND)
        self._budget_at = 0.0
        self._turn = 0
        self.without_leg = 0
        """Datagrams that no leg's key opened."""
        self.over_budget = 0
        """Datagrams from addresses that no SDP named, on which no key was tried."""

    def add(self, leg: Endpoint) -> None:
        """Route to a leg too, or to its new addresses after a change."""
        self._forget_addresses(leg)
        description = leg.description
        addresses = (description.remote,) if description.remote_rtcp is None else (description.remote, description.remote_rtcp)
        self._addresses_of[leg] = addresses
        self._streams_of.setdefault(leg, deque())
        for address in addresses:
            self._named.setdefault(address, []).append(leg)

    def remove(self, leg: Endpoint) -> None:
        """Route to it no more."""
        self._forget_addresses(leg)
        for stream in self._streams_of.pop(leg, ()):
            if self._streams.get(stream) is leg:
                del self._streams[stream]

    def _forget_addresses(self, leg: Endpoint) -> None:
        for address in self._addresses_of.pop(leg, ()):
            legs = self._named[address]
            legs.remove(leg)
            if not legs:
                del self._named[address]

    def receive(self, datagram: bytes, source: Address, now: float) -> None:
        """Bring a datagram to its leg and send what the leg answers."""
        leg = self._streams.get((source, datagram[8:12]))
        if leg is None or not 0x7F < datagram[0] < 0xC0 or 0xBF < datagram[1] < 0xE0:
            self._receive_other(datagram, source, now)
            return
        answer = leg.receive_rtp(datagram, source, now)
        if answer is not None:
            self._send(answer, leg.destination, leg)

    def _receive_other(self, datagram: bytes, source: Address, now: float) -> None:
        """Take what is no packet of a known RTP stream."""
        match classify(datagram):
            case Kind.RTP:
                self._find(datagram, source, now, rtcp=False)
            case Kind.RTCP:
                leg = self._streams.get((source, datagram[4:8]))
                if leg is None:
                    self._find(datagram, source, now, rtcp=True)
                else:
                    leg.receive_rtcp(datagram, source, now)
            case _:
                self._blame(datagram, source, now)

    def _find(self, datagram: bytes, source: Address, now: float, *, rtcp: bool) -> None:
        """Try keys on the first packet of a stream."""
        named = self._named.get(source, [])
        for leg in self._in_turn(named, TRIALS_PER_DATAGRAM):
            if self._claimed(leg, datagram, source, now, rtcp=rtcp):
                return
        if not named:
            for leg in self._candidates(now):
                self._budget -= 1
                if self._claimed(leg, datagram, source, now, rtcp=rtcp):
                    return
        self._blame(datagram, source, now)

    def _candidates(self, now: float) -> list[Endpoint]:
        """Give the legs whose keys are tried on a datagram of a stranger, those that heard nothing yet first; none when over the budget."""
        passed = max(0.0, now - self._budget_at)
        self._budget_at = now
        self._budget = min(float(TRIALS_PER_SECOND), self._budget + passed * TRIALS_PER_SECOND)
        if self._budget < min(TRIALS_PER_DATAGRAM, len(self._streams_of)):
            self.over_budget += 1
            return []
        waiting = [leg for leg in self._streams_of if leg.reception.first_packet_at is None]
        others = [leg for leg in self._streams_of if leg.reception.first_packet_at is not None]
        first = self._in_turn(waiting, TRIALS_PER_DATAGRAM)
        return first + self._in_turn(others, TRIALS_PER_DATAGRAM - len(first))

    def _in_turn(self, legs: list[Endpoint], most: int) -> list[Endpoint]:
        """Give at most so many legs; when there are more, others each time."""
        if len(legs) <= most:
            return legs[:]
        start = self._turn % len(legs)
        self._turn += most
        return (legs[start:] + legs[:start])[:most]

    def _claimed(self, leg: Endpoint, datagram: bytes, source: Address, now: float, *, rtcp: bool) -> bool:
        if rtcp:
            ours, answer = leg.claim_rtcp(datagram, source, now), None
        else:
            ours, answer = leg.claim_rtp(datagram, source, now)
        if not ours:
            return False
        self._remember((source, datagram[4:8] if rtcp else datagram[8:12]), leg)
        if answer is not None:
            self._send(answer, leg.destination, leg)
        return True

    def _remember(self, stream: Stream, leg: Endpoint) -> None:
        streams = self._streams_of[leg]
        if len(streams) >= MOST_STREAMS:
            self._streams.pop(streams.popleft(), None)
        streams.append(stream)
        self._streams[stream] = leg

    def _blame(self, datagram: bytes, source: Address, now: float) -> None:
        """Count a datagram that no key opened where its address belongs: wrong keys and clear RTP are found by that."""
        named = self._named.get(source, [])
        if len(named) == 1:
            named[0].receive_rtp(datagram, source, now)
        else:
            self.without_leg += 1
