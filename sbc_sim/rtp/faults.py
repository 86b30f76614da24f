"""Media faults: what a bad network, or a broken far end, does to the packets of a leg on their way to the partner.

    kind = faulty(EchoLeg)                   # the same leg behind a bad network; made once for each kind of leg
    leg = kind(description, now)             # description.conduct.faults says what is wrong, conduct.seed which packets it strikes

All chance follows from the seed and the number of the packet: the same packets in, the same packets out, in every run. A leg without
faults is not one of these and pays nothing. What waits (delay, jitter, reorder, duplicates) goes out by `due`; RTCP is left alone, but for
a wrong key.

A packet that is lost was protected and counted as sent, as it is when a network loses it; a recording holds what really left.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription, SrtpKey
from sbc_sim.rtp.reception import Address
from sbc_sim.rtp.recording import Recording
from sbc_sim.rtp.seeded import Seeded, Strikes, seed_of

MOST_WAITING = 1000
"""Packets that may wait; more are lost."""
BURST_CHANCE = 0.02
"""A burst of losses begins so often per packet: about once a second."""
HELD_S = 0.1
"""A packet that nothing overtakes is held for no longer."""
ONE_WAY_OUT, ONE_WAY_IN = 1.0, 2.0

_Waiting = tuple[float, int, bytes, bytes]
"""When it is due, its number, the packet, and the same in clear when a recording wants it."""


_NOTHING: list[tuple[bytes, bytes]] = []


class BadNetwork:
    """Decides the fate of each packet. Times in seconds of the clock that is passed in."""

    __slots__ = (
        "_burst",
        "_burst_begins",
        "_dead",
        "_delay",
        "_held",
        "_held_until",
        "_jitter",
        "_jitters",
        "_latest",
        "_left",
        "_loss",
        "_number",
        "_queue",
        "_reorder",
        "_twice",
        "waits",
    )

    def __init__(self, faults: Mapping[str, float], seed: int) -> None:
        """`faults`: strength by name, as in MediaConduct."""

        def strikes(name: str, chance: float) -> Strikes | None:
            """Each fault has a chance of its own, so that adding one does not change which packets another strikes."""
            return Strikes(chance, seed_of(seed, name)) if chance else None

        self._dead = faults.get("one-way") == ONE_WAY_OUT
        self._loss = strikes("loss", faults.get("loss", 0.0))
        self._reorder = strikes("reorder", faults.get("reorder", 0.0))
        self._twice = strikes("duplicate", faults.get("duplicate", 0.0))
        self._burst = round(faults.get("burst", 0.0))
        self._burst_begins = strikes("burst", BURST_CHANCE if self._burst else 0.0)
        self._delay = faults.get("delay", 0.0) / 1000
        self._jitter = faults.get("jitter", 0.0) / 1000
        self._jitters = Seeded(seed_of(seed, "jitter"))
        self.waits = bool(self._delay or self._jitter or self._reorder or self._twice)
        """Packets may have to go out later, so that `due` must be asked."""
        self._left = 0
        self._number = 0
        self._latest = 0.0
        self._held: tuple[bytes, bytes] | None = None
        """It waits to be overtaken."""
        self._held_until = 0.0
        self._queue: list[_Waiting] = []

    def take(self, packet: bytes, clear: bytes, now: float) -> bool:
        """Take a packet; True: it goes out at once, as it is."""
        loss = self._loss
        if self._dead or (loss is not None and loss.hit()) or (self._burst and self._in_burst()):
            return False
        return self._delivered(packet, clear, now) if self.waits else True

    def _in_burst(self) -> bool:
        if self._left:
            self._left -= 1
            return True
        if self._burst_begins is not None and self._burst_begins.hit():
            self._left = self._burst - 1
            return True
        return False

    def _delivered(self, packet: bytes, clear: bytes, now: float) -> bool:
        at = now + self._delay
        if self._jitter:
            # the order is kept: what would overtake waits for what is before it
            self._latest = at = max(self._latest, at + self._jitter * self._jitters.next())
        held, self._held = self._held, None
        if held is None and self._reorder is not None and self._reorder.hit():
            self._held, self._held_until = (packet, clear), at + HELD_S
            return False
        at_once = at <= now and not self._queue
        if not at_once:
            self._put(at, packet, clear)
        if self._twice is not None and self._twice.hit():
            self._put(at, packet, clear)
        if held is not None:
            self._put(at, *held)
        return at_once

    def _put(self, at: float, packet: bytes, clear: bytes) -> None:
        if len(self._queue) < MOST_WAITING:
            self._number += 1
            heapq.heappush(self._queue, (at, self._number, packet, clear))

    def due(self, now: float) -> list[tuple[bytes, bytes]]:
        """Give what goes out now: packet and clear text."""
        queue = self._queue
        if self._held is None and not (queue and queue[0][0] <= now):
            return _NOTHING
        out: list[tuple[bytes, bytes]] = []
        while queue and queue[0][0] <= now:
            out.append(heapq.heappop(queue)[2:])
        if self._held is not None and now >= self._held_until:
            out.append(self._held)
            self._held = None
        return out


def wrong_key(key: SrtpKey, seed: int) -> SrtpKey:
    """Give another key of the same suite."""
    chance = Seeded(seed_of(seed, "wrong-key"))
    return SrtpKey(key.suite, bytes(octet ^ (1 + int(chance.next() * 255)) for octet in key.key_salt))


class Faulty(Endpoint):
    """What a faulty leg adds to its kind. No slots: it is mixed into classes that have some."""

    def __init__(self, description: LegDescription, now: float, *more: Any) -> None:
        """Begin; raise ValueError for a suite or key that cannot be used."""
        self._faults = dict(description.conduct.faults)
        self._seed = description.conduct.seed
        self._network = BadNetwork(self._faults, self._seed)
        self._deaf = self._faults.get("one-way") == ONE_WAY_IN
        self._clears: deque[bytes] = deque()
        """What was protected and has not met its fate yet; only while a recording wants it."""
        self._kept: Recording | None = None
        super().__init__(self._spoilt(description), now, *more)
        self._speaks = super().paced
        self.paced = self._speaks or self._network.waits

    def _spoilt(self, description: LegDescription) -> LegDescription:
        if "wrong-key" not in self._faults:
            return description
        return replace(description, send_key=wrong_key(description.send_key, self._seed))

    def change(self, description: LegDescription) -> None:
        """Go on as described, the faults with it."""
        super().change(self._spoilt(description))

    def record_to(self, recording: Recording) -> None:
        """Keep what really leaves, when it leaves."""
        super().record_to(recording)
        self._kept = recording
        self.transmission.record = self._note

    def _note(self, now: float, destination: Address, clear: bytes) -> None:
        self._clears.append(clear)

    def _leaves(self, clear: bytes, now: float) -> None:
        assert self._kept is not None
        self._kept.sent.add(now, self.destination, clear)

    def receive_rtp(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        """Take what arrived, or lose it; give a packet that the network lets through at once."""
        if self._deaf:
            return None
        packet = super().receive_rtp(datagram, source, now)
        return None if packet is None else self._passed(packet, now)

    def claim_rtp(self, datagram: bytes, source: Address, now: float) -> tuple[bool, bytes | None]:
        """Take an RTP packet if our key opens it, as `receive_rtp` does."""
        if self._deaf:
            return isinstance(self.reception.srtp.open(datagram), bytes), None
        ours, packet = super().claim_rtp(datagram, source, now)
        return ours, None if packet is None else self._passed(packet, now)

    def _passed(self, packet: bytes, now: float) -> bytes | None:
        if self._kept is None:
            return packet if self._network.take(packet, b"", now) else None
        clear = self._clears.popleft()
        if not self._network.take(packet, clear, now):
            return None
        self._leaves(clear, now)
        return packet

    def due(self, now: float) -> list[bytes]:
        """Give what waited and what the leg says by itself, as far as the network lets it through."""
        out: list[bytes] = []
        if self._speaks:
            passed = (self._passed(packet, now) for packet in super().due(now))
            out = [packet for packet in passed if packet is not None]
        for packet, clear in self._network.due(now):
            if self._kept is not None:
                self._leaves(clear, now)
            out.append(packet)
        return out


_MADE: dict[type[Endpoint], type[Endpoint]] = {}


def faulty(kind: type[Endpoint]) -> type[Endpoint]:
    """Give a kind of leg behind a bad network."""
    if kind not in _MADE:
        _MADE[kind] = cast(type[Endpoint], type(f"Faulty{kind.__name__}", (Faulty, kind), {}))
    return _MADE[kind]
