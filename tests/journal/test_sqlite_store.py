"""What the file adds to the contract: calls are the same hot and cold, and after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.journal import kept
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.sqlite import FileOptions, SqliteStore
from sbc_sim.journal.store import CallQuery, Store, Trace
from tests.support.joined import Joined

NOW = 2_000_000_000.0
PATIENCE = 30.0


@contextmanager
def opened(folder: Path, limits: StoreLimits | None = None, options: FileOptions | None = None, now: float = NOW) -> Iterator[SqliteStore]:
    store = SqliteStore(folder / "calls.db", now, limits, options, wall=lambda: 0.0)
    try:
        yield store
    finally:
        store.close()


def append_all(store: Store, entries: Iterable[Entry]) -> None:
    for entry in entries:
        store.append(entry)


def rows(folder: Path, question: str) -> list[Any]:
    with sqlite3.connect(folder / "calls.db") as connection:
        return connection.execute(question).fetchall()


@pytest.fixture(scope="module")
def real() -> list[Entry]:
    """Two calls of the shipped switchboard, from the connection to the verdict."""
    joined = Joined(calls=2)
    joined.run()
    return joined.sbc.entries


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended calls leave the memory but for the newest."""
    monkeypatch.setattr(kept, "HOT_CALLS", 1)


def like(data: Any) -> Any:
    """As JSON keeps it: no tuples."""
    if isinstance(data, dict):
        return {name: like(value) for name, value in data.items()}
    return [like(value) for value in data] if isinstance(data, list | tuple) else data


def told(trace: Trace | None) -> Any:
    assert trace is not None
    entries = [(e.at, e.kind, e.call, like(dict(e.data)), list(e.data), e.raw) for e in trace.entries]
    return entries, trace.dropped, trace.dropped_after, like(trace.opened and (trace.opened.at, dict(trace.opened.data)))


def whole(view: Any) -> Any:
    return {name: like(getattr(view, name)) for name in type(view).__slots__}


def test_real_calls_are_the_same_in_memory_and_after_a_restart(real: list[Entry], tmp_path: Path) -> None:
    memory = MemoryStore()
    append_all(memory, real)
    with opened(tmp_path) as store:
        append_all(store, real)
    with opened(tmp_path) as store:
        assert store.restarted == []
        calls = memory.calls(CallQuery()).calls
        assert [view.id for view in store.calls(CallQuery()).calls] == [view.id for view in calls]
        for view in calls:
            assert whole(store.call(view.id)) == whole(view)
            trace, kept = memory.trace(view.id), store.trace(view.id)
            assert trace is not None
            assert kept is not None
            assert told(kept) == told(trace)
            assert ladder_text(kept) == ladder_text(trace)
            assert kept.opened is not None
            assert kept.opened.data["tls"]["version"] == "TLSv1.3"


def test_a_listing_after_a_restart_tells_all_but_the_findings(real: list[Entry], tmp_path: Path) -> None:
    memory = MemoryStore()
    append_all(memory, real)
    with opened(tmp_path) as store:
        append_all(store, real)
    with opened(tmp_path) as store:
        listed = [like(view.summary()) for view in store.calls(CallQuery()).calls]
    assert listed == [like(view.summary()) for view in memory.calls(CallQuery()).calls]


def test_the_words_of_the_rules_are_in_the_file_once(real: list[Entry], tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append_all(store, real)
    verdicts = [entry for entry in real if entry.kind is Kind.VERDICT]
    rules = {finding["rule"] for entry in verdicts for finding in entry.data["findings"]}
    assert len(rules) <= rows(tmp_path, "SELECT count(*) FROM words")[0][0] <= len(rules) + 10
    [(kept,)] = rows(tmp_path, "SELECT sum(length(data)) FROM entries WHERE kind = 'verdict'")
    assert kept < 5000 * len(verdicts), "a verdict is some 100 KiB with its words"


def test_what_was_seen_in_a_call_is_not_among_the_words_that_outlive_it(real: list[Entry], tmp_path: Path) -> None:
    secret = "the caller +15550177 with its own advice"
    verdict = next(entry for entry in real if entry.kind is Kind.VERDICT)
    found = {**verdict.data["findings"][0], "status": "fail", "detail": secret, "evidence": [{"text": secret}], "fix": secret}
    with opened(tmp_path) as store:
        start(store, "c1")
        store.append(Entry(2.0, Kind.FINDING, "c1", found))
        store.append(Entry(3.0, Kind.VERDICT, "c1", {"status": "fail", "findings": [found, *verdict.data["findings"][1:]]}))
    with opened(tmp_path) as store:
        view = store.call("c1")
        assert view is not None
        assert view.findings == [found]
        assert view.verdict is not None
        assert view.verdict["findings"][0] == found
    assert not [text for (text,) in rows(tmp_path, "SELECT text FROM words") if secret in text]


def start(store: Store, call: str, at: float = 1.0, **data: object) -> None:
    store.append(Entry(at, Kind.CALL_STARTED, call, {"sipCallId": f"{call}@partner", "direction": "inbound", **data}))


def end(store: Store, call: str, at: float = 5.0) -> None:
    store.append(Entry(at, Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended", "status": None}))


# --- bounds, pages -------------------------------------------------------------------------------------------------------

LIMITS = StoreLimits(first_entries=3, last_entries=4, attempts=5, outside=6, octets=400_000)

steps = st.lists(
    st.tuples(st.sampled_from(["c1", "c2", "c3", None, "attempt"]), st.sampled_from(["note", "message", "end"]), st.integers(0, 30_000)),
    max_size=60,
)


def entry_of(number: int, call: str | None, what: str, size: int) -> Entry:
    if call == "attempt":
        return Entry(float(number), Kind.ATTEMPT, None, {"id": number, "findings": []})
    if what == "end" and call is not None:
        return Entry(float(number), Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended"})
    return Entry(float(number), Kind.MESSAGE, call, {"summary": f"{number}", "peer": "\udcff\x00"}, b"x" * size)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, restarts=st.integers(1, 7))
def test_file_and_memory_keep_by_the_same_bounds(steps: list[Any], restarts: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also when the file is closed in between, and only read at the end."""
    folder = tmp_path_factory.mktemp("bounds")
    memory = MemoryStore(LIMITS)
    entries = [entry_of(number, *step) for number, step in enumerate(steps)]
    store = SqliteStore(folder / "calls.db", NOW, LIMITS, wall=lambda: 0.0)
    for number, entry in enumerate(entries):
        memory.append(entry)
        store.append(entry)
        if number % 10 == restarts and all(view.over for view in memory.calls(CallQuery()).calls):
            store.close()
            store = SqliteStore(folder / "calls.db", NOW, LIMITS, wall=lambda: 0.0)
    assert store.flush(PATIENCE)
    size, expected = store.size(), memory.size()
    assert (size.calls, size.octets) == (expected.calls, expected.octets)
    live = [view.id for view in memory.calls(CallQuery()).calls if not view.over]
    store.close()
    store = SqliteStore(folder / "calls.db", NOW, LIMITS, wall=lambda: 0.0)
    assert sorted(store.restarted) == sorted(live)
    assert store.attempts(100).entries == memory.attempts(100).entries
    assert store.outside(100).entries == memory.outside(100).entries
    for view in memory.calls(CallQuery()).calls:
        if view.over:
            assert told(store.trace(view.id)) == told(memory.trace(view.id))
            assert whole(store.call(view.id)) == whole(view)
    store.close()


def pages(read: Callable[[str | None], Any], members: str) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = read(cursor)
        found += getattr(page, members)
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.usefixtures("no_memory")
def test_pages_over_hot_and_cold_calls_give_every_call_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(20):
            start(store, f"c{number}", region="WEST" if number % 2 else "EAST")
            if number % 3:
                end(store, f"c{number}")
        assert store.flush(PATIENCE)
        found = pages(lambda cursor: store.calls(CallQuery(limit=3, cursor=cursor)), "calls")
        assert [view.id for view in found] == [f"c{number}" for number in reversed(range(20))]
        west = pages(lambda cursor: store.calls(CallQuery(limit=2, cursor=cursor, region="WEST", status="ended")), "calls")
        assert [view.id for view in west] == [f"c{number}" for number in reversed(range(20)) if number % 2 and number % 3]


def test_a_cursor_goes_on_where_it_stood_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(6):
            start(store, f"c{number}")
            store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": number}))
        page, attempts = store.calls(CallQuery(limit=3)), store.attempts(2)
    with opened(tmp_path) as store:
        start(store, "new")
        assert [view.id for view in store.calls(CallQuery(cursor=page.next)).calls] == ["c2", "c1", "c0"]
        assert [view.id for view in store.calls(CallQuery(limit=2)).calls] == ["new", "c5"]
        assert [entry.data["id"] for entry in store.attempts(cursor=attempts.next).entries] == [3, 2, 1, 0]


def test_attempts_and_messages_outside_of_calls_are_paged_through_memory_and_file(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(5):
            store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": number}))
            store.append(Entry(1.0, Kind.MESSAGE, None, {"id": number}, b"OPTIONS"))
    with opened(tmp_path) as store:
        for number in range(5, 9):
            store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": number}))
            store.append(Entry(1.0, Kind.MESSAGE, None, {"id": number}, b"OPTIONS"))
        for read in (store.attempts, store.outside):
            found = pages(lambda cursor, read=read: read(2, cursor), "entries")  # type: ignore[misc]
            assert [entry.data["id"] for entry in found] == list(reversed(range(9)))


@pytest.mark.usefixtures("no_memory")
def test_the_last_entry_of_a_call_that_left_the_memory_reaches_the_file(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for call in ("early", "late"):
            start(store, call)
            end(store, call)
        assert store.flush(PATIENCE)
        store.append(Entry(6.0, Kind.NOTE, "early", {"text": "afterthought"}))
        assert store.flush(PATIENCE)
        trace = store.trace("early")
        assert trace is not None
        assert [entry.kind for entry in trace.entries] == [Kind.CALL_STARTED, Kind.CALL_ENDED, Kind.NOTE]


def test_live_calls_stay_in_memory_whatever_their_number(tmp_path: Path, no_memory: None) -> None:
    with opened(tmp_path) as store:
        for number in range(5):
            start(store, f"c{number}")
        for number in range(5):
            store.append(Entry(2.0, Kind.CALL_STATE, f"c{number}", {"state": "answered"}))
        assert [view.state for view in store.calls(CallQuery()).calls] == ["answered"] * 5


# --- restart -------------------------------------------------------------------------------------------------------------


def test_a_call_that_was_up_has_ended_by_restart_at_the_time_of_its_last_entry(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(Entry(0.5, Kind.CONNECTION_OPENED, None, {"connection": 3, "peer": {}, "tls": {"version": "TLSv1.2"}}))
        start(store, "up", at=1000.0, connection=3)
        store.append(Entry(1001.0, Kind.CALL_STATE, "up", {"state": "answered"}))
        store.append(Entry(1002.5, Kind.MESSAGE, "up", {"summary": "ACK", "direction": "in"}, b"ACK"))
        start(store, "over")
        end(store, "over")
        before = store.trace("up")
    with opened(tmp_path) as store:
        assert store.restarted == ["up"]
        view, trace = store.call("up"), store.trace("up")
        assert view is not None
        assert trace is not None
        assert before is not None
        assert (view.state, view.ended_by, view.end_reason, view.end_status, view.ended_at) == ("ended", "sbc", "restart", None, 1002.5)
        assert trace.entries[: len(before.entries)] == before.entries
        assert [entry.kind for entry in trace.entries[-2:]] == [Kind.NOTE, Kind.CALL_ENDED]
        text = trace.entries[-2].data["text"]
        assert "last heard of the call at 1970-01-01T00:16:42.500Z, started again at 2033-05-18T03:33:20.000Z" in text
        assert trace.opened is not None
        assert trace.opened.data["tls"] == {"version": "TLSv1.2"}
        assert "ended by sbc: restart after 1.5 s" in ladder_text(trace)
        over = store.call("over")
        assert over is not None
        assert over.end_reason == "normal"
    with opened(tmp_path) as store:
        assert store.restarted == []


def test_a_connection_of_the_time_before_is_not_taken_for_one_of_the_same_number(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(Entry(0.5, Kind.CONNECTION_OPENED, None, {"connection": 1, "peer": {}, "tls": {"version": "TLSv1.2"}}))
        start(store, "before", connection=1)
    with opened(tmp_path) as store:
        store.append(Entry(0.5, Kind.CONNECTION_OPENED, None, {"connection": 1, "peer": {}, "tls": {"version": "TLSv1.3"}}))
        start(store, "after", connection=1)
        versions = [trace.opened.data["tls"]["version"] for call in ("before", "after") if (trace := store.trace(call)) and trace.opened]
    assert versions == ["TLSv1.2", "TLSv1.3"]


# --- forgetting ----------------------------------------------------------------------------------------------------------


def test_what_was_cleared_does_not_come_back_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for call in ("over", "live"):
            start(store, call)
        end(store, "over")
        store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": 1}))
        assert store.clear() == 1
        store.append(Entry(6.0, Kind.NOTE, "over", {"text": "late"}))
        end(store, "live", at=7.0)
        assert [view.id for view in store.calls(CallQuery()).calls] == ["live"]
        assert store.attempts().entries == ()
    with opened(tmp_path) as store:
        assert [view.id for view in store.calls(CallQuery()).calls] == ["live"]
        assert store.attempts().entries == ()
        assert store.call("over") is None


def test_what_was_cleared_is_not_seen_although_it_is_still_in_the_file(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        start(store, "cold")
        end(store, "cold")
        store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": 1}))
    with opened(tmp_path, options=FileOptions(flush_seconds=3600.0)) as store:
        other = sqlite3.connect(tmp_path / "calls.db")
        other.execute("BEGIN IMMEDIATE")  # now the writer cannot
        assert store.clear() == 1
        start(store, "new")
        assert [view.id for view in store.calls(CallQuery()).calls] == ["new"]
        assert store.call("cold") is None
        assert store.trace("cold") is None
        assert store.attempts().entries == ()
        assert store.size().calls == 1
        assert other.execute("SELECT count(*) FROM calls").fetchone() == (1,)
        other.rollback()
        other.close()
        assert store.flush(PATIENCE)
        assert store.size().calls == 1
    assert rows(tmp_path, "SELECT id FROM calls") == [("new",)]


def test_octets_and_odd_text_come_back_as_they_were(tmp_path: Path) -> None:
    odd = {"text": "\x00\udcff\U0001f4de\u2028", "number": 2**70, "none": None, "float": 1e-9, "nested": [{"a": [1, "\\u0000findings"]}]}
    given_entries = [
        Entry(1.5, Kind.CALL_STARTED, "c", {"sipCallId": "\udc80@x", "region": "\udcff", "numbers": {}}),
        Entry(2.5, Kind.MESSAGE, "c", odd, bytes(range(256)) * 20),
        Entry(3.5, Kind.VERDICT, "c", {"status": "\x00findings", "findings": [{"rule": "odd", "of another": "shape"}], "last": [1]}),
        Entry(4.5, Kind.FINDING, "c", {"rule": "R", "detail": "d" * 5000}),
    ]
    with opened(tmp_path) as store:
        append_all(store, given_entries)
    with opened(tmp_path) as store:
        trace = store.trace("c")
        assert trace is not None
        assert trace.entries[:4] == tuple(given_entries)
        assert [view.id for view in store.calls(CallQuery(region="\udcff")).calls] == ["c"]


def test_an_entry_that_is_no_json_costs_only_itself(tmp_path: Path) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with opened(tmp_path) as store:
        start(store, "c")
        store.append(replace(Entry(2.0, Kind.NOTE, "c"), data={"when": object}))
        end(store, "c")
    with opened(tmp_path) as store:
        trace = store.trace("c")
        assert trace is not None
        assert [entry.kind for entry in trace.entries] == [Kind.CALL_STARTED, Kind.NOTE, Kind.CALL_ENDED]
