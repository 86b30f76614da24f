"""The HTTP client of a test: it knows when the simulator has died, and how long a test waits that does not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, TypeVar

from sbc_sim.client import ApiError, Client, Json, Progress, Unreachable
from sbc_sim.testing.instance import Died, Home

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
PATIENCE = 15.0
"""Seconds that a test waits unless it says another time."""
ANSWER = 30.0
"""Longest time until an answer that is not waited for, seconds."""

T = TypeVar("T")


class WatchedClient(Client):
    """Asks a simulator of our own, and knows when it has died."""

    def __init__(self, instance: Home, patience: float = PATIENCE) -> None:
        """`instance` runs; `patience`: how long tests wait that do not say how long, seconds."""
        super().__init__(instance.api, instance.token, ANSWER, environment={})
        self._instance = instance
        self.patience = patience

    def seconds(self, timeout: float | None) -> float:
        """Give how long is waited: as said, else as usual."""
        return self.patience if timeout is None else timeout

    def ladder(self, call: str, width: int = 100) -> str:
        """See Client."""
        return self._plainly(lambda: super(WatchedClient, self).ladder(call, width))

    def download(self, path: str, target: BinaryIO, progress: Progress | None = None) -> int:
        """See Client."""
        return self._plainly(lambda: super(WatchedClient, self).download(path, target, progress))

    def _json(self, method: str, path: str, body: bytes | None, patience: float | None) -> Json:
        return self._plainly(lambda: super(WatchedClient, self)._json(method, path, body, patience))

    def _plainly(self, ask: Callable[[], T]) -> T:
        """Ask. What goes wrong is told without the way through the client, which says nothing to the reader of a test report."""
        failure: ApiError | Died
        try:
            return ask()
        except Unreachable as error:
            failure = self._instance.obituary() or error
        except ApiError as error:
            failure = error
        raise failure.with_traceback(None) from None
