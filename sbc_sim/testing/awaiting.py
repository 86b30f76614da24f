"""Waiting that may stand in the way of nobody: in slices, so that it can be called off, and in a thread for asynchronous tests."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

__tracebackhide__ = True  # a failure is shown at the line of the test, not here
SLICE = 1.0
"""Seconds that one request waits. The answer comes at once all the same; this is how soon waiting that was called off ends."""

T = TypeVar("T")


class CalledOff(Exception):
    """Nobody waits any more."""


class Patience:
    """How long is waited, and whether still."""

    def __init__(self, seconds: float) -> None:
        """`seconds` from now on."""
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._called_off = threading.Event()

    @property
    def left(self) -> float:
        """Seconds, none below 0. Raises CalledOff."""
        if self._called_off.is_set():
            raise CalledOff
        return max(0.0, self._until - time.monotonic())

    @property
    def slice(self) -> float:
        """Seconds that may be waited in one go. Raises CalledOff."""
        return min(SLICE, self.left)

    def pause(self, seconds: float) -> None:
        """Let some time go by."""
        self._called_off.wait(min(seconds, self.left))

    def call_off(self) -> None:
        """End the waiting of another thread within a second."""
        self._called_off.set()


async def in_thread(wait: Callable[[Patience], T], seconds: float) -> T:
    """Wait without holding up the event loop, asyncio's or trio's; whoever is cancelled calls the waiting off."""
    patience = Patience(seconds)
    try:
        if _under_trio():
            found: T = await sys.modules["trio"].to_thread.run_sync(wait, patience, abandon_on_cancel=True)
            return found
        import asyncio

        return await asyncio.to_thread(wait, patience)
    finally:
        patience.call_off()


def _under_trio() -> bool:
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    return True
