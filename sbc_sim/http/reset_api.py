"""Forgetting: between two runs of a test suite, or before a demonstration."""

from __future__ import annotations

from collections.abc import Callable

from sbc_sim.http.events import Events
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.routes import Route


class ResetApi:
    """The route that forgets."""

    def __init__(self, reset: Callable[[], int], events: Events) -> None:
        """`reset` forgets what is over and says how many calls that were."""
        self._reset = reset
        self._events = events

    def routes(self) -> tuple[Route, ...]:
        """The line for the route table."""
        return (Route("POST", "/api/v1/reset", self.reset, "Forget what is over", response="Reset", problems=(503,)),)

    def reset(self, asked: Asked) -> Reply:
        """Forget what is over; live calls go on."""
        forgotten = self._reset()
        self._events.reset()
        return json_reply({"forgotten": forgotten})
