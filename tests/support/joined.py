"""A caller and a switchboard joined without sockets: messages, SRTP and time in memory. What runs is the shipped code of both sides."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sbc_sim.calls.conduct import Choose, plain
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outputs import Close, Connect, Core, Environment, Output, Record, Say, Send, StartMedia, StopMedia
from sbc_sim.calls.switchboard import Switchboard
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.partner.caller import Caller
from sbc_sim.partner.placed_call import CallPlan
from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription, LegReport, MediaAddress
from sbc_sim.rtp.legs import make_leg
from sbc_sim.rtp.play import EchoProof, PlayLeg
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.connections import Identity
from sbc_sim.sip.peer import Peer, TlsFacts
from tests.support.sip import ECHO

Address = tuple[str, int]
TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384")


class Chance:
    """Random octets from a seed: the same run every time."""

    def __init__(self, seed: str) -> None:
        self._numbers = itertools.count()
        self._seed = seed

    def octets(self, count: int) -> bytes:
        return hashlib.shake_256(f"{self._seed}{next(self._numbers)}".encode()).digest(count)

    def token(self, count: int) -> str:
        return self.octets(count).hex()


class Side:
    """A core, its ports and legs, what it wrote into the journal."""

    def __init__(self, host: str, seed: str) -> None:
        self.host = host
        self.chance = Chance(seed)
        self.core: Core
        self.entries: list[Entry] = []
        self.legs: dict[str, Endpoint] = {}
        self.stopped: list[str] = []
        self.by_port: dict[Address, str] = {}
        self.choose: Choose = plain
        self.renewed = 0
        """How often the certificate was to be renewed."""
        self._ports = itertools.count(31000, 2)
        self._last: dict[str, LegReport] = {}

    def environment(self) -> Environment:
        return Environment(self._open, self._read, self.chance.token, self.chance.octets, choose=self.choose, renew_certificate=self._renew)

    def _renew(self) -> None:
        self.renewed += 1

    def _open(self, call: str, region: str) -> MediaAddress:
        port = next(self._ports)
        self.by_port[self.host, port] = call
        return MediaAddress(self.host, port, port + 1)

    def _read(self, call: str) -> LegReport | None:
        leg = self.legs.get(call)
        return leg.report() if leg else None

    def make_leg(self, description: LegDescription, now: float) -> Endpoint:
        return make_leg(description, now)

    def port_of(self, call: str) -> Address:
        return next(address for address, owner in self.by_port.items() if owner == call)

    def start(self, description: LegDescription, now: float) -> None:
        leg = self.legs.get(description.call)
        if leg is None:
            self.legs[description.call] = self.make_leg(description, now)
        else:
            leg.change(description)

    def told(self, kind: Kind) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind is kind]


class CallingSide(Side):
    """The partner: its legs play frames."""

    def __init__(self, seconds: float) -> None:
        super().__init__("192.0.2.1", "partner")
        self._frames = int((seconds - 0.6) * 50)

    def make_leg(self, description: LegDescription, now: float) -> Endpoint:
        frames: Iterator[bytes] = itertools.islice(tone(seed=len(self.legs) + 1), self._frames)
        return PlayLeg(description, now, frames)

    def read_proof(self, call: str) -> EchoProof | None:
        leg = self.legs.get(call)
        return leg.proof() if isinstance(leg, PlayLeg) else None


@dataclass
class Joined:
    """Both sides, one clock."""

    calls: int = 1
    seconds: float = 3.0
    policy: Policy = field(default_factory=Policy)
    offer: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=lambda: Limits(ring_seconds=0.1))
    user_to_user: str | None = ECHO
    extra: tuple[tuple[str, str], ...] = ()
    now: float = 1_700_000_000.0
    datagrams: int = 0
    number: str = "echo"
    choose: Choose = plain
    patience: float = 60.0
    """Seconds that the caller waits for an answer."""
    sbc_may_end: bool = False
    swallow: Callable[[bytes], bool] = lambda message: False
    """Messages of the caller that never arrive."""

    def __post_init__(self) -> None:
        self.sbc, self.partner = Side("203.0.113.5", "sbc"), CallingSide(self.seconds)
        self.sbc.choose = self.choose
        self.switchboard = Switchboard(self.policy, self.limits, Identity("203.0.113.5", 5061), self.sbc.environment())
        plan = CallPlan(
            "203.0.113.5",
            5061,
            f"sip:{self.number}@203.0.113.5",
            "<sip:+15550111@192.0.2.1>",
            "<sip:echo@203.0.113.5>",
            self.user_to_user,
            seconds=self.seconds,
            ring_seconds=self.patience,
            sbc_may_end=self.sbc_may_end,
            extra=self.extra,
        )
        self.caller = Caller(plan, self.partner.environment(), self.partner.read_proof, self.offer, self.calls)
        self.sbc.core, self.partner.core = self.switchboard, self.caller

    def run(self, longest: float = 60.0) -> None:
        """Let both talk until the caller has all results and the switchboard is at rest."""
        self._took(self.partner, self.caller.start(self.now))
        end = self.now + longest
        while self.now < end and not (self.caller.finished and self.switchboard.live_calls == 0):
            self.step()
        assert self.caller.finished, "the caller has no result in time"

    def step(self) -> None:
        """Ten milliseconds."""
        self.now += 0.01
        for side in (self.partner, self.sbc):
            if side.core.deadline is not None and side.core.deadline <= self.now:
                self._took(side, side.core.advance(self.now))
            for call, leg in list(side.legs.items()):
                for datagram in leg.due(self.now):
                    self._deliver(side, call, datagram, leg.destination)
                for datagram in leg.tick(self.now):
                    self._deliver(side, call, datagram, leg.rtcp_destination or leg.destination)

    def _deliver(self, sender: Side, call: str, datagram: bytes, to: Address) -> None:
        """Carry one datagram over and what it provokes back."""
        self.datagrams += 1
        receiver = self._other(sender)
        own = sender.port_of(call)
        rtcp = to[1] % 2 == 1
        target = receiver.by_port.get((to[0], to[1] - 1 if rtcp else to[1]))
        leg = receiver.legs.get(target or "")
        if leg is None or target is None:
            return
        if rtcp:
            leg.receive_rtcp(datagram, (own[0], own[1] + 1), self.now)
            return
        back = leg.receive_rtp(datagram, own, self.now)
        if back is not None:
            self._deliver(receiver, target, back, leg.destination)

    def _other(self, side: Side) -> Side:
        return self.sbc if side is self.partner else self.partner

    def _took(self, side: Side, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Record(entry):
                    side.entries.append(entry)
                case StartMedia(leg):
                    side.start(leg, self.now)
                case StopMedia(call):
                    side.stopped.append(call)
                    gone = side.legs.pop(call, None)
                    if gone is not None:
                        for datagram in gone.goodbye(self.now):
                            side.legs[call] = gone
                            self._deliver(side, call, datagram, gone.rtcp_destination or gone.destination)
                            del side.legs[call]
                case Connect(connection):
                    self._connect(connection)
                case Say(call, prompt):
                    if call in side.legs:
                        side.legs[call].say(prompt, self.now)
                case Send(_, data):
                    self._send(side, data)
                case Close():
                    self._close(output)

    def _send(self, side: Side, data: bytes) -> None:
        other = self._other(side)
        if side is self.sbc or not self.swallow(data):
            self._took(other, other.core.receive(1 if other is self.sbc else -1, data, self.now))

    def _close(self, output: Close) -> None:
        """Both ends hear of a connection that is dropped; one that is closed in good order is of no interest here."""
        for end, number in ((self.sbc, 1), (self.partner, -1)) if output.abort else ():
            self._took(end, end.core.lost(number, output.why, self.now))

    def _connect(self, connection: int) -> None:
        there = Peer("192.0.2.1", 40001, "203.0.113.5", 5061, tls=TLS)
        here = Peer("203.0.113.5", 5061, "192.0.2.1", 40001, tls=TLS, dialled=True)
        self._took(self.sbc, self.switchboard.connected(1, there, self.now))
        self._took(self.partner, self.caller.connected(connection, here, self.now))
