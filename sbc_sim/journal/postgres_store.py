"""A store in PostgreSQL: always one that several may share."""

from __future__ import annotations

import time
from collections.abc import Callable

from sbc_sim.journal.kept import FileOptions, KeptStore
from sbc_sim.journal.postgres import PostgresDatabase
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.share import ShareOptions


class PostgresStore(KeptStore):
    """A `Store` that survives, for several machines."""

    def __init__(
        self,
        url: str,
        password: str,
        now: float,
        share: ShareOptions,
        limits: StoreLimits | None = None,
        options: FileOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        committed: Callable[[int], None] = lambda ordinal: None,
    ) -> None:
        """Open the database, or make our tables in it, as `KeptStore` says."""
        database = PostgresDatabase(url, password, f"sbc-sim {share.replica}")
        super().__init__(database, now, limits, options, share, clock=clock, wall=wall, committed=committed)
