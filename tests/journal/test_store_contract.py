"""What every store must do. A new store joins by one line in STORES."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.kept import KeptStore
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.postgres_store import PostgresStore
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.share import ShareOptions
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.journal.store import MOST_PER_PAGE, BadCursor, CallQuery, Store
from tests.support.postgres import Cluster

SHARE = ShareOptions("one", 7, lambda task: task())


def in_postgres(request: pytest.FixtureRequest, path: Path, limits: StoreLimits) -> Store:
    cluster: Cluster = request.getfixturevalue("postgres")
    return PostgresStore(cluster.database(), cluster.password, 900.0, SHARE, limits, wall=lambda: 900.0)


STORES: dict[str, Callable[[pytest.FixtureRequest, Path, StoreLimits], Store]] = {
    "memory": lambda request, path, limits: MemoryStore(limits),
    "sqlite": lambda request, path, limits: SqliteStore(path / "calls.db", 900.0, limits, wall=lambda: 900.0),
    "sqlite shared": lambda request, path, limits: SqliteStore(path / "calls.db", 900.0, limits, None, SHARE, wall=lambda: 900.0),
    "postgresql": in_postgres,
}
PARAMS = [pytest.param(name, marks=pytest.mark.partners if name == "postgresql" else ()) for name in STORES]


@pytest.fixture(params=PARAMS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = STORES[request.param](request, tmp_path, StoreLimits())
    yield store
    store.close()


@pytest.fixture(params=PARAMS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = STORES[request.param](request, tmp_path, StoreLimits(voice_calls=3))
    yield store
    store.close()


def start(store: Store, call: str, at: float = 1000.0, **data: object) -> None:
    store.append(Entry(at, Kind.CALL_STARTED, call, {"sipCallId": f"{call}@partner", "direction": "inbound", **data}))


def end(store: Store, call: str, at: float = 1010.0, verdict: str = "pass", state: str = "ended") -> None:
    store.append(Entry(at, Kind.VERDICT, call, {"status": verdict, "counts": {verdict: 1}, "findings": []}))
    store.append(Entry(at, Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": state, "status": None}))


def ids(store: Store, **query: object) -> list[str]:
    return [view.id for view in store.calls(CallQuery(**query)).calls]  # type: ignore[arg-type]


def test_an_empty_store_answers_everything_with_nothing(store: Store) -> None:
    assert store.calls(CallQuery()).calls == ()
    assert store.calls(CallQuery()).next is None
    assert store.call("nobody") is None
    assert store.trace("nobody") is None
    assert store.attempts().entries == ()
    assert store.outside().entries == ()
    assert store.size().calls == 0


def test_a_call_is_folded_from_its_entries(store: Store) -> None:
    start(store, "c1", at=5.0, to="sip:echo@sbc")
    store.append(Entry(6.0, Kind.CALL_STATE, "c1", {"state": "answered"}))
    view = store.call("c1")
    assert view is not None
    assert (view.state, view.called, view.started_at, view.answered_at) == ("answered", "sip:echo@sbc", 5.0, 6.0)


def test_entries_come_back_as_they_were_and_in_order(store: Store) -> None:
    given = [
        Entry(1.0, Kind.CALL_STARTED, "c1", {"sipCallId": "x", "numbers": {"from": "+15550100"}}),
        Entry(1.5, Kind.MESSAGE, "c1", {"summary": "INVITE", "cseq": 1, "status": None, "repeated": False}, b"INVITE \xff\x00\r\n"),
        Entry(2.0, Kind.NOTE, "c1", {"text": "na\u00efve"}),
    ]
    for entry in given:
        store.append(entry)
    trace = store.trace("c1")
    assert trace is not None
    assert list(trace.entries) == given
    assert [entry.raw for entry in trace.entries] == [b"", b"INVITE \xff\x00\r\n", b""]
    assert trace.dropped == 0


def test_calls_are_listed_newest_first(store: Store) -> None:
    for call in ("c1", "c2", "c3"):
        start(store, call)
    assert ids(store) == ["c3", "c2", "c1"]


def test_pages_joined_give_every_call_once_even_when_calls_arrive_meanwhile(store: Store) -> None:
    for number in range(10):
        start(store, f"c{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = store.calls(CallQuery(limit=3, cursor=cursor))
        seen += [view.id for view in page.calls]
        start(store, f"late{len(seen)}")
        cursor = page.next
        if cursor is None:
            break
    assert seen == [f"c{number}" for number in reversed(range(10))]


def test_a_page_that_ends_exactly_with_the_calls_names_no_next_page(store: Store) -> None:
    for number in range(4):
        start(store, f"c{number}")
    assert store.calls(CallQuery(limit=4)).next is None
    assert store.calls(CallQuery(limit=3)).next is not None


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_a_limit_out_of_range_is_brought_inside(store: Store, limit: int) -> None:
    for number in range(MOST_PER_PAGE + 1):
        start(store, f"c{number}")
    assert len(ids(store, limit=limit)) in (1, MOST_PER_PAGE)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "1e3", "9" * 30, "\u0661"])
def test_a_cursor_nobody_gave_out_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        store.calls(CallQuery(cursor=cursor))
    with pytest.raises(BadCursor):
        store.attempts(cursor=cursor)
    with pytest.raises(BadCursor):
        store.outside(cursor=cursor)


def test_calls_are_filtered_by_region_partner_state_verdict_and_start(store: Store) -> None:
    start(store, "west", at=100.0, region="US-WEST", partner="acme")
    start(store, "tokyo", at=200.0, region="TOKYO", partner="acme")
    start(store, "ringing", at=300.0, region="TOKYO", partner="other")
    end(store, "west", verdict="fail")
    end(store, "tokyo", verdict="pass", state="rejected")
    assert ids(store, region="TOKYO") == ["ringing", "tokyo"]
    assert ids(store, partner="acme") == ["tokyo", "west"]
    assert ids(store, status="fail") == ["west"]
    assert ids(store, status="pass") == ["tokyo"]
    assert ids(store, status="ringing") == ["ringing"]
    assert ids(store, status="ended") == ["west"]
    assert ids(store, status="rejected") == ["tokyo"]
    assert ids(store, since=200.0) == ["ringing", "tokyo"]
    assert ids(store, region="TOKYO", partner="acme", status="rejected", since=150.0) == ["tokyo"]
    assert ids(store, region="LONDON") == []


def test_attempts_and_entries_outside_of_calls_stand_apart(store: Store) -> None:
    attempt = Entry(1.0, Kind.ATTEMPT, None, {"id": "a1", "problem": "plain-sip"})
    error = Entry(2.0, Kind.PARSE_ERROR, None, {"connection": 4, "malformation": "bad-start-line"}, b"\x00\x01")
    store.append(attempt)
    store.append(error)
    assert store.attempts().entries == (attempt,)
    assert store.outside().entries == (error,)
    assert ids(store) == []


def voice_call(number: int, state: str = "created", **data: object) -> Entry:
    told = {"voiceCallId": f"0LQ{number}", "state": state, "isActiveCall": state != "closed", **data}
    return Entry(1000.0, Kind.VOICE_CALL, None, told)


def test_of_each_voice_call_the_newest_entry_is_kept_whatever_else_comes(store: Store) -> None:
    for number in range(600):
        store.append(voice_call(number))
        store.append(voice_call(number, "active", callAttributes={"a": "x" * 10_000}))
        for _ in range(5):
            store.append(Entry(1000.0, Kind.TELEPHONY, None, {"operation": "update"}))
    store.append(voice_call(7, "accepted"))
    flushed(store)
    told = [(entry.data["voiceCallId"], entry.data["state"]) for entry in store.voice_calls()]
    assert told == [*((f"0LQ{number}", "active") for number in range(600) if number != 7), ("0LQ7", "accepted")]
    assert all(entry.kind is Kind.TELEPHONY for entry in store.outside(500).entries)


def test_a_voice_call_in_a_call_is_a_part_of_its_trace(store: Store) -> None:
    start(store, "c1")
    store.append(Entry(1001.0, Kind.VOICE_CALL, "c1", {"voiceCallId": "0LQ1", "isActiveCall": True}))
    trace = store.trace("c1")
    assert trace is not None
    assert [entry.kind for entry in trace.entries] == [Kind.CALL_STARTED, Kind.VOICE_CALL]
    assert store.voice_calls() == ()


def test_of_too_many_voice_calls_the_closed_one_that_changed_longest_ago_goes_first(small: Store) -> None:
    for number, state in enumerate(("active", "closed", "closed", "active")):
        small.append(voice_call(number, state))
    flushed(small)
    small.append(voice_call(4, "active"))
    flushed(small)
    small.append(voice_call(5, "active"))
    flushed(small)
    assert [entry.data["voiceCallId"] for entry in small.voice_calls()] == ["0LQ3", "0LQ4", "0LQ5"]


def test_clearing_forgets_closed_voice_calls(store: Store) -> None:
    store.append(voice_call(1))
    store.append(voice_call(2, "closed"))
    flushed(store)
    store.clear()
    assert [entry.data["voiceCallId"] for entry in store.voice_calls()] == ["0LQ1"]
    flushed(store)
    assert [entry.data["voiceCallId"] for entry in store.voice_calls()] == ["0LQ1"]


def test_attempts_are_paged_newest_first(store: Store) -> None:
    for number in range(5):
        store.append(Entry(float(number), Kind.ATTEMPT, None, {"id": f"a{number}"}))
    first = store.attempts(limit=3)
    second = store.attempts(limit=3, cursor=first.next)
    assert [entry.data["id"] for entry in first.entries + second.entries] == ["a4", "a3", "a2", "a1", "a0"]
    assert second.next is None


def test_a_call_knows_the_connection_it_came_on(store: Store) -> None:
    opened = Entry(1.0, Kind.CONNECTION_OPENED, None, {"connection": 7, "peer": {"host": "127.0.0.1"}, "tls": {"version": "TLSv1.3"}})
    store.append(opened)
    store.append(Entry(2.0, Kind.MESSAGE, "c1", {"summary": "INVITE", "connection": 7}, b"INVITE"))
    start(store, "c1", connection=7)
    store.append(Entry(9.0, Kind.CONNECTION_CLOSED, None, {"connection": 7, "why": "closed"}))
    trace = store.trace("c1")
    assert trace is not None
    assert trace.opened == opened


def test_a_call_on_an_unknown_connection_has_no_connection_facts(store: Store) -> None:
    start(store, "c1", connection=99)
    trace = store.trace("c1")
    assert trace is not None
    assert trace.opened is None


def test_subscribers_hear_each_entry_once_it_can_be_read(store: Store) -> None:
    heard: list[tuple[Kind, bool]] = []
    stop = store.subscribe(lambda entry: heard.append((entry.kind, store.call("c1") is not None)))
    start(store, "c1")
    stop()
    end(store, "c1")
    assert heard == [(Kind.CALL_STARTED, True)]


def test_a_subscription_may_end_during_the_telling_and_may_be_ended_twice(store: Store) -> None:
    heard: list[str] = []

    def once(entry: Entry) -> None:
        heard.append("once")
        stop()
        stop()

    stop = store.subscribe(once)
    store.subscribe(lambda entry: heard.append("always"))
    start(store, "c1")
    start(store, "c2")
    assert heard == ["once", "always", "always"]


def test_the_size_grows_with_what_is_kept(store: Store) -> None:
    start(store, "c1")
    before = store.size()
    store.append(Entry(2.0, Kind.MESSAGE, "c1", {"summary": "INVITE"}, b"x" * 5000))
    after = store.size()
    assert after.calls == 1
    assert after.octets >= before.octets + 5000
    assert after.dropped == 0


# --- health, forgetting, closing -----------------------------------------------------------------------------------------


def flushed(store: Store) -> None:
    """Let a store that has a file write it; the others have nothing to wait for."""
    if isinstance(store, KeptStore):
        assert store.flush(30)


def test_a_store_that_is_well_has_no_trouble_and_lost_nothing(store: Store) -> None:
    start(store, "c1")
    flushed(store)
    health = store.health()
    assert (health.trouble, health.waiting, health.lost) == ("", 0, 0)
    assert health.durable == (health.file_octets > 0)
    assert health.kind in STORES


def test_clearing_forgets_what_is_over_and_leaves_live_calls_whole(store: Store) -> None:
    for call in ("over", "live", "rejected"):
        start(store, call)
    end(store, "over")
    end(store, "rejected", state="rejected")
    store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": "a1"}))
    store.append(Entry(1.0, Kind.PARSE_ERROR, None, {"connection": 1}, b"\x00"))
    assert store.clear() == 2
    assert ids(store) == ["live"]
    assert store.size().calls == 1
    assert (store.call("over"), store.trace("over")) == (None, None)
    assert (store.attempts().entries, store.outside().entries) == ((), ())
    end(store, "live")
    trace = store.trace("live")
    assert trace is not None
    assert [entry.kind for entry in trace.entries] == [Kind.CALL_STARTED, Kind.VERDICT, Kind.CALL_ENDED]
    flushed(store)
    assert ids(store) == ["live"]
    assert store.clear() == 1
    assert store.clear() == 0
    flushed(store)
    assert store.size().calls == 0


def test_a_cleared_call_does_not_come_back_by_a_late_entry(store: Store) -> None:
    start(store, "c1")
    end(store, "c1")
    store.clear()
    store.append(Entry(99.0, Kind.NOTE, "c1", {"text": "late"}))
    flushed(store)
    assert ids(store) == []
    assert store.size().calls == 0


def test_what_comes_after_clearing_is_listed_behind_no_old_cursor(store: Store) -> None:
    start(store, "c1")
    start(store, "c2")
    page = store.calls(CallQuery(limit=1))
    end(store, "c1")
    end(store, "c2")
    store.clear()
    start(store, "c3")
    assert store.calls(CallQuery(cursor=page.next)).calls == ()
    assert ids(store) == ["c3"]


def test_closing_twice_is_closing_once(store: Store) -> None:
    start(store, "c1")
    store.close()
    store.close()
    assert store.health().lost == 0


# --- long calls, repeated findings ---------------------------------------------------------------------------------------


def test_the_first_and_the_last_entries_of_a_long_call_stay_and_the_gap_is_told(store: Store) -> None:
    start(store, "c1")
    for number in range(1499):
        store.append(Entry(2.0, Kind.NOTE, "c1", {"number": number}))
    flushed(store)
    trace = store.trace("c1")
    assert trace is not None
    assert (len(trace.entries), trace.dropped, trace.dropped_after) == (1000, 500, 200)
    assert trace.entries[199].data["number"] == 198
    assert trace.entries[200].data["number"] == 699
    assert store.size().dropped == 500


def test_a_finding_is_listed_once_however_often_it_was_told(store: Store) -> None:
    found = {"rule": "SBC-UUI-002", "status": "fail", "detail": "too long"}
    start(store, "c1")
    for detail in ("too long", "too long", "other"):
        store.append(Entry(2.0, Kind.FINDING, "c1", {**found, "detail": detail}))
    view, trace = store.call("c1"), store.trace("c1")
    assert view is not None
    assert trace is not None
    assert [finding["detail"] for finding in view.findings] == ["too long", "other"]
    assert len(trace.entries) == 4


def test_pages_of_every_size_give_the_same_calls_once(store: Store) -> None:
    for number in range(23):
        start(store, f"c{number}", partner="acme" if number % 4 == 0 else "other")
    flushed(store)
    for wanted in ({}, {"partner": "acme"}):
        whole = ids(store, limit=100, **wanted)
        for limit in (1, 2, 5, 22, 23, 24):
            seen: list[str] = []
            cursor: str | None = None
            while cursor is not None or not seen:
                page = store.calls(CallQuery(limit=limit, cursor=cursor, **wanted))  # type: ignore[arg-type]
                seen += [view.id for view in page.calls]
                cursor = page.next
                if cursor is None:
                    break
            assert seen == whole
