"""The stores: what an entry costs, a page of ten thousand calls, a ladder. CPU of this process, on a call of the shipped switchboard."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.http.calls_api import call_json
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.journal.store import CallQuery, Store
from tests.support.joined import Joined

CALLS = 10_000
PAGE = 50
OWN_DETAILS = 15
"""So many findings of a verdict tell something that only this call has, as is seen between real calls."""


def measure() -> str:
    """Both stores."""
    with tempfile.TemporaryDirectory() as name:
        limits = StoreLimits(calls=CALLS, octets=2**31)
        memory = MemoryStore(limits)
        lines = [_line("in memory", memory, 0.0)]
        del memory
        store = SqliteStore(Path(name) / "calls.db", time.time())
        writing = _line("SQLite", store, 120.0)
        file = f", file {store.health().file_octets / CALLS / 1024:.1f} KiB a call"
        store.close()
        store = SqliteStore(Path(name) / "calls.db", time.time())  # nothing in memory: all is read from the file
        cold = f"; all cold: {_reading(store)}"
        store.close()
    return "\n".join([*lines, writing + file + cold])


def _line(name: str, store: Store, patience: float) -> str:
    entries = _entries()
    store.append(entries[0])
    own = total = number = 0
    for call in range(CALLS):
        prepared = _of_call(entries[1:], call)
        own_before, before = time.thread_time_ns(), time.process_time_ns()
        for entry in prepared:
            store.append(entry)
        own += time.thread_time_ns() - own_before
        if call % 100 == 99 and isinstance(store, SqliteStore):
            store.flush(patience)
        total += time.process_time_ns() - before
        number += len(prepared)
    costs = f"append {own / number / 1000:.1f} us/entry"
    if isinstance(store, SqliteStore):
        costs += f", {total / number / 1000:.0f} us/entry with the writing thread"
    return f"store, {name}: {costs}; {_reading(store)}"


def _reading(store: Store) -> str:
    call = store.calls(CallQuery(limit=1, cursor=str(store.calls(CallQuery()).calls[0].ordinal // 2))).calls[0].id
    listing = _milliseconds(lambda: [call_json(view) for view in store.calls(CallQuery(limit=PAGE)).calls])
    failed = _milliseconds(lambda: store.calls(CallQuery(limit=PAGE, status="fail")))
    ladder = _milliseconds(lambda: ladder_text(store.trace(call)))  # type: ignore[arg-type]
    return f"list page of {CALLS} calls {listing:.1f} ms CPU, a filter that finds none {failed:.1f} ms, ladder {ladder:.1f} ms"


def _milliseconds(work: Callable[[], object], times: int = 5) -> float:
    """CPU of the best of some runs."""
    best = float("inf")
    for _ in range(times):
        before = time.thread_time()
        work()
        best = min(best, time.thread_time() - before)
    return best * 1000


def _entries() -> list[Entry]:
    """One call and the connection that it came on, with times of today."""
    joined = Joined(calls=1, now=time.time())
    joined.run()
    return joined.sbc.entries


def _of_call(entries: Iterable[Entry], number: int) -> list[Entry]:
    return [replace(entry, call=f"{number:020d}", data=_data(entry, number)) for entry in entries]


def _data(entry: Entry, number: int) -> dict[str, object]:
    if entry.kind is not Kind.VERDICT:
        return dict(entry.data)
    findings = [dict(finding) for finding in entry.data["findings"]]
    for finding in findings[:OWN_DETAILS]:
        finding["detail"] = f"{finding['detail']} {number}"
    return {**entry.data, "findings": findings}
