"""A rehearsal that nobody attends: the built-in partner against an instance, its own in this process or one that runs elsewhere.

rehearsal = Unattended(aim, wanted, reactor)       # raises ServiceError, AnsweringError
rehearsal.run()                                    # Deferred: the rehearsal as it ended; raises ApiError
rehearsal.troubles
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread

from sbc_sim.answering import Answering, AnswerOrder
from sbc_sim.client import Client
from sbc_sim.rehearsing import PATIENCE, BuiltInPartner, PartnerOrder

if TYPE_CHECKING:
    from sbc_sim.partner.answered_call import AnswerResult
    from sbc_sim.service import Service
    from sbc_sim.settings import Settings

RETURN_SECONDS = 3.0
"""How long the partner keeps a call that was given back to it."""
STEP_SECONDS = 40.0
"""Longest wait of a step, when nothing else is wanted: a partner that plays by itself needs seconds."""

Change = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Aim:
    """Against whom. Without `settings` the instance runs elsewhere, at `partner.api`, and takes calls at `partner.host`."""

    partner: PartnerOrder
    answer: AnswerOrder = field(default_factory=AnswerOrder)
    settings: Settings | None = None
    """Of an instance in this process: its `tls.dir` holds the CA of both sides."""
    version: str = ""


class Unattended:
    """One run."""

    def __init__(self, aim: Aim, wanted: Mapping[str, Any], reactor: Any) -> None:
        """Listen for what is given back, and start the instance when it is ours. `wanted`: body of POST /api/v1/rehearsals.

        Raises AnsweringError and ServiceError.
        """
        self.on_change: Change = lambda rehearsal: None
        self.finish: Callable[[Client, Mapping[str, Any]], object] = lambda client, rehearsal: None
        """Called in a thread when the rehearsal has ended and the instance still runs: to fetch its reports."""
        self.troubles: list[str] = []
        self._wanted = {"stepSeconds": STEP_SECONDS, "tries": 1, **wanted}
        self._reactor = reactor
        self._partner: BuiltInPartner | None = None
        self.service: Service | None = None
        """The instance, when it is ours."""
        plan = replace(aim.answer.plan, seconds=min(aim.answer.plan.seconds, RETURN_SECONDS))
        self._answering = Answering(replace(aim.answer, plan=plan), reactor)
        self._answering.listen()
        self._order = aim.partner if aim.settings is None else self._serve(aim, aim.settings)
        self._client = Client(self._order.api, self._order.token, PATIENCE)

    def _serve(self, aim: Aim, settings: Settings) -> PartnerOrder:
        from sbc_sim.service import Service

        service = Service(settings, self._reactor, aim.version)
        service.listen()
        self.service = service
        host, http_host = settings.sip.listen.host, settings.http.listen.host
        api = f"http://{http_host}:{service.ports.http}"
        return replace(
            aim.partner,
            host=host,
            port=service.ports.sip,
            api=api,
            token=service.token,
            ca_file=service.ca_file,
            verify=service.ca_file is not None,
        )

    @property
    def taken(self) -> list[AnswerResult]:
        """What came of each call that was given back."""
        return self._answering.results

    @inlineCallbacks
    def run(self) -> Generator[Deferred[Any], Any, Mapping[str, Any]]:
        """Begin the rehearsal, play it, fetch what is wanted of it, and close everything. Raises ApiError."""
        try:
            begun = yield deferToThread(self._client.post, "/api/v1/rehearsals", self._wanted)
            self._partner = BuiltInPartner(replace(self._order, partner=str(begun["partner"])), begun["id"], self._reactor, self._answering)
            self._partner.on_change = self.on_change
            ended: Mapping[str, Any] = yield self._partner.run()
            self.troubles = [*self._partner.troubles, *(p for result in self._answering.results for p in result.problems)]
            yield deferToThread(self.finish, self._client, ended)
        finally:
            yield self._answering.stop()
            if self.service is not None:
                yield self.service.stop()
        return ended

    def stop(self) -> None:
        """Play no further; the rehearsal itself stays as it is."""
        if self._partner is not None:
            self._partner.stop()


def free_settings(folder: Path) -> dict[str, str]:
    """Give settings for an instance beside whatever else runs here: loopback, free ports, its own CA, nothing kept."""
    return {
        "sip.listen": "127.0.0.1:0",
        "media.listen": "127.0.0.1",
        "media.ports": "0",
        "http.listen": "127.0.0.1:0",
        "store.url": "memory:",
        "tls.dir": str(folder),
    }
