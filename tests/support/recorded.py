"""Calls in memory, written down as a trace would show them: octets, datagrams, times. What the switchboard said of them is at hand too."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace

from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outputs import Output, Send, StartMedia
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import LegReport, SrtpKey
from sbc_sim.rtp.packet import Kind as PacketKind
from sbc_sim.rtp.packet import RtpPacket, build, classify
from sbc_sim.rtp.srtp import SrtpSender
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer
from sbc_sim.traces.recording import Datagram, Flow, Octets, Recording, TlsSeen
from tests.support.joined import Address, Joined, Side
from tests.support.sip import Exchange, Line, a_peer, an_environment
from tests.support.srtp_peer import frame

PARTNER, SBC = ("192.0.2.1", 40001), ("203.0.113.5", 5061)
SEEN = TlsSeen("TLSv1.3", "TLS_AES_256_GCM_SHA384", decrypted=True)


def a_flow(number: int = 1, transport: str = "tls", began_at: float = 0.0, **more: object) -> Flow:
    tls = SEEN if transport == "tls" else None
    return Flow(number, transport, PARTNER, SBC, began_at, **{"tls": tls, **more})  # type: ignore[arg-type]


def statuses(trace: Trace | None) -> dict[str, str]:
    """Status by rule."""
    assert trace is not None
    return {finding["rule"]: finding["status"] for finding in (trace.call.verdict or {}).get("findings", ())}


def traces_of(entries: list[Entry]) -> list[Trace]:
    """What a store makes of the journal of a live call."""
    store = MemoryStore()
    for entry in entries:
        store.append(entry)
    calls = [entry.call for entry in entries if entry.kind is Kind.CALL_STARTED and entry.call is not None]
    return [trace for call in calls if (trace := store.trace(call)) is not None]


@dataclass
class RecordedCall(Joined):
    """Both sides joined, with everything that passed between them kept."""

    octets: list[Octets] = field(default_factory=list)
    passed: list[Datagram] = field(default_factory=list)

    def _took(self, side: Side, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.octets.append(Octets(self.now, 1, side is self.partner, output.data))
            super()._took(side, [output])

    def _deliver(self, sender: Side, call: str, datagram: bytes, to: Address) -> None:
        own = sender.port_of(call)
        source = (own[0], own[1] + to[1] % 2)
        self.passed.append(Datagram(self.now, source, to, datagram))
        leg = sender.legs.get(call)
        if sender is self.sbc and leg is not None and classify(datagram) is PacketKind.RTP:
            leg.sent_after(0.0)  # the plane measures that
        super()._deliver(sender, call, datagram, to)

    def recording(self) -> Recording:
        """What a capture between both would hold."""
        return Recording((a_flow(began_at=self.octets[0].at),), tuple(self.octets), tuple(self.passed))

    def live(self) -> list[Trace]:
        """The calls as the switchboard's own journal tells them."""
        return traces_of(self.sbc.entries)


class RecordedLine(Line):
    """A partner's connection whose octets are written down."""

    def send(self, data: bytes) -> list[Request | Response]:
        assert isinstance(self.exchange, RecordedExchange)
        self.exchange.octets.append(Octets(self.exchange.now, self.number, True, data))
        return super().send(data)

    def got(self, data: bytes) -> None:
        assert isinstance(self.exchange, RecordedExchange)
        self.exchange.octets.append(Octets(self.exchange.now, self.number, False, data))
        super().got(data)

    def asked(self) -> list[Request]:
        """Requests of the SBC so far, ACKs aside."""
        return [message for message in self.messages if isinstance(message, Request) and message.method != "ACK"]


class RecordedExchange(Exchange):
    """A switchboard with echo legs, a scripted partner, and everything that passed between them."""

    def __init__(self, policy: Policy | None = None, limits: Limits | None = None) -> None:
        self.legs: dict[str, EchoLeg] = {}
        self.octets: list[Octets] = []
        self.passed: list[Datagram] = []
        self.flows: list[Flow] = []
        environment = an_environment()
        super().__init__(policy or Policy(), limits or Limits(ring_seconds=0.05), replace(environment, read_media=self._read))
        self.sender = SrtpSender(SrtpKey("AES_CM_128_HMAC_SHA1_80", bytes(range(30))))
        self.sequence = 100

    def _read(self, call: str) -> LegReport | None:
        leg = self.legs.get(call)
        return leg.report() if leg else None

    def line(self, peer: Peer | None = None, number: int | None = None) -> RecordedLine:
        line = RecordedLine(self, number if number is not None else len(self.lines) + 1)
        self.lines[line.number] = line
        client = (PARTNER[0], PARTNER[1] + line.number - 1)
        self.flows.append(replace(a_flow(line.number, began_at=self.now), client=client))
        self.took(self.switchboard.connected(line.number, a_peer(*client), self.now))
        return line

    def took(self, outputs: list[Output]) -> None:
        super().took(outputs)
        for output in outputs:
            if isinstance(output, StartMedia) and output.leg.call in self.legs:
                self.legs[output.leg.call].change(output.leg)
            elif isinstance(output, StartMedia):
                self.legs[output.leg.call] = EchoLeg(output.leg, self.now)

    def rekey(self, fill: int) -> str:
        """Go on with another key; gives it as an a=crypto line has it."""
        key = bytes((fill + n) % 256 for n in range(30))
        self.sender = SrtpSender(SrtpKey("AES_CM_128_HMAC_SHA1_80", key))
        return base64.b64encode(key).decode()

    def talk(self, packets: int, lost: frozenset[int] = frozenset(), plain: bool = False) -> None:
        """Send audio, 20 ms apiece, to the newest call while its port is open."""
        for number in range(packets):
            self.wait(0.02)
            self.sequence += 1
            if number in lost:
                continue
            clear = build(RtpPacket(0, self.sequence & 0xFFFF, self.sequence * 160, 0xABCD, frame(self.sequence)))
            datagram = clear if plain else self.sender.protect(clear)
            assert isinstance(datagram, bytes)
            self._deliver(datagram)

    def _deliver(self, datagram: bytes) -> None:
        source, port = ("192.0.2.1", 24000), ("203.0.113.5", 31000 + 2 * max(0, len(self.legs) - 1))
        self.passed.append(Datagram(self.now, source, port, datagram))
        leg = next(reversed(self.legs.values()), None)
        ended = {entry.call for entry in self.entries if entry.kind is Kind.CALL_ENDED}
        if leg is None or leg.description.call in ended or leg.description.call in {stop.call for stop in self.stopped_media()}:
            return
        echo = leg.receive_rtp(datagram, source, self.now)
        if echo is not None:
            leg.sent_after(0.0)
            self.passed.append(Datagram(self.now, port, leg.destination, echo))

    def recording(self) -> Recording:
        """What a capture of all that the SBC's host sends and gets would hold; another call's packet shows that it holds datagrams."""
        other = Datagram(self.flows[0].began_at, ("198.51.100.1", 9), ("203.0.113.5", 30_998), b"\x80" + bytes(40))
        return Recording(tuple(self.flows), tuple(self.octets), (other, *self.passed))

    def live(self) -> list[Trace]:
        return traces_of(self.entries)
