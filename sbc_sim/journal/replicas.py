"""Who else is there: replicas that share a store look after each other, and pass on what only the owner of a call can do.

member = register(connect, name, about)                 # before the store is opened: its slot makes the ordinals
replicas = Replicas(connect, member, turn, options)
replicas.on_order = ...                                 # told on the thread of the calls
replicas.start()
replicas.order("pod-2", "hang-up", {"call": call})
replicas.stop()                                         # says `gone`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sbc_sim.journal.replica import Member, Order, Replica, ReplicaOptions, ReplicaState, Turn


def register(connect: Callable[[], Any], name: str, about: Mapping[str, Any]) -> Member:
    """Write down that we are there: blocks as long as the database takes.

    `connect` gives a connection (journal/database) to a database that has its layout. `name`: the wanted one; when a living replica has it,
    `-2` and so on is put behind it. `about`: JSON values, 4 KiB at most. Raises StoreError: the database cannot be had, no slot is free.
    """
    raise NotImplementedError


class Replicas:
    """The other replicas, kept up to date by a thread with a connection of its own. No method but `stop` ever waits for the database."""

    def __init__(self, connect: Callable[[], Any], member: Member, turn: Turn, options: ReplicaOptions | None = None) -> None:
        """Nothing is done before `start`; `turn` has all callbacks called on the thread of the calls."""
        self.member = member
        """This process; changes when it was declared lost and had to register anew."""
        self.trouble = ""
        """One sentence with the cure while the database cannot be had; empty when all is well."""
        self.on_order: Callable[[Order], None] = lambda order: None
        """Told each order once at most, those of one sender in their order."""
        self.on_left: Callable[[Replica, bool], None] = lambda replica, ours: None
        """Told on every replica that one is gone or lost, after its calls were ended; True on the one that takes over what it owned."""
        self.on_rejoined: Callable[[Member], None] = lambda member: None
        """Told when others had declared this process lost, and it registered anew."""

    def start(self) -> None:
        """Begin to look after the others."""

    def stop(self, seconds: float = 5.0) -> None:
        """Say that we are gone, when the store has all that we knew; waits so long at most. A second time does nothing."""

    def order(self, target: str, what: str, data: Mapping[str, Any]) -> bool:
        """Ask something of a replica by its name, '' for all others; False: too many wait already.

        It is sent within a moment, taken once at most, and forgotten after ORDER_SECONDS. Raises ValueError when it is too long.
        """
        raise NotImplementedError

    def listed(self) -> tuple[Replica, ...]:
        """All that are known, by name, as of the last heartbeat; those that left stay for an hour."""
        raise NotImplementedError

    def state(self, name: str) -> ReplicaState | None:
        """What is known of the newest replica of this name; None: never heard of, or long forgotten."""
        raise NotImplementedError

    def orders(self) -> Mapping[str, int]:
        """How many orders by what became of them: sent, received, dropped."""
        raise NotImplementedError
