"""The shell: owns connections and the one alarm, feeds the core, and carries out what it asks for.

The core is called from here and from nowhere else, one call at a time: what happens while outputs are carried out waits
in a queue. A fault in the core is logged with its traceback and costs the call that met it, never the others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, assert_never

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from sbc_sim.calls.outputs import Close, Connect, Core, Output, Record, Say, Send, StartMedia, StopMedia
from sbc_sim.journal.entries import Entry
from sbc_sim.net.reactor_lag import ReactorLag
from sbc_sim.net.shapes import Alarm, Clock, cancel
from sbc_sim.net.sip_connection import SipConnection
from sbc_sim.net.sip_tls import SipDialler, SipListener
from sbc_sim.rtp.leg import LegDescription, Prompt
from sbc_sim.sip.peer import Peer, TlsFailure, TlsProblem

_log = Logger()
_AFTER_FAULT_SECONDS = 1.0
"""A core whose `advance` fails must not be called again at once, for ever."""
_DRAIN_LOOK_SECONDS = 0.05
_DRAIN_CLOSE_SECONDS = 1.0

T = TypeVar("T")
Ask = Callable[[float], list[Output]]
"""One call through the core's door, with the time."""


class MediaPlane(Protocol):
    """The media plane as the shell sees it."""

    def start(self, leg: LegDescription) -> None:
        """Begin or change a leg."""

    def stop(self, call: str) -> None:
        """End the leg of a call and free its ports."""

    def say(self, call: str, prompt: Prompt | None) -> None:
        """Play a prompt on the leg of a call, or be silent."""


def unix_clock() -> Callable[[], float]:
    """Make a clock of unix seconds that never runs backwards, whatever happens to the wall clock."""
    base = time.time() - time.monotonic()
    return lambda: base + time.monotonic()


class Shell:
    """Joins one core with Twisted. Give it to listeners as the owner of their connections."""

    def __init__(
        self,
        reactor: Clock,
        core: Core,
        media: MediaPlane,
        journal_append: Callable[[Entry], object],
        *,
        dialler: SipDialler | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        """`now` tells unix seconds and never runs backwards."""
        self._reactor = reactor
        self._core = core
        self._media = media
        self._journal_append = journal_append
        self._dialler = dialler
        self._now = now or unix_clock()
        self._connections: dict[int, SipConnection] = {}
        self._listeners: list[SipListener] = []
        self._last_number = 0
        self._questions: deque[tuple[Ask, int | None]] = deque()
        self._busy = False
        self._alarm: Alarm | None = None
        self._alarm_at: float | None = None
        self._not_before = 0.0
        self._closing = False
        self._over = False
        self.door_errors = 0
        """Faults met in the core or in carrying out what it asked for."""
        self.lag = ReactorLag(reactor)

    @property
    def connections(self) -> int:
        """SIP connections that are open now."""
        return sum(1 for connection in self._connections.values() if connection.peer.tls is not None)

    def start(self, *listeners: SipListener) -> None:
        """Begin: `listeners` are stopped by `stop`. The core is asked for its first deadline."""
        self._listeners.extend(listeners)
        self.lag.start()
        self._arm()

    def ask(self, question: Ask, connection: int | None = None) -> None:
        """Call the core and carry out what it returns, now or after the call that is going on.

        `connection` is closed should the core fail. For calls beside `Core`: hang up, escalate.
        """
        self._questions.append((question, connection))
        if self._busy:
            return
        self._busy = True
        try:
            while self._questions:
                self._answer(*self._questions.popleft())
        finally:
            self._busy = False
        self._arm()

    def stop(self, grace: float = 5.0) -> Deferred[None]:
        """Accept no more, let the core end its calls for at most `grace` seconds, then close what is left.

        Fires when all connections are gone; those that do not leave are dropped.
        """
        done: Deferred[None] = Deferred()
        stopped = DeferredList([listener.stop() for listener in self._listeners], consumeErrors=True)
        self.ask(self._core.shutdown)
        until = self._reactor.seconds() + grace
        stopped.addCallback(lambda _: self._drain(done, until))
        return done

    # --- what connections tell ------------------------------------------------------------------------------------------

    def new_number(self) -> int:
        """Give the next connection number, from 1 upward: the core takes negative ones for those it opens."""
        self._last_number += 1
        return self._last_number

    def opened(self, connection: SipConnection) -> None:
        """A handshake is over."""
        number, peer = connection.number, connection.peer
        self._connections[number] = connection
        self.ask(lambda now: self._core.connected(number, peer, now), number)
        if self._closing:
            connection.close("shutting down")

    def refused(self, connection: SipConnection, failure: TlsFailure) -> None:
        """A connection never became a SIP connection."""
        self._connections.pop(connection.number, None)
        number, peer = connection.number, connection.peer
        self.ask(lambda now: self._core.refused(number, peer, failure, now))

    def received(self, connection: SipConnection, data: bytes) -> None:
        """Octets arrived."""
        number = connection.number
        self.ask(lambda now: self._core.receive(number, data, now), number)
        connection.expect_rest(self._told(lambda: self._core.unfinished_since(number), None))

    def closed(self, connection: SipConnection, why: str) -> None:
        """A connection is gone."""
        self._connections.pop(connection.number, None)
        number = connection.number
        self.ask(lambda now: self._core.lost(number, why, now))

    def needs(self, connection: SipConnection) -> bool:
        """Tell whether an idle connection is still of use."""
        return self._told(lambda: self._core.in_use(connection.number), False)

    # --- the door -------------------------------------------------------------------------------------------------------

    def _answer(self, question: Ask, connection: int | None) -> None:
        outputs: list[Output] = []
        try:
            outputs = question(self._now())
        except Exception:
            self.door_errors += 1
            _log.failure("the core failed (connection {connection})", connection=connection)
            with self._guarded("the core could not give up what failed", connection):
                outputs = self._core.abandon(self._now())
        self._perform(outputs)

    def _perform(self, outputs: list[Output]) -> None:
        """Carry out each output; what goes to one connection goes out in one piece, so in one TLS record."""
        unsent: dict[int, list[bytes]] = {}
        for output in outputs:
            connection = output.connection if isinstance(output, Send | Close | Connect) else None
            with self._guarded(f"carrying out {type(output).__name__} failed", connection):
                self._carry_out(output, unsent)
        for number in unsent:
            with self._guarded("sending failed", number):
                self._flush(number, unsent[number])

    def _carry_out(self, output: Output, unsent: dict[int, list[bytes]]) -> None:
        match output:
            case Send(connection, data):
                unsent.setdefault(connection, []).append(data)
            case Close(connection, why, abort):
                self._flush(connection, unsent.pop(connection, []))
                self._close(connection, why, abort=abort)
            case Connect():
                self._connect(output)
            case Record(entry):
                self._journal_append(entry)
            case StartMedia(leg):
                self._media.start(leg)
            case StopMedia(call):
                self._media.stop(call)
            case Say(call, prompt):
                self._media.say(call, prompt)
            case _:
                assert_never(output)

    def _flush(self, number: int, pieces: list[bytes]) -> None:
        connection = self._connections.get(number)
        if connection is not None and pieces:
            connection.send(b"".join(pieces))

    def _close(self, number: int, why: str, *, abort: bool) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.close(why, abort=abort)

    def _connect(self, output: Connect) -> None:
        number, peer = output.connection, Peer(output.host, output.port, "", 0, dialled=True)
        if self._dialler is None:
            failure = TlsFailure(TlsProblem.UNREACHABLE, "connections are not opened here")
            self.ask(lambda now: self._core.refused(number, peer, failure, now))
        elif number in self._connections:
            raise ValueError(f"connection {number} is already there")
        else:
            self._connections[number] = self._dialler.new(self, number, output.host, output.port, output.server_name, output.trust)
            self._connections[number].begin()

    @contextmanager
    def _guarded(self, what: str, connection: int | None) -> Iterator[None]:
        """Log any fault with its traceback, count it, and drop the connection that met it."""
        try:
            yield
        except Exception:
            self._fault(what, connection)

    def _fault(self, what: str, connection: int | None) -> None:
        self.door_errors += 1
        _log.failure("{what} (connection {connection})", what=what, connection=connection)
        self._drop(connection)

    def _told(self, question: Callable[[], T], otherwise: T) -> T:
        """Ask the core for a fact."""
        try:
            return question()
        except Exception:
            self._fault("the core failed when asked for a fact", None)
            return otherwise

    def _drop(self, number: int | None) -> None:
        connection = None if number is None else self._connections.get(number)
        if connection is not None:
            connection.drop("internal error")

    # --- the alarm ------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Set the alarm to the core's deadline, unless it stands there already."""
        deadline = None if self._over else self._told(lambda: self._core.deadline, None)
        if deadline is not None:
            deadline = max(deadline, self._not_before)
        if deadline == self._alarm_at:
            return
        cancel(self._alarm)
        self._alarm_at = deadline
        self._alarm = None if deadline is None else self._reactor.callLater(max(0.0, deadline - self._now()), self._ring)

    def _ring(self) -> None:
        self._alarm = self._alarm_at = None
        self.ask(self._advance)

    def _advance(self, now: float) -> list[Output]:
        try:
            return self._core.advance(now)
        except Exception:
            self._not_before = now + _AFTER_FAULT_SECONDS
            raise

    # --- the end --------------------------------------------------------------------------------------------------------

    def _drain(self, done: Deferred[None], until: float) -> None:
        if self._reactor.seconds() < until and not self._told(lambda: self._core.at_rest, True):
            self._reactor.callLater(_DRAIN_LOOK_SECONDS, self._drain, done, until)
            return
        self._closing = True
        for connection in list(self._connections.values()):
            connection.close("shutting down")
        self._await_none(done, self._reactor.seconds() + _DRAIN_CLOSE_SECONDS)

    def _await_none(self, done: Deferred[None], until: float) -> None:
        if not self._connections:
            self._finish(done)
        elif self._reactor.seconds() < until:
            self._reactor.callLater(_DRAIN_LOOK_SECONDS, self._await_none, done, until)
        else:
            for connection in list(self._connections.values()):
                connection.drop("shutting down")
            self._reactor.callLater(_DRAIN_LOOK_SECONDS, self._finish, done)

    def _finish(self, done: Deferred[None]) -> None:
        self._over = True
        self._arm()
        self.lag.stop()
        done.callback(None)
