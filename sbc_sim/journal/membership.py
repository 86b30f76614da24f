"""What a replica decides, without a database and without a clock: which name and slot it takes, whether it may judge others, what it
still has to send, and what it has heard already."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sbc_sim.journal.replica import MOST_NAME, MOST_ORDER_OCTETS, ORDER_SECONDS, SLOTS, ReplicaOptions

MOST_WAITING = 1000
"""Orders that wait to be sent."""
MOST_HEARD = 20_000
"""Orders to all that are remembered, lest one is told twice."""


class Wellness:
    """Whether this process may judge others: only who has reached the database for a full `lost_seconds` without a gap may.

    A database that was away, a machine that slept and a clock that jumped look the same: nobody is seen for a while. After each of
    them the others get as long to be seen again as they would have had to be lost.
    """

    def __init__(self, options: ReplicaOptions) -> None:
        """Not well yet."""
        self._gap = options.lost_seconds / 2
        self._lost_seconds = options.lost_seconds
        self._since: float | None = None
        self._last = (0.0, 0.0)

    def beat(self, now: float, database_now: float) -> None:
        """Take a heartbeat that the database took: seconds of our steady clock, and the database's unix seconds."""
        own_gap, database_gap = now - self._last[0], database_now - self._last[1]
        if self._since is None or own_gap > self._gap or abs(database_gap) > self._gap:
            self._since = now
        self._last = (now, database_now)

    def failed(self) -> None:
        """The database could not be reached."""
        self._since = None

    def may_judge(self, now: float) -> bool:
        """Whether it was well for long enough."""
        return self._since is not None and now - self._since >= self._lost_seconds


def free_slot(taken: Iterable[tuple[int, str, float]]) -> int | None:
    """Choose a slot; `taken`: slot, state and last sign of life of every known replica. None: all are with the living.

    One that nobody had lately comes first: who was cut off may yet write with a slot of its own.
    """
    rows = list(taken)
    used = {slot for slot, _, _ in rows}
    unused = next((slot for slot in range(SLOTS) if slot not in used), None)
    if unused is not None:
        return unused
    living = {slot for slot, state, _ in rows if state == "live"}
    left = sorted((seen_at, slot) for slot, state, seen_at in rows if slot not in living and state != "live")
    return left[0][1] if left else None


def free_name(wanted: str, living: Collection[str]) -> str:
    """Give the wanted name, or one with a number behind it when a living replica has it."""
    name, number = wanted[:MOST_NAME], 1
    while name in living:
        number += 1
        name = f"{wanted[: MOST_NAME - 1 - len(str(number))]}-{number}"
    return name


@dataclass(frozen=True, slots=True)
class Unsent:
    """An order on its way to the database."""

    target: str
    what: str
    data: str
    """JSON."""
    since: float
    """Seconds of a steady clock."""
    within: float = ORDER_SECONDS
    """Not sent any more after so many seconds."""


class Outbox:
    """Orders that wait for the thread that sends them: bounded in number, length and age. One thread puts, one sends."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: deque[Unsent] = deque()
        self._lock = threading.Lock()
        self.dropped = 0
        """Orders that found no place, or grew too old."""

    def put(self, target: str, what: str, data: Mapping[str, Any], now: float, within: float = ORDER_SECONDS) -> bool:
        """Let an order wait for so many seconds; False when too many do. Raises ValueError when it is too long, or no JSON."""
        text = json.dumps(data, separators=(",", ":"))
        if len(text) > MOST_ORDER_OCTETS:
            raise ValueError(f"an order to another replica is {len(text)} octets long, {MOST_ORDER_OCTETS} are the most")
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self.dropped += 1
                return False
            self._waiting.append(Unsent(target, what, text, now, within))
            return True

    def waiting(self, now: float, most: int = 100) -> list[Unsent]:
        """The oldest ones, which stay until `sent`; those that are too old by `now` are dropped."""
        with self._lock:
            young = [one for one in self._waiting if now - one.since <= one.within]
            self.dropped += len(self._waiting) - len(young)
            self._waiting = deque(young)
            return [self._waiting[place] for place in range(min(most, len(self._waiting)))]

    def sent(self, count: int) -> None:
        """Let go of so many of the oldest."""
        with self._lock:
            for _ in range(count):
                self._waiting.popleft()

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._waiting)


class OrderNumbers:
    """Numbers that rise with each order of a sender, and that no other sender gives."""

    def __init__(self, slot: int) -> None:
        """`slot`: the sender's."""
        self._slot = slot
        self._last = 0

    def next(self, now: float) -> int:
        """Give the next one; `now`: unix seconds, which may run backwards."""
        self._last = max((int(now * 1e6) << 10) | self._slot, self._last + SLOTS)
        return self._last


class Heard:
    """Numbers of the orders to all that were told already: bounded."""

    def __init__(self) -> None:
        """Nothing was heard."""
        self._numbers: OrderedDict[int, None] = OrderedDict()

    def new(self, number: int) -> bool:
        """Whether this one is new."""
        return number not in self._numbers

    def add(self, numbers: Iterable[int]) -> None:
        """Remember these."""
        for number in numbers:
            self._numbers[number] = None
        while len(self._numbers) > MOST_HEARD:
            self._numbers.popitem(last=False)
