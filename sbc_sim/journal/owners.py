"""Whose a call is: this process's own, or that of another replica that shares the store; and how something is asked of that one.

What a call is stands in the store, for everybody to read. What is done with it, only its owner can do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sbc_sim.journal.replica import Replica
from sbc_sim.journal.view import rfc3339

HANG_UP, RESET, NEWCOMER, DONE = "hang-up", "reset", "newcomer", "done"
"""Orders: ``{call}`` to its owner; ``{at}`` to all others (unix seconds: what began later stays); ``{}`` to all others by who has just
begun; ``{ask}`` to who gave an order. What is asked of one by name has `ask` and `within` too: no older than so many seconds.

More stand with who does them."""

PATIENCE = 2.0
"""Seconds in which all others should have done what they were ordered; then nobody is waited for any more."""
OWNER_PATIENCE = 4.0
"""Seconds in which the one that was asked by name must have taken the order; then it is not done any more."""


class OwnerGone(Exception):
    """The replica that had a call is there no more: one sentence."""

    def __init__(self, replica: str) -> None:
        """`replica`: its name."""
        super().__init__(f"The replica {replica} had this call, and is there no more; the others end its calls as lost.")
        self.replica = replica


class OwnerSilent(Exception):
    """The replica that has a call was asked, and did not answer: one sentence."""

    def __init__(self, replica: str, seconds: float, seen_at: float | None = None) -> None:
        """`replica`: its name. `seconds`: so long it was waited for. `seen_at`: unix seconds of its last sign of life."""
        heard = "" if seen_at is None else f"; its last sign of life was at {rfc3339(seen_at)}"
        super().__init__(f"The replica {replica}, whose this is, did not answer within {seconds:g} s{heard}. It is not known to be done.")
        self.replica = replica
        self.seen_at = seen_at


class TooManyOrders(Exception):
    """So much waits for the other replicas that nothing more is taken: one sentence."""

    def __init__(self) -> None:
        """There is one reason only."""
        super().__init__("Too many orders to other replicas wait: the database of store.url cannot be reached, or is slow.")


class Fellows(Protocol):
    """The other replicas, as those know them who want something done."""

    @property
    def name(self) -> str:
        """Of this replica; empty: the store is not shared."""

    def listed(self) -> Sequence[Replica]:
        """All that are known, this one too; none when the store is not shared. Never waits."""

    def owner(self, replica: str) -> Replica | None:
        """Give the replica that owns what is marked with this name (`CallView.replica`); None: this process. Raises OwnerGone."""

    def lives(self, replica: str) -> bool:
        """Tell whether a replica of this name is there, this one included."""

    def order(self, target: str, what: str, data: Mapping[str, Any]) -> None:
        """Ask something of a replica by its name, empty: of all others. Raises TooManyOrders."""

    def when_done(self, then: Callable[[OwnerSilent | None], None]) -> bool:
        """Have `then` called when the others have done what they were ordered since this was asked last; False: nothing was.

        It is told who was asked by name and did not answer; all others are waited for as long, and no word is lost about them.
        """


class Alone:
    """Nobody else is there: the store is not shared."""

    name = ""

    def listed(self) -> Sequence[Replica]:
        """None."""
        return ()

    def owner(self, replica: str) -> Replica | None:
        """This process, whatever a call says: another life of it had the call."""
        return None

    def lives(self, replica: str) -> bool:
        """Whoever else there was is gone."""
        return replica == ""

    def order(self, target: str, what: str, data: Mapping[str, Any]) -> None:
        """Nobody hears it."""

    def when_done(self, then: Callable[[OwnerSilent | None], None]) -> bool:
        """Nothing was ordered."""
        return False
