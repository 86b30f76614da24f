"""This process as one of several that share a store: who it is, whose a call is, what it asks of the others and does for them.

joined = Joined(replicas, reactor)              # journal/replicas, registered but not started
joined.on(RESET, lambda data: ...)              # what is done when another replica orders it
joined.start()
joined.order("pod-2", HANG_UP, {"call": call})
joined.stop()
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.logger import Logger

from sbc_sim.addresses import Addresses
from sbc_sim.calls.faults import BadFault
from sbc_sim.calls.rehearsals import TooMany
from sbc_sim.journal.database import FAILURES, Database
from sbc_sim.journal.lost import LostCalls
from sbc_sim.journal.owners import DONE, NEWCOMER, OWNER_PATIENCE, PATIENCE, OwnerGone, OwnerSilent, TooManyOrders
from sbc_sim.journal.reaching import loopback
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.replica import MOST_NAME, ORDER_SECONDS, Order, Replica, ReplicaOptions, ReplicaState
from sbc_sim.journal.replica_rows import ReplicaRows
from sbc_sim.journal.replicas import Replicas, register
from sbc_sim.journal.share import Turn
from sbc_sim.journal.store import StoreError
from sbc_sim.net.faulting import HITS
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.settings import Endpoint, Settings
from sbc_sim.sip.errors import InvalidInput
from sbc_sim.telephony.keys import BadKey

_EXPECTED = (BadFault, BadKey, CertificateError, InvalidInput, TooMany, TooManyOrders, KeyError, TypeError, ValueError, AttributeError)
"""What may come of an order that is too late, or that another version of the simulator wrote."""

Act = Callable[[Mapping[str, Any]], object]


class Door:
    """A listener on this machine's loopback that leads to this process alone: workers share http.listen, so nobody can choose there."""

    def __init__(self) -> None:
        """Take a free port; nobody is answered before `open`. Raises OSError."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])

    def open(self, reactor: Any, factory: Any) -> Any:
        """Begin to answer; gives an IListeningPort."""
        self._socket.listen(64)
        port = reactor.adoptStreamPort(self._socket.fileno(), socket.AF_INET, factory)
        self._socket.close()  # the port has a descriptor of its own
        return port


class Ordered(Protocol):
    """A desk that does what another replica has done."""

    def ordered(self, what: str, data: Mapping[str, Any]) -> None:
        """Do it; `what`: one of its orders."""


Standing = Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]
"""Orders that bring a new replica to where the others are."""


class Joined:
    """The other replicas, as those know them who want something done: a `Fellows`."""

    _log = Logger()

    def __init__(self, replicas: Replicas, reactor: Any, first: Sequence[Replica] = (), heartbeat_seconds: float = 2.0) -> None:
        """Nothing is heard yet. `first`: who is there until the first heartbeat tells."""
        self._replicas = replicas
        self._welcome_seconds = 2 * heartbeat_seconds + 1.0
        """By then whoever lives has given a sign of it, and we have seen it."""
        self._first = first
        self._names = {replicas.member.name}
        """Those that this process has had: a new one only when it was taken for lost, and somebody else has its name by now."""
        self._reactor = reactor
        self._asks = 0
        self._asked: dict[int, set[str]] = {}
        """Who has yet to say that it did what all were ordered."""
        self._fresh: list[int] = []
        self._waiting: list[tuple[set[int], Callable[[OwnerSilent | None], None]]] = []
        self._acts: dict[str, Act] = {}
        self.standing: Standing = tuple
        """What somebody must do who has just begun."""
        self.on_left: Callable[[str, bool], object] = lambda name, ours: None
        """Told that a replica is there no more, and whether we go on with what it had."""
        self.on_renamed: Callable[[str], object] = lambda name: None
        """Told our name when the others had taken us for lost."""
        replicas.on_order = self._ordered
        replicas.on_left = lambda replica, ours: self._guarded("on_left", lambda: self.on_left(replica.name, ours))
        replicas.on_trouble = self._troubled
        replicas.on_rejoined = lambda member: self._guarded("on_rejoined", lambda: self._rejoined(member.name))

    @property
    def replicas(self) -> Replicas:
        """The thread behind it."""
        return self._replicas

    @property
    def slot(self) -> int:
        """Unlike that of every other replica."""
        return self._replicas.member.slot

    def on(self, what: str, act: Act) -> None:
        """Have `act` done with the data of an order when another replica gives it."""
        self._acts[what] = act

    def on_each(self, orders: Iterable[str], desk: Ordered) -> None:
        """Have a desk do each of its orders."""
        for what in orders:
            self.on(what, partial(desk.ordered, what))

    def start(self) -> None:
        """Say that we are there, and ask for what others were told before."""
        self._acts.setdefault(NEWCOMER, lambda data: None)
        self._replicas.start()
        self._replicas.order("", NEWCOMER, {})

    def stop(self) -> None:
        """Say that we are gone: after the store was closed, which has written our last entries."""
        self._replicas.stop()

    # --- a Fellows -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of this replica."""
        return self._replicas.member.name

    def listed(self) -> Sequence[Replica]:
        """All that are known, this one too."""
        return self._replicas.listed() or self._first

    def living(self) -> int:
        """How many are there, this one too."""
        return max(1, sum(one.state is ReplicaState.LIVE for one in self.listed()))

    def owner(self, replica: str) -> Replica | None:
        """Give the replica that owns what is marked with this name; None: this process. Raises OwnerGone."""
        if replica in ("", self.name):
            return None
        found = next((one for one in self.listed() if one.name == replica and one.state is ReplicaState.LIVE), None)
        if found is None and replica not in self._names:
            raise OwnerGone(replica)
        return found

    def lives(self, replica: str) -> bool:
        """Tell whether a replica of this name is there."""
        return replica == self.name or any(one.name == replica and one.state is ReplicaState.LIVE for one in self.listed())

    def order(self, target: str, what: str, data: Mapping[str, Any]) -> None:
        """Ask something of a replica by its name, empty: of all others. Raises TooManyOrders."""
        others = {target} if target else {one.name for one in self.listed() if one.state is ReplicaState.LIVE and not one.own}
        if what == HITS:
            others = set()
        self._asks += 1
        ask: dict[str, Any] = {"ask": self._asks} if others else {}
        if target:
            sent = self._replicas.order(target, what, {**data, **ask, "within": OWNER_PATIENCE}, OWNER_PATIENCE)
        else:
            sent = self._replicas.order(target, what, {**data, **ask})
        if not sent:
            raise TooManyOrders
        if others:
            self._asked[self._asks] = others
            self._fresh.append(self._asks)
            self._reactor.callLater(OWNER_PATIENCE if target else PATIENCE, self._done, self._asks, target)

    def when_done(self, then: Callable[[OwnerSilent | None], None]) -> bool:
        """Have `then` called when the others have done what they were ordered since this was asked last; False: nothing was.

        It is told who was asked by name and did not answer.
        """
        asks, self._fresh = [ask for ask in self._fresh if ask in self._asked], []
        if not asks:
            return False
        self._waiting.append((set(asks), then))
        return True

    def _answered(self, order: Order) -> None:
        ask = int(order.data["ask"])
        waited_for = self._asked.get(ask, set())
        waited_for.discard(order.sender)
        if not waited_for:
            self._done(ask)

    def _done(self, ask: int, silent: str = "") -> None:
        """Everybody has done it, or had the time for it; `silent`: who alone was asked, and has not said so."""
        if self._asked.pop(ask, None) is None:
            return
        seen_at = next((one.seen_at for one in self.listed() if one.name == silent), None)
        trouble = OwnerSilent(silent, OWNER_PATIENCE, seen_at) if silent else None
        waiting, self._waiting = self._waiting, []
        for asks, then in waiting:
            mine = ask in asks
            asks.discard(ask)
            if asks and not (mine and trouble):
                self._waiting.append((asks, then))
            else:
                then(trouble if mine else None)

    # --- what others want ----------------------------------------------------------------------------------------------

    def _ordered(self, order: Order) -> None:
        if order.what == NEWCOMER:
            self._guarded(NEWCOMER, lambda: self._welcome(order.sender, order.at))
            return
        if order.what == DONE:
            self._guarded(DONE, lambda: self._answered(order))
            return
        if order.age > float(order.data.get("within", ORDER_SECONDS)):
            self._log.warn("an order of {sender} ({what}) came too late and is not done", sender=order.sender, what=order.what)
            return
        act = self._acts.get(order.what)
        if act is None:
            self._log.warn("the replica {sender} orders {what!r}, which this version does not know", sender=order.sender, what=order.what)
            return
        self._guarded(f"{order.what} of {order.sender}", lambda: act(order.data))
        if "ask" in order.data:
            self._replicas.order(order.sender, DONE, {"ask": order.data["ask"]})

    def _guarded(self, what: str, do: Callable[[], object]) -> None:
        """Do it. Nothing that others want may stop this process."""
        try:
            do()
        except _EXPECTED as error:
            self._log.warn("an order of another replica came to nothing ({what}): {why}", what=what, why=str(error) or repr(error))
        except Exception:
            self._log.failure("an order of another replica met a fault of ours ({what}), please report it", what=what)

    def _welcome(self, newcomer: str, asked_at: float, later: bool = False) -> None:
        """Bring a new replica to where the others are: the oldest does.

        That one may be dead without anybody knowing yet. `later`, it is the oldest of those that gave a sign of life since it was asked
        (unix seconds, by the database's clock).
        """
        living = [one for one in self.listed() if one.state is ReplicaState.LIVE and one.name != newcomer]
        willing = [one for one in living if not later or one.own or one.seen_at > asked_at]
        oldest = min(willing, key=lambda one: (one.started_at, one.id), default=None)
        if not later and oldest is not None and not oldest.own:
            self._reactor.callLater(self._welcome_seconds, self._guarded, NEWCOMER, lambda: self._welcome(newcomer, asked_at, later=True))
        if oldest is not None and oldest.own:
            for what, data in self.standing():
                self._replicas.order(newcomer, what, data)

    def _troubled(self, trouble: str) -> None:
        if trouble:
            self._log.warn("the other replicas cannot be heard, nor can this one: {trouble}", trouble=trouble)
        else:
            self._log.info("the replicas can hear each other again")

    def _rejoined(self, name: str) -> None:
        self._log.warn("the other replicas had taken this one for lost and ended its calls; it is there again, as {name}", name=name)
        self._names.add(name)
        self.on_renamed(name)


def replica_name(settings: Settings) -> str:
    """Give the name that this process wants: as set, or that of the machine or pod, with the process's number where it is not the first."""
    if settings.replicas.name is not None:
        return settings.replicas.name
    host = os.environ.get("HOSTNAME") or socket.gethostname() or "sbc-sim"
    number = "" if os.getpid() == 1 or "KUBERNETES_SERVICE_HOST" in os.environ else f"-{os.getpid()}"
    return host[: MOST_NAME - len(number) - 4] + number


def replica_options(settings: Settings) -> ReplicaOptions:
    """Give what the settings say of heartbeats."""
    return ReplicaOptions(settings.replicas.heartbeat_seconds, settings.replicas.lost_seconds)


def about(settings: Settings, addresses: Addresses, version: str, door: int | None, sip_port: int = 0) -> dict[str, Any]:
    """What others are told of this process, see journal/reaching. `door`: port of a listener of its own on this machine's loopback, for
    HTTP. `sip_port`: what Contact names, 0 while it is not known."""
    address = f"http://127.0.0.1:{door}" if door else None
    own = address if settings.replicas.http is None else None
    return {
        "version": version,
        "sip": str(Endpoint(addresses.sip_host or addresses.local, sip_port)) if sip_port else settings.sip.advertised or None,
        "http": own or http_address(settings, addresses),
        "door": address if settings.workers.count > 1 else own,
        "common": http_address(settings, addresses) if settings.http.listen.port else None,
        "loopback": loopback(),
    }


def http_address(settings: Settings, addresses: Addresses) -> str:
    """Give the address by which other replicas reach our HTTP interface."""
    if settings.replicas.http is not None:
        return settings.replicas.http
    listen = settings.http.listen
    host = (addresses.sip_host or addresses.local) if listen.wildcard else listen.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listen.port}{settings.http.base_path}"


def registered(settings: Settings, database: Database, told: Mapping[str, Any], reactor: Any, limits: StoreLimits) -> Joined:
    """Write down that we are there: `told` as of `about`. The database has its layout. Raises StoreError."""
    try:
        member = register(database.connect, replica_name(settings), told)
        first = _listing(database, member.id)
    except FAILURES as error:
        raise StoreError(database.sentence(error)) from None
    turn: Turn = reactor.callFromThread
    options = replica_options(settings)
    replicas = Replicas(database.connect, member, turn, options, LostCalls(limits), sentence=database.sentence)
    return Joined(replicas, reactor, first, options.heartbeat_seconds)


def _listing(database: Database, own: str) -> list[Replica]:
    """Read who is there; of each name the newest. Raises FAILURES."""
    line = database.connect()
    try:
        newest = {known.replica.name: known.replica for known in ReplicaRows(line).listing(own)}
        return list(newest.values())
    finally:
        line.close()
