"""A store in a SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sbc_sim.journal.kept import FileOptions as FileOptions
from sbc_sim.journal.kept import KeptStore
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.share import ShareOptions
from sbc_sim.journal.sqlite_file import SqliteFile


class SqliteStore(KeptStore):
    """A `Store` that survives, on one machine."""

    def __init__(
        self,
        path: Path,
        now: float,
        limits: StoreLimits | None = None,
        options: FileOptions | None = None,
        share: ShareOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        committed: Callable[[int], None] = lambda ordinal: None,
    ) -> None:
        """Open or make the file, as `KeptStore` says. With `share` somebody else, the parent of the workers, keeps other processes out."""
        database = SqliteFile(path, alone=share is None)
        super().__init__(database, now, limits, options, share, clock=clock, wall=wall, committed=committed)
