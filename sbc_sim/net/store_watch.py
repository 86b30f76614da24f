"""Says in the log when what happens can no longer be written, and when it can again: once each."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sbc_sim.journal.store import Store

LOOK_SECONDS = 1.0


class StoreWatch:
    """Looks at the health of a store."""

    _log = Logger()

    def __init__(self, store: Store, clock: IReactorTime) -> None:
        """Nothing is looked at yet."""
        self._store = store
        self._troubled = False
        self._unreadable = False
        self._lost = 0
        self._loop = LoopingCall(self.look)
        self._loop.clock = clock

    def start(self) -> None:
        """Look now and from time to time."""
        if self._store.health().kind != "memory":
            self._loop.start(LOOK_SECONDS)

    def stop(self) -> None:
        """Look a last time: at what was left when the store was closed."""
        if self._loop.running:
            self._loop.stop()
        lost = self._store.health().lost - self._lost
        if lost > 0:
            self._log.warn("{count} entries of the journal could not be written any more", count=lost)

    def look(self) -> None:
        """Say what has changed."""
        health = self._store.health()
        if health.trouble and not self._troubled:
            self._log.warn("calls go on, but what happens is not on disk: {trouble}", trouble=health.trouble)
        elif self._troubled and not health.trouble:
            lost = health.lost - self._lost
            words = f"{lost} entries that came meanwhile found no room" if lost else "nothing was lost"
            self._log.info("the store writes again: {words}", words=words)
            self._lost = health.lost
        self._troubled = bool(health.trouble)
        if health.unreadable and not self._unreadable:
            self._log.warn("calls go on, but {trouble}", trouble=health.unreadable)
        elif self._unreadable and not health.unreadable:
            self._log.info("older calls can be read again")
        self._unreadable = bool(health.unreadable)
