"""Faults in a running simulator: the pure table with the clock, an alarm for what ends by itself, and whoever must hear of a change.

Where several replicas share a store each has the same faults: what the API of one sets, it has the others set too. Who changes something
tells it to the journal; the others do the same without a word. Hits of a fault with a count are added up within `TELL_HITS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from sbc_sim.calls.faults import BadFault, Fault, FaultTable, read_fault
from sbc_sim.calls.nearest import did_you_mean
from sbc_sim.calls.numbers import NumberTable
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.owners import Alone, Fellows, TooManyOrders
from sbc_sim.net.shapes import Alarm, Clock, cancel

_log = Logger()
PUT, DELETE, CLEAR, HITS = "fault-put", "fault-delete", "faults-clear", "fault-hits"
"""Orders to all other replicas: ``{name, members, hits}``, ``{name}``, ``{}``, ``{hits: {name: number}}``."""
ORDERS = (PUT, DELETE, CLEAR, HITS)
TELL_HITS = 0.02
"""Seconds within which hits are told as one."""
OVER_BY_ITSELF = "expired"
Rotate = Callable[[str, str], "Deferred[dict[str, Any]]"]
"""`rotate(how, region)`: see `Rotation.rotate`."""


class Faulting:
    """Keeps the table of faults and of test numbers of one process."""

    def __init__(
        self,
        reactor: Clock,
        now: Callable[[], float],
        append: Callable[[Entry], object],
        numbers: NumberTable | None,
        known: Mapping[str, Collection[str]],
        fellows: Fellows | None = None,
    ) -> None:
        """`now` gives unix seconds; `append` writes to the journal; `numbers` None: test numbers are off.

        `known`: names of regions and partners, by member of a scope. `fellows`: the other replicas.
        """
        self.table = FaultTable(self._tell)
        self.table.on_hit = self._hit
        self._fellows = fellows or Alone()
        self._by_order = False
        self._ordered: set[str] = set()
        """Faults that another replica has set: it tells of their end."""
        self._hits: Counter[str] = Counter()
        self.number_table = numbers
        self.rotate: Rotate | None = None
        """Shows another certificate, for faults of TLS."""
        self._known = known
        self._shown: dict[str, str] = {}
        """Certificates that faults have asked for, by region."""
        self._rotated: Deferred[Any] = succeed(None)
        self._reactor = reactor
        self._now = now
        self._append = append
        self._alarm: Alarm | None = None

    def read(self, name: str, members: Mapping[str, Any], by: str = "api") -> Fault:
        """Read a fault for regions and partners that there are. Raises BadFault."""
        fault = read_fault(name, members, by)
        for member, known in self._known.items():
            meant = getattr(fault.scope, member)
            if meant and meant not in known:
                raise BadFault(f"scope.{member}", f"There is no {member} {meant[:80]!r}.", did_you_mean(meant, tuple(known)))
        return fault

    def start(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the faults of the settings, once connections can be taken. Raises BadFault."""
        for name, members in settings.items():
            self.table.put(self.read(name, members, "settings"), self._now())

    def stop(self) -> None:
        """Ring no more."""
        cancel(self._alarm)
        self._alarm = None

    def _tell(self, now: float, data: Mapping[str, Any]) -> None:
        name = str(data["name"])
        if not self._by_order and not (data["change"] == OVER_BY_ITSELF and name in self._ordered):
            self._append(Entry(now, Kind.FAULT_CHANGED, None, data))
        self._ordered.discard(name)
        self._reactor.callLater(0, self._changed)  # the table is in the middle of its change

    def _changed(self) -> None:
        self._arm()
        self._follow()

    def _follow(self) -> None:
        """Show the certificates that faults ask for, and go back where none asks any more. One for everywhere ends those of regions."""
        wanted = {fault.scope.region: str(fault.value) for fault in self.table.tls(self._now())}
        rotate, before = self.rotate, self._shown
        if wanted == before or rotate is None:
            return
        everywhere = wanted.get("") != before.get("")
        regions = [region for region in sorted({**before, **wanted}) if everywhere or wanted.get(region) != before.get(region)]
        self._shown = wanted
        for region in regions:
            self._rotated.addCallback(self._turn, rotate, wanted.get(region, "original"), region)
            self._rotated.addErrback(lambda failure: _log.failure("a fault's certificate cannot be shown", failure=failure))

    def _turn(self, before: object, rotate: Rotate, how: str, region: str) -> Deferred[dict[str, Any]]:
        """One after the other: keys are made in a thread, and the last change must be the one that holds."""
        return rotate(how, region)

    def _arm(self) -> None:
        cancel(self._alarm)
        deadline = self.table.deadline
        self._alarm = None if deadline is None else self._reactor.callLater(max(0.0, deadline - self._now()), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.table.advance(self._now())
        self._arm()

    # --- the desk of the HTTP interface ------------------------------------------------------------------------------

    def all(self) -> Sequence[Mapping[str, Any]]:
        """All faults as JSON, the oldest first."""
        return self.table.all(self._now())

    def one(self, name: str) -> Mapping[str, Any] | None:
        """One fault as JSON."""
        return self.table.one(name, self._now())

    def put(self, name: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set a fault. Raises BadFault and TooManyOrders."""
        fault = self.read(name, members)
        told = self.table.put(fault, self._now())
        self._fellows.order("", PUT, {"name": name, "members": dict(members)})
        return told

    def remove(self, name: str) -> bool:
        """Take a fault away; False when it is not there. Raises TooManyOrders."""
        there = self.table.remove(name, self._now())
        if there:
            self._fellows.order("", DELETE, {"name": name})
        return there

    def clear(self) -> int:
        """Take away the faults that the API has set, and give their number. Raises TooManyOrders."""
        self._fellows.order("", CLEAR, {})
        return self.table.clear(self._now())

    def numbers(self) -> Sequence[Mapping[str, Any]]:
        """Give the test numbers as JSON."""
        return [] if self.number_table is None else self.number_table.told()

    # --- several replicas --------------------------------------------------------------------------------------------

    def ordered(self, what: str, data: Mapping[str, Any]) -> None:
        """Do what another replica has done. Raises BadFault, KeyError, TypeError and ValueError for what makes no sense."""
        with self._quiet():
            if what == PUT:
                self._put_by_order(data)
            elif what == DELETE:
                self.table.remove(str(data["name"]), self._now())
            elif what == CLEAR:
                self.table.clear(self._now())
            elif what == HITS:
                for name, hits in data["hits"].items():
                    self.table.hit_elsewhere(str(name), int(hits), self._now())

    def _put_by_order(self, data: Mapping[str, Any]) -> None:
        name, hits = str(data["name"]), int(data.get("hits") or 0)
        self.table.put(self.read(name, data["members"]), self._now())
        self._ordered.add(name)
        if hits:
            self.table.hit_elsewhere(name, hits, self._now())

    def standing(self) -> list[dict[str, Any]]:
        """What the API has set, as `ordered` takes it: for a replica that has just begun."""
        return self.table.standing("api", self._now())

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Tell the journal nothing: whoever did it first has told it."""
        self._by_order = True
        try:
            yield
        finally:
            self._by_order = False

    def _hit(self, name: str) -> None:
        if self._fellows.name and not self._hits:
            self._reactor.callLater(TELL_HITS, self._tell_hits)
        if self._fellows.name:
            self._hits[name] += 1

    def _tell_hits(self) -> None:
        hits, self._hits = dict(self._hits), Counter()
        try:
            self._fellows.order("", HITS, {"hits": hits})
        except TooManyOrders as error:
            _log.warn("hits of faults are not added up: {why}", why=str(error))
