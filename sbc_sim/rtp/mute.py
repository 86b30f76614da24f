"""A leg that listens and says nothing: a partner sees one-way audio."""

from __future__ import annotations

from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.reception import Heard


class MuteLeg(Endpoint):
    """A leg that counts what it hears and sends RTCP only."""

    __slots__ = ()

    def _hear(self, heard: Heard, now: float) -> None:
        return
