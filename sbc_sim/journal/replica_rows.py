"""The rows of replicas and orders, read and written by one connection. Every method raises what the database raises.

All times are read from the database's clock, so that replicas whose own clocks differ agree on who is late.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sbc_sim.journal.database import Connection
from sbc_sim.journal.membership import Unsent
from sbc_sim.journal.replica import ORDER_SECONDS, Member, Order, Replica, ReplicaState

REMEMBERED_SECONDS = 3600.0
"""So long those that left are listed, and their slots left alone."""
MOST_TAKEN = 500
"""Orders taken at once."""

_CLOCKS = {
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}
_COLUMNS = "id, name, slot, started_at, seen_at, state, about, closed_at"


@dataclass(frozen=True, slots=True)
class Known:
    """A row of a replica."""

    replica: Replica
    closed: bool
    """Whether its calls were ended after it left."""


class ReplicaRows:
    """Statements about replicas and orders."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is asked yet."""
        self._connection = connection
        self._clock = _CLOCKS[connection.kind]

    # --- being there -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The database's clock, unix seconds."""
        return float(self._all(f"SELECT {self._clock}")[0][0])

    def taken(self) -> list[tuple[int, str, float, str]]:
        """Slot, state, last sign of life and name of every known replica."""
        return [(int(slot), state, seen, name) for slot, state, seen, name in self._all("SELECT slot, state, seen_at, name FROM replicas")]

    def enter(self, member: Member) -> bool:
        """Write down that it lives; False when somebody was quicker with the name or the slot."""
        answer = self._connection.execute(
            f"INSERT INTO replicas (id, name, slot, started_at, seen_at, state, about) "
            f"VALUES (?, ?, ?, {self._clock}, {self._clock}, 'live', ?) ON CONFLICT DO NOTHING",
            (member.id, member.name, member.slot, json.dumps(member.about)),
        )
        return answer.rowcount == 1

    def beat(self, member: str) -> float | None:
        """Give a sign of life and return its time; None: others have declared this one lost."""
        rows = self._all(f"UPDATE replicas SET seen_at = {self._clock} WHERE id = ? AND state = 'live' RETURNING seen_at", member)
        return float(rows[0][0]) if rows else None

    def leave(self, member: str) -> None:
        """Say that it is gone."""
        self._connection.execute(f"UPDATE replicas SET state = 'gone', seen_at = {self._clock} WHERE id = ? AND state = 'live'", (member,))

    def listing(self, own: str) -> list[Known]:
        """All known replicas, by name and age."""
        rows = self._all(f"SELECT {_COLUMNS} FROM replicas ORDER BY name, started_at")
        return [_known(row, own) for row in rows]

    def forget(self) -> None:
        """Forget those that left long ago, and orders that nobody took."""
        now = self._clock
        self._connection.execute(
            f"DELETE FROM replicas WHERE seen_at < {now} - ? AND (state = 'gone' OR (state = 'lost' AND closed_at IS NOT NULL))",
            (REMEMBERED_SECONDS,),
        )
        self._connection.execute(f"DELETE FROM orders WHERE abs({now} - at) > ?", (ORDER_SECONDS,))

    # --- those that left ---------------------------------------------------------------------------------------------

    def judge(self, member: str, lost_seconds: float) -> list[Replica]:
        """Take over those that are late, and those that left and whose calls nobody has ended yet: one statement decides who.

        A time in the future is as good as one long ago: the clock was set back.
        """
        now = self._clock
        rows = self._all(
            f"UPDATE replicas SET state = CASE WHEN state = 'live' THEN 'lost' ELSE state END, closer = ?, closing_at = {now} "
            f"WHERE id <> ? AND closed_at IS NULL AND ((state = 'live' AND abs({now} - seen_at) > ?) "
            f"OR (state <> 'live' AND (closer IS NULL OR closer = ? OR abs({now} - closing_at) > ?))) RETURNING {_COLUMNS}",
            *(member, member, lost_seconds, member, lost_seconds),
        )
        return [_known(row, member).replica for row in rows]

    def closed(self, left: str) -> None:
        """Write down that the calls of one that left were ended."""
        self._connection.execute(f"UPDATE replicas SET closed_at = {self._clock} WHERE id = ? AND state <> 'live'", (left,))

    # --- orders ------------------------------------------------------------------------------------------------------

    def send(self, sender: str, orders: Sequence[Unsent], number: Callable[[], int]) -> None:
        """Write orders down."""
        for order in orders:
            self._connection.execute(
                f"INSERT INTO orders (id, at, sender, target, what, data) VALUES (?, {self._clock}, ?, ?, ?, ?)",
                (number(), sender, order.target, order.what, order.data),
            )

    def waiting(self, name: str, since: float, new: Callable[[int], bool]) -> list[Order]:
        """Orders to this replica, and those to all that came after `since` and are `new`; in the order of each sender."""
        numbers = self._all(
            f"SELECT id FROM orders WHERE target = ? OR (target = '' AND sender <> ? AND at >= ?) ORDER BY id LIMIT {MOST_TAKEN * 50}",
            *(name, name, since),
        )
        wanted = [int(number) for (number,) in numbers if new(int(number))][:MOST_TAKEN]
        if not wanted:
            return []
        marks = ", ".join("?" * len(wanted))
        columns = f"id, at, sender, target, what, data, {self._clock} - at"
        rows = self._all(f"SELECT {columns} FROM orders WHERE id IN ({marks}) ORDER BY id", *wanted)
        return [_order(row) for row in rows]

    def take(self, numbers: Sequence[int]) -> None:
        """Take orders away, so that nobody hears them again."""
        if numbers:
            self._connection.execute(f"DELETE FROM orders WHERE id IN ({', '.join('?' * len(numbers))})", tuple(numbers))

    def _all(self, statement: str, *values: Any) -> Sequence[Any]:
        return self._connection.execute(statement, values).fetchall()


def _known(row: Sequence[Any], own: str) -> Known:
    number, name, slot, started_at, seen_at, state, about, closed_at = row
    replica = Replica(number, name, int(slot), started_at, seen_at, ReplicaState(state), _object(about), own=number == own)
    return Known(replica, closed_at is not None)


def _order(row: Sequence[Any]) -> Order:
    number, at, sender, target, what, data, age = row
    return Order(int(number), at, sender, target, what, _object(data), float(age))


def _object(text: str) -> Mapping[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}
