"""What `store.url` names: a store in memory, in a SQLite file, or in PostgreSQL.

    database = database_of(settings)                # None: memory
    database.prepare()                              # its layout; then a replica may register (journal/replicas)
    store = store_of(settings, now, database, share)

Only who wants a database pays for its imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.store import Store, StoreError
from sbc_sim.settings import Settings

if TYPE_CHECKING:
    from sbc_sim.journal.database import Database
    from sbc_sim.journal.kept import FileOptions
    from sbc_sim.journal.share import ShareOptions


def limits_of(settings: Settings) -> StoreLimits:
    """How much is kept of calls."""
    kept = settings.store
    return StoreLimits(
        calls=kept.max_calls,
        octets=kept.max_bytes,
        voice_calls=settings.telephony.max_calls,
        voice_call_octets=max(1, kept.max_file_bytes // 4),
    )


def database_of(settings: Settings, alone: bool = True) -> Database | None:
    """Give the database that store.url names, not opened yet; None: `memory:`. Raises StoreError.

    `alone`: of a SQLite file, keep other processes out; False for a worker, whose parent does so.
    """
    url = settings.store.url
    if url == "memory:":
        return None
    if url.startswith("sqlite:"):
        from sbc_sim.journal.opening import file_of
        from sbc_sim.journal.sqlite_file import SqliteFile

        return SqliteFile(file_of(url), alone)
    from sbc_sim.journal.postgres import PostgresDatabase

    password = settings.store.password
    return PostgresDatabase(url, password.get_secret_value() if password else "")


def store_of(settings: Settings, now: float, database: Database | None, share: ShareOptions | None = None) -> Store:
    """Open a store; `now`: unix seconds, `share`: who this is among several, without which PostgreSQL cannot be had. Raises StoreError."""
    if database is None:
        return MemoryStore(limits_of(settings))
    if share is None and database.kind != "sqlite":
        raise StoreError(f"{database.name} is shared by several replicas, and this process is none of them")
    from sbc_sim.journal.kept import KeptStore

    return KeptStore(database, now, limits_of(settings), options_of(settings), share)


def options_of(settings: Settings) -> FileOptions:
    """How the database is kept."""
    from sbc_sim.journal.kept import FileOptions
    from sbc_sim.journal.retention import FileBounds

    kept = settings.store
    bounds = FileBounds(kept.max_calls, kept.max_file_bytes, kept.max_age_days * 86400)
    return FileOptions(bounds, kept.flush_ms / 1000, kept.queue_bytes)
