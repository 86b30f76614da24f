"""Regions and partners as they are set, and the certificates that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sbc_sim.http.bodies import read_body
from sbc_sim.http.exchange import Asked, Reply, json_reply
from sbc_sim.http.problem import Problem, bad_request
from sbc_sim.http.routes import Route


class RegionDesk(Protocol):
    """The regions and partners of the running simulator, as JSON."""

    def regions(self) -> Sequence[Mapping[str, Any]]:
        """Tell of the regions that are enabled."""

    def partners(self) -> Sequence[Mapping[str, Any]]:
        """Tell of the partners."""

    def certificates(self) -> Sequence[Mapping[str, Any]]:
        """Tell what is shown to whom: first to clients that name no region, then in each region whose certificate is in use."""

    def rotate(self, how: str, region: str) -> Deferred[dict[str, Any]]:
        """Show another certificate in a region, or everywhere (empty). Raises ValueError for words that mean nothing."""


class NoRegions:
    """The desk of a simulator without regions."""

    def regions(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()

    def partners(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()

    def certificates(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()

    def rotate(self, how: str, region: str) -> Deferred[dict[str, Any]]:
        """Refuse."""
        raise Problem(404, "not-here", "Certificates cannot be rotated here.", "Ask a running simulator.")


class RegionsApi:
    """Routes about regions, partners and certificates."""

    def __init__(self, desk: RegionDesk) -> None:
        """`desk` knows them."""
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table."""
        return (
            Route("GET", "/api/v1/regions", self.regions, "Regions, and by what calls find them", response="Regions"),
            Route("GET", "/api/v1/partners", self.partners, "Partners, and from where they call", response="Partners"),
            Route("GET", "/api/v1/tls", self.certificates, "Certificates that are shown now", response="ShownCertificates"),
            Route("POST", "/api/v1/tls/rotate", self.rotate, "Rehearse a rotation: show another certificate from the next connection on",
                  request="RotationBody", response="Rotated", problems=(404, 409, 503)),
        )  # fmt: skip

    def regions(self, asked: Asked) -> Reply:
        """List the regions."""
        return json_reply({"regions": list(self._desk.regions())})

    def partners(self, asked: Asked) -> Reply:
        """List the partners."""
        return json_reply({"partners": list(self._desk.partners())})

    def certificates(self, asked: Asked) -> Reply:
        """List what is shown to whom."""
        return json_reply({"certificates": list(self._desk.certificates())})

    def rotate(self, asked: Asked) -> Deferred[Reply]:
        """Show another certificate; answers once new connections see it. Raises Problem 400 naming the words and regions there are."""
        wanted = read_body(asked.body, "RotationBody")
        try:
            rotated = self._desk.rotate(wanted.how, wanted.region or "")
        except ValueError as error:
            raise bad_request(
                "bad-rotation", f"{error}.", 'Send {"how": "new-leaf"} or {"how": "original", "region": "frankfurt"}.'
            ) from None
        return rotated.addErrback(_refused).addCallback(json_reply)


def _refused(failure: Failure) -> dict[str, Any]:
    raise Problem(409, "not-rotated", f"Nothing has changed: {failure.getErrorMessage()}.", "See to the folder of tls.dir.") from None
