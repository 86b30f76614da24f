"""Who else is there: replicas that share a store look after each other, and pass on what only the owner of a call can do.

member = register(connect, name, about)                 # before the store is opened: its slot makes the ordinals
replicas = Replicas(connect, member, turn, options)
replicas.on_order = ...                                 # told on the thread of the calls
replicas.start()
replicas.order("pod-2", "hang-up", {"call": call})
replicas.stop()                                         # says `gone`, after the store has let go of its last entry
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sbc_sim.journal.bell import LOOK_SECONDS, Bell, ring
from sbc_sim.journal.database import Connection
from sbc_sim.journal.lookout import Closer, Lookout, entered
from sbc_sim.journal.replica import MOST_ABOUT_OCTETS, ORDER_SECONDS, Member, Order, Replica, ReplicaOptions, ReplicaState, Turn
from sbc_sim.journal.replica_rows import ReplicaRows

STOP_SECONDS = 1.0
"""Longest wait for the farewell: whoever does not get to say it is found out by the silence."""


def register(connect: Callable[[], Connection], name: str, about: Mapping[str, Any]) -> Member:
    """Write down that we are there: blocks as long as the database takes.

    `connect` gives a connection to a database that has its layout. `name`: the wanted one; when a living replica has it, `-2` and so on is
    put behind it. `about`: JSON values, 4 KiB at most (ValueError). Raises StoreError when every slot is taken, and what `connect` raises.
    """
    _check_about(about)
    line = connect()
    try:
        member = entered(ReplicaRows(line), Member("", name, -1, about))
        ring(line)
        return member
    finally:
        line.close()


def _check_about(about: Mapping[str, Any]) -> None:
    if len(json.dumps(about)) > MOST_ABOUT_OCTETS:
        raise ValueError(f"what a replica says about itself is longer than {MOST_ABOUT_OCTETS} octets")


class Replicas:
    """The other replicas, kept up to date by a thread with a connection of its own. No method but `stop` ever waits for the database."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        member: Member,
        turn: Turn,
        options: ReplicaOptions | None = None,
        closer: Closer | None = None,
        *,
        sentence: Callable[[Exception], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is done before `start`; `turn` has all callbacks called on the thread of the calls.

        `closer` ends the calls of those that are lost; None: as journal/lost does by default. `sentence` says in words
        what the database could not do (`Database.sentence`). `clock`: steady seconds.
        """
        if closer is None:
            from sbc_sim.journal.lost import LostCalls

            closer = LostCalls()
        self._clock = clock
        self._bell = Bell()
        self._stopping = False
        self._lookout = Lookout(connect, member, options or ReplicaOptions(), closer, turn, sentence)
        self._thread = threading.Thread(target=self._run, name="sbc-sim replicas", daemon=True)

    @property
    def member(self) -> Member:
        """This process; it changes when others had declared it lost, and it had to register anew."""
        return self._lookout.member

    @property
    def trouble(self) -> str:
        """One sentence with the cure while the database cannot be had; empty when all is well."""
        return self._lookout.trouble

    @property
    def on_order(self) -> Callable[[Order], None]:
        """Told each order once at most, those of one sender in their order. Must be quick and must not raise."""
        return self._lookout.listeners.on_order

    @on_order.setter
    def on_order(self, listener: Callable[[Order], None]) -> None:
        self._lookout.listeners.on_order = listener

    @property
    def on_left(self) -> Callable[[Replica, bool], None]:
        """Told on every replica that one is gone or lost, after its calls were ended; True on the one that takes over what it owned."""
        return self._lookout.listeners.on_left

    @on_left.setter
    def on_left(self, listener: Callable[[Replica, bool], None]) -> None:
        self._lookout.listeners.on_left = listener

    @property
    def on_rejoined(self) -> Callable[[Member], None]:
        """Told when others had declared this process lost, and it registered anew: its calls of before stand in the journal as lost."""
        return self._lookout.listeners.on_rejoined

    @on_rejoined.setter
    def on_rejoined(self, listener: Callable[[Member], None]) -> None:
        self._lookout.listeners.on_rejoined = listener

    @property
    def on_trouble(self) -> Callable[[str], None]:
        """Told `trouble` when it begins, and an empty text when it is over."""
        return self._lookout.listeners.on_trouble

    @on_trouble.setter
    def on_trouble(self, listener: Callable[[str], None]) -> None:
        self._lookout.listeners.on_trouble = listener

    def start(self) -> None:
        """Begin to look after the others."""
        self._thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Say that we are gone, when the store has all that we knew; waits so long at most. A second time does nothing."""
        self._stopping = True
        self._bell.pull()
        if self._thread.ident is None:
            self._bell.close()
            return
        self._thread.join(seconds)
        if not self._thread.is_alive():  # a thread that hangs in the database ends with the process
            self._bell.close()

    def order(self, target: str, what: str, data: Mapping[str, Any], within: float = ORDER_SECONDS) -> bool:
        """Ask something of a replica by its name, '' for all others; False: too many wait already, or we are stopping.

        It is sent within a moment, in `within` seconds or not at all, taken once at most, and forgotten after ORDER_SECONDS. Raises
        ValueError when it is too long, TypeError when it is no JSON.
        """
        if self._stopping or not self._lookout.outbox.put(target, what, data, self._clock(), within):
            return False
        self._bell.pull()
        return True

    def listed(self) -> tuple[Replica, ...]:
        """The newest of each name, as of the last heartbeat; those that left stay for an hour."""
        return self._lookout.listed

    def state(self, name: str) -> ReplicaState | None:
        """What is known of the newest replica of this name; None: never heard of, or long forgotten."""
        return next((replica.state for replica in self.listed() if replica.name == name), None)

    def orders(self) -> Mapping[str, int]:
        """How many orders by what became of them: sent, received, dropped."""
        lookout = self._lookout
        return {"sent": lookout.sent, "received": lookout.received, "dropped": lookout.outbox.dropped}

    def _run(self) -> None:
        lookout = self._lookout
        while not self._stopping:
            seconds = lookout.step(self._clock())
            line = lookout.line
            if line is not None and line.fileno() is None:
                seconds = min(seconds, LOOK_SECONDS)
            if seconds > 0 and not self._stopping:
                self._bell.wait(line, seconds)
        lookout.finish()
