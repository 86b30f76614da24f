"""What only another replica has: the octets and packets of its calls are in its memory. They are fetched from it, by HTTP, on request.

Who cannot be reached, or is gone, is named with its address; what the journal has of the call is served all the same.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sbc_sim.exports.capture import Capture
from sbc_sim.http.exchange import Asked, Reply
from sbc_sim.http.problem import Problem
from sbc_sim.http.work import Work
from sbc_sim.journal.owners import Fellows, OwnerGone
from sbc_sim.journal.reaching import address_of
from sbc_sim.journal.replica import Replica
from sbc_sim.journal.store import Trace

PATIENCE = 5.0
"""Seconds without an octet after which another replica is given up."""
MOST_OCTETS = 256 * 1024 * 1024
"""Of what is fetched."""
MARK = "X-Sbc-Sim-Replica"
"""Says that a replica asks, and which. Such a request is passed on once more at most, by a worker to its neighbour on this machine, for
their common address leads to any of them."""
SECOND = " by "
PASSED = ("Content-Disposition", "Content-Range", "Accept-Ranges", "Content-Security-Policy")
"""Headers of the answer that are kept."""
ANSWERS = (200, 206, 400, 404, 416, 503)
"""What another replica may say of the file; anything else says something of the way there."""
AT_OWNER = "the TLS octets and the packets of this call are in the memory of the replica {name} ({address}), which could not be asked"
OWNER_GONE = "the TLS octets and the packets of this call were in the memory of the replica {name}, which is there no more"

NO_WAY = "no address that leads there from here: set replicas.http"

Here = Callable[[Asked], Deferred[Reply]]


class Elsewhere:
    """Passes requests for files on to the replica that can make them."""

    def __init__(self, fellows: Fellows, token: str | None, work: Work) -> None:
        """`token`: what the HTTP interface asks for, the same at all replicas. `work`: the lane for waiting."""
        self._fellows = fellows
        self._token = token
        self._work = work

    def answer(self, asked: Asked, read: Callable[[Asked], Trace], here: Here) -> Deferred[Reply]:
        """Answer by the replica that owns the call, which `read` gives; by `here` when that is this one, or cannot be asked."""
        owner = self._owner(read(asked)) if self._fellows.name else None
        address = "" if owner is None else address_of(owner)
        asks = asked.first(MARK)
        if owner is None or not address or (asks and (SECOND in asks or address != owner.about.get("door"))):
            return here(asked)
        asker = f"{asks}{SECOND}{self._fellows.name}" if asks else self._fellows.name
        fetched = self._work.do(lambda: fetch(address, asked, self._token, asker))

        def instead(failure: Failure) -> Any:
            reachable = not isinstance(failure.value, OSError | http.client.HTTPException | Unusable)
            return failure if reachable else here(asked)

        return fetched.addErrback(instead)

    def _owner(self, trace: Trace) -> Replica | None:
        try:
            return self._fellows.owner(trace.call.replica)
        except OwnerGone:
            return None

    def no_audio(self, trace: Trace) -> None:
        """Raise Problem 404 naming the replica when the audio of a call is, or was, in the memory of another one."""
        try:
            owner = self._fellows.owner(trace.call.replica)
        except OwnerGone as gone:
            detail = f"The audio of this call was in the memory of the replica {gone.replica}, which is there no more."
            raise Problem(404, "audio-gone", detail, "Fetch audio before its replica ends.", replica=gone.replica) from None
        if owner is not None:
            address = address_of(owner) or None
            detail = f"The audio of this call is in the memory of the replica {owner.name}, which could not be asked."
            fix = f"Ask it: {address}{_path_of(trace)}" if address else "Ask that replica."
            raise Problem(404, "audio-elsewhere", detail, fix, replica=owner.name, address=address)


class Unusable(Exception):
    """An answer that says nothing of the file."""


def _path_of(trace: Trace) -> str:
    return f"/api/v1/calls/{trace.call.id}/audio.wav"


def by_owner(fellows: Fellows, capture: Callable[[Trace], Capture]) -> Callable[[Trace], Capture]:
    """Give what `capture` has of our own calls; of others a sentence about where it is: connections have the same numbers everywhere."""

    def captured(trace: Trace) -> Capture:
        try:
            owner = fellows.owner(trace.call.replica)
        except OwnerGone as gone:
            return Capture(notes=(OWNER_GONE.format(name=gone.replica),))
        if owner is None:
            return capture(trace)
        return Capture(notes=(AT_OWNER.format(name=owner.name, address=address_of(owner) or NO_WAY),))

    return captured


def fetch(address: str, asked: Asked, token: str | None, name: str) -> Reply:
    """Ask another replica what we were asked: blocks. Raises OSError, HTTPException, Unusable."""
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    line = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(parts.netloc, timeout=PATIENCE)
    try:
        query = f"?{urlencode(asked.query)}" if asked.query else ""
        line.request("GET", f"{parts.path}{asked.path}{query}", headers=_headers(asked, token, name))
        answer = line.getresponse()
        body = answer.read(MOST_OCTETS + 1)
        if answer.status not in ANSWERS or len(body) > MOST_OCTETS:
            raise Unusable(f"{address} answered {answer.status}")
        kept = tuple((name, value) for name in PASSED if (value := answer.getheader(name)) is not None)
        return Reply(answer.status, body, answer.getheader("Content-Type") or "application/octet-stream", kept)
    finally:
        line.close()


def _headers(asked: Asked, token: str | None, name: str) -> dict[str, str]:
    wanted = {MARK: name, "Accept": asked.accept, "Range": asked.first("Range"), "Authorization": f"Bearer {token}" if token else ""}
    return {header: value for header, value in wanted.items() if value}
