"""Several writers to one store, in a SQLite file (workers) and in PostgreSQL (replicas): all see all, and nobody spoils another's."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.kept import FileOptions, KeptStore
from sbc_sim.journal.lost import LostCalls
from sbc_sim.journal.postgres import PostgresDatabase
from sbc_sim.journal.record import StoreLimits
from sbc_sim.journal.replica import Replica, ReplicaState
from sbc_sim.journal.restart import end_lost_calls
from sbc_sim.journal.retention import FileBounds
from sbc_sim.journal.share import SLOTS, Share, ShareOptions, ordinal_at
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.journal.store import CallQuery
from tests.support.postgres import Cluster

PATIENCE = 30.0
"""Seconds; only what is broken takes so long."""


class Turns:
    """The thread of the calls, which here is the test: what others want done there waits until the test does it."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def __call__(self, task: Callable[[], None]) -> None:
        self._waiting.put(task)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Do what others want done until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"it does not come about that {what}"
            try:
                self._waiting.get(timeout=0.05)()
            except Exception as error:
                if type(error).__name__ != "Empty":
                    raise


class Together:
    """Stores that share one database, and are read and written by the test alone."""

    def __init__(self, database: Callable[[], Any]) -> None:
        self._database = database
        self.turns = Turns()
        self.stores: list[KeptStore] = []

    def join(self, name: str, limits: StoreLimits | None = None, bounds: FileBounds | None = None, slot: int | None = None) -> KeptStore:
        share = ShareOptions(name, len(self.stores) if slot is None else slot, self.turns)
        options = FileOptions(bounds or FileBounds(), flush_seconds=0.01)
        self.stores.append(KeptStore(self._database(), time.time(), limits, options, share))
        return self.stores[-1]

    def connect(self) -> Any:
        database = self._database()
        database.prepare()
        return database.connect()

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.partners)])
def together(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Together]:
    if request.param == "sqlite":
        together = Together(lambda: SqliteFile(tmp_path / "calls.db", alone=False))
    else:
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.database()
        together = Together(lambda: PostgresDatabase(url, cluster.password))
    yield together
    together.close()


def start(store: KeptStore, call: str, **data: object) -> None:
    store.append(Entry(time.time(), Kind.CALL_STARTED, call, {"sipCallId": f"{call}@partner", "direction": "inbound", **data}))


def end(store: KeptStore, call: str, verdict: str = "pass") -> None:
    store.append(Entry(time.time(), Kind.VERDICT, call, {"status": verdict, "counts": {verdict: 1}, "findings": FINDINGS}))
    store.append(Entry(time.time(), Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended", "status": None}))


FINDINGS = [
    {
        "rule": f"SBC-TEST-{number:03}",
        "status": "pass",
        "severity": "must",
        "title": f"title {number}",
        "detail": "",
        "evidence": [],
        "source": "a test",
        "why": "why",
        "fix": "fix",
        "platforms": {},
    }
    for number in range(30)
]


def flushed(*stores: KeptStore) -> None:
    for store in stores:
        assert store.flush(PATIENCE), store.health().trouble


def ids(store: KeptStore, **query: Any) -> list[str]:
    return [view.id for view in store.calls(CallQuery(**query)).calls]


def kinds(store: KeptStore, call: str) -> list[str]:
    trace = store.trace(call)
    return [] if trace is None else [entry.kind.value for entry in trace.entries]


# --- ordinals ------------------------------------------------------------------------------------------------------------


def test_numbers_grow_in_each_process_also_when_its_clock_stands_or_runs_backwards_and_differ_between_two() -> None:
    nanoseconds = [2_000_000_000, 2_000_000_000, 1_000_000_000, 1_000_000_500, 3_000_000_000]
    clock = iter(nanoseconds * 2)
    one, two = (Share(ShareOptions(name, slot, lambda task: None), lambda: next(clock)) for name, slot in (("a", 0), ("b", SLOTS - 1)))
    numbers: dict[Share, list[int]] = {one: [0], two: [0]}
    for share, given in numbers.items():
        for _ in nanoseconds:
            given.append(share.next(given[-1]))
        assert given == sorted(set(given))
    assert not set(numbers[one][1:]) & set(numbers[two][1:])
    assert numbers[one][-1] >> 10 == 3_000_000


def test_numbers_of_now_fit_into_a_database_and_a_cursor() -> None:
    assert Share(ShareOptions("a", SLOTS - 1, lambda task: None), lambda: 4_102_444_800 * 10**9).next(0) < 2**63, "in the year 2100 too"


# --- all see all ---------------------------------------------------------------------------------------------------------


def test_each_sees_the_calls_of_all_live_and_over_with_their_owners_newest_first(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    for number in range(3):
        start(one, f"one-{number}", partner="acme")
        start(two, f"two-{number}")
    end(two, "two-0", "fail")
    flushed(one, two)
    expected = ["two-2", "one-2", "two-1", "one-1", "two-0", "one-0"]
    for store in (one, two):
        assert ids(store) == expected
        assert [view.replica for view in store.calls(CallQuery()).calls] == ["two", "one"] * 3
        assert ids(store, partner="acme") == ["one-2", "one-1", "one-0"]
        assert ids(store, status="fail") == ["two-0"]
        assert kinds(store, "two-0") == ["call.started", "verdict", "call.ended"]
        view = store.call("two-0")
        assert view is not None
        assert (view.replica, view.verdict) == ("two", {"status": "fail", "counts": {"fail": 1}, "findings": FINDINGS})
        assert view.summary()["replica"] == "two"


def test_pages_over_calls_of_several_give_every_call_once_whoever_is_asked(together: Together) -> None:
    stores = [together.join(name) for name in ("one", "two", "three")]
    for number in range(41):
        start(stores[number % 3], f"c{number}")
    flushed(*stores)
    for limit in (1, 7, 40, 41, 42):
        seen: list[str] = []
        cursor: str | None = None
        for turn in range(50):
            page = stores[turn % 3].calls(CallQuery(limit=limit, cursor=cursor))
            seen += [view.id for view in page.calls]
            cursor = page.next
            if cursor is None:
                break
        assert seen == [f"c{number}" for number in reversed(range(41))]


def test_what_belongs_to_no_call_is_listed_from_all_in_order_and_once(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    for number in range(6):
        (one, two)[number % 2].append(Entry(time.time(), Kind.ATTEMPT, None, {"id": number}))
        (one, two)[number % 2].append(Entry(time.time(), Kind.TELEPHONY, None, {"id": number}))
    flushed(one, two)
    for store in (one, two):
        first = store.attempts(4)
        assert [entry.data["id"] for entry in (*first.entries, *store.attempts(4, first.next).entries)] == [5, 4, 3, 2, 1, 0]
        assert [entry.data["id"] for entry in store.outside().entries] == [5, 4, 3, 2, 1, 0]


def test_of_a_voice_call_that_several_change_the_last_change_counts_for_all(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    for number, store in enumerate((one, two, one)):
        store.append(Entry(time.time(), Kind.VOICE_CALL, None, {"voiceCallId": "0LQ1", "isActiveCall": True, "number": number}))
        flushed(store)
    for store in (one, two):
        assert [entry.data["number"] for entry in store.voice_calls()] == [2]


def test_a_store_that_others_share_ends_nobody_s_calls_when_one_more_opens_it(together: Together) -> None:
    one = together.join("one")
    start(one, "up")
    flushed(one)
    two = together.join("two")
    assert two.restarted == []
    assert [view.state for view in two.calls(CallQuery()).calls] == ["ringing"]


# --- writing at the same time --------------------------------------------------------------------------------------------


def test_calls_that_a_process_left_up_which_had_the_file_alone_are_ended_when_several_take_it(tmp_path: Path) -> None:
    alone = KeptStore(SqliteFile(tmp_path / "calls.db"), 1000.0)
    start(alone, "left up")
    alone.close()
    together = Together(lambda: SqliteFile(tmp_path / "calls.db", alone=False))
    one = together.join("one")
    start(one, "of one")
    flushed(one)
    two = together.join("two")
    for store in (one, two):
        left = store.call("left up")
        assert left is not None
        assert (left.state, left.ended_by, left.end_reason) == ("ended", "sbc", "restart")
    assert kinds(two, "left up").count("call.ended") == 1
    assert (one.restarted, two.restarted) == (["left up"], [])
    of_one = two.call("of one")
    assert of_one is not None
    assert not of_one.over
    together.close()


def test_several_who_write_the_same_words_and_much_at_the_same_time_lose_nothing(together: Together) -> None:
    stores = [together.join(f"r{number}") for number in range(4)]
    calls = 25

    def place(number: int) -> None:
        for call in range(calls):
            name = f"r{number}-{call}"
            start(stores[number], name)
            stores[number].append(Entry(time.time(), Kind.MESSAGE, name, {"summary": "INVITE"}, b"INVITE"))
            end(stores[number], name)
            stores[number].append(Entry(time.time(), Kind.ATTEMPT, None, {"id": name}))

    threads = [threading.Thread(target=place, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flushed(*stores)
    connection = together.connect()
    assert connection.execute("SELECT count(*) FROM calls").fetchone()[0] == 4 * calls
    assert connection.execute("SELECT count(*) FROM entries").fetchone()[0] == 16 * calls
    assert connection.execute("SELECT count(*) FROM loose").fetchone()[0] == 4 * calls
    assert connection.execute("SELECT count(*) FROM words").fetchone()[0] == len(FINDINGS), "each words once"
    connection.close()
    assert sorted(ids(stores[0], limit=500)) == sorted(f"r{number}-{call}" for number in range(4) for call in range(calls))
    assert all(store.health().lost == 0 for store in stores)


def test_what_one_clears_is_gone_for_all_but_live_calls_of_all_stay(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    for store, name in ((one, "one"), (two, "two")):
        start(store, f"{name}-over")
        end(store, f"{name}-over")
        start(store, f"{name}-live")
    flushed(one, two)
    assert one.clear() == 2
    assert ids(one) == ["two-live", "one-live"]
    flushed(one)
    together.turns.until(lambda: ids(two) == ["two-live", "one-live"], "the other forgets its cleared call too")
    two.append(Entry(time.time(), Kind.NOTE, "two-over", {"text": "late"}))
    end(two, "two-live")
    flushed(two)
    assert ids(one) == ids(two) == ["two-live", "one-live"], "a late entry brings no call back"
    assert kinds(one, "two-live") == ["call.started", "verdict", "call.ended"]


def test_a_clearance_that_comes_late_takes_nothing_that_began_after_it(together: Together) -> None:
    """One who could not be reached is told a minute later that everything was to be forgotten."""
    one, two = together.join("one"), together.join("two")

    def place(store: KeptStore, name: str) -> None:
        start(store, name)
        end(store, name)
        store.append(Entry(time.time(), Kind.ATTEMPT, None, {"id": name}))
        store.append(Entry(time.time(), Kind.VOICE_CALL, None, {"voiceCallId": name, "isActiveCall": False}))

    for store, name in ((one, "one-before"), (two, "two-before")):
        place(store, name)
    flushed(one, two)
    until = ordinal_at(time.time())
    for store, name in ((one, "one-after"), (two, "two-after")):
        place(store, name)
    flushed(one)
    two.clear(until)
    for _ in ("waits to be cleared", "is cleared"):
        assert ids(two) == ["two-after", "one-after"]
        assert [entry.data["id"] for entry in two.attempts().entries] == ["two-after", "one-after"]
        assert [entry.data["voiceCallId"] for entry in two.voice_calls()] == ["one-after", "two-after"]
        flushed(two)
    connection = together.connect()
    assert connection.execute("SELECT id FROM calls ORDER BY ordinal").fetchall() == [("one-after",), ("two-after",)]
    assert connection.execute("SELECT count(*) FROM loose").fetchone()[0] == 2
    connection.close()


def test_the_bound_on_calls_holds_for_all_together_and_all_forget_the_oldest(together: Together) -> None:
    bounds = FileBounds(calls=20)
    one, two = together.join("one", bounds=bounds), together.join("two", bounds=bounds)
    for number in range(30):
        store = (one, two)[number % 2]
        start(store, f"c{number}")
        end(store, f"c{number}")
        flushed(store)
    newest = [f"c{number}" for number in reversed(range(10, 30))]
    for store in (one, two):
        together.turns.until(lambda store=store: ids(store, limit=100) == newest, "the oldest ten are gone")
        together.turns.until(lambda store=store: store.size().calls == 20, "it is counted")


def test_the_bound_on_what_belongs_to_no_call_holds_for_all_together(together: Together) -> None:
    limits = StoreLimits(attempts=10)
    one, two = together.join("one", limits), together.join("two", limits)
    for number in range(40):
        (one, two)[number % 2].append(Entry(time.time(), Kind.ATTEMPT, None, {"id": number}))
    flushed(one, two)
    connection = together.connect()
    together.turns.until(lambda: connection.execute("SELECT count(*) FROM loose").fetchone()[0] == 10, "thirty had to go")
    connection.close()
    assert [entry.data["id"] for entry in one.attempts(10).entries] == list(range(39, 29, -1))


# --- told by the others --------------------------------------------------------------------------------------------------


def test_who_listens_to_all_hears_the_others_in_their_order_and_who_does_not_hears_only_its_own(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    own: list[Entry] = []
    every: list[Entry] = []
    one.subscribe(own.append)
    stop = one.subscribe(every.append, others=True)
    start(one, "mine")
    given: list[Entry] = []
    two.subscribe(given.append)
    for number in range(300):
        name = f"c{number // 3}"
        two.append(Entry(time.time(), Kind.CALL_STARTED if number % 3 == 0 else Kind.MESSAGE, name, {"number": number}, b"octets"))
    two.append(Entry(time.time(), Kind.ATTEMPT, None, {"id": "a"}))
    two.append(Entry(time.time(), Kind.VOICE_CALL, None, {"voiceCallId": "0LQ1", "isActiveCall": True}))
    together.turns.until(lambda: len(every) == 303, "all is told")
    assert every[1:] == given
    assert [entry.raw for entry in every[1:]] == [entry.raw for entry in given]
    assert [entry.call for entry in own] == ["mine"]
    stop()
    stop()
    start(two, "later")
    flushed(two)
    start(one, "mine again")
    assert len(every) == 303


def test_who_begins_to_listen_is_told_nothing_of_before_and_all_of_one_who_joins_later(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    start(two, "before")
    flushed(two)
    heard: list[str | None] = []
    first: list[str | None] = []
    one.subscribe(lambda entry: first.append(entry.call), others=True)
    start(two, "wakes")
    together.turns.until(lambda: "wakes" in first, "the first listener hears")
    one.subscribe(lambda entry: heard.append(entry.call), others=True)
    three = together.join("three")
    start(three, "joined")
    together.turns.until(lambda: "joined" in heard, "one who joined is heard")
    assert heard == ["joined"]


def test_who_falls_too_far_behind_is_told_that_something_was_missed(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbc_sim.journal.feed.AT_ONCE", 10)
    monkeypatch.setattr("sbc_sim.journal.feed.MOST_BEHIND", 30)
    one, two = together.join("one"), together.join("two")
    heard: list[Entry] = []
    missed: list[int] = []
    one.subscribe(heard.append, True, lambda: missed.append(len(heard)))
    start(two, "c")
    together.turns.until(lambda: heard, "the first one is heard")
    for number in range(500):  # nobody has a turn meanwhile
        two.append(Entry(time.time(), Kind.NOTE, "c", {"number": number}))
    flushed(two)
    together.turns.until(lambda: missed, "something is missed")
    assert len(heard) < 500
    together.turns.until(lambda: one.health().missed, "it is counted")
    names = (f"later {number}" for number in itertools.count())

    def later_is_heard() -> bool:
        start(two, next(names))
        return any(str(entry.call).startswith("later") for entry in heard)

    together.turns.until(later_is_heard, "what comes afterwards is heard")


def test_of_what_others_write_only_the_kinds_that_are_wanted_just_now_are_told(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    wanted = {Kind.ATTEMPT}
    heard: list[tuple[Kind, str | None]] = []
    one.subscribe(lambda entry: heard.append((entry.kind, entry.call)), others=lambda: frozenset(wanted))
    start(two, "not-wanted")
    end(two, "not-wanted")
    two.append(Entry(time.time(), Kind.ATTEMPT, None, {"id": "a"}))
    together.turns.until(lambda: heard, "something is heard")
    wanted.add(Kind.CALL_ENDED)
    start(two, "wanted")
    end(two, "wanted")
    together.turns.until(lambda: len(heard) == 2, "what is wanted by now is heard")
    assert heard == [(Kind.ATTEMPT, None), (Kind.CALL_ENDED, "wanted")]


def test_a_listener_that_is_slow_holds_up_no_writer(together: Together) -> None:
    one, two = together.join("one"), together.join("two")
    one.subscribe(lambda entry: None, others=True)
    for number in range(50):
        start(two, f"c{number}")
    flushed(two)  # no turn was taken: nothing was told yet
    assert two.health().waiting == 0
    one.close()  # and closing does not wait for a turn either


# --- those who are lost --------------------------------------------------------------------------------------------------


def lose(together: Together, store: KeptStore, name: str, slot: int, calls: list[str]) -> list[str]:
    """End the calls of a replica as another one does that noticed."""
    connection = together.connect()
    connection.begin()
    ended = end_lost_calls(connection, StoreLimits(), "the closer", name, slot, calls, 1_700_000_000.0, 1_700_000_010.0)
    connection.commit()
    connection.close()
    return ended


def test_the_calls_of_a_lost_replica_are_ended_with_a_note_and_all_others_hear_of_it(together: Together) -> None:
    one, dead = together.join("one"), together.join("dead")
    start(dead, "up")
    start(dead, "over")
    end(dead, "over")
    flushed(dead)
    heard: list[tuple[str, str | None]] = []
    one.subscribe(lambda entry: heard.append((entry.kind.value, entry.call)), others=True)
    start(dead, "also up")
    flushed(dead)
    together.turns.until(lambda: ("call.started", "also up") in heard, "the feed is there")
    assert lose(together, dead, "dead", 1, ["up", "over", "also up"]) == ["up", "also up"]
    assert lose(together, dead, "dead", 1, ["up", "over", "also up"]) == []
    together.turns.until(lambda: heard[-1] == ("call.ended", "also up"), "the ends are heard")
    view = one.call("up")
    assert view is not None
    assert (view.state, view.ended_by, view.end_reason, view.replica) == ("ended", "sbc", "lost", "dead")
    trace = one.trace("up")
    assert trace is not None
    note = trace.entries[-2].data["text"]
    assert "the replica dead that had this call is there no more, and no BYE was sent" in note
    assert "of the replica at 2023-11-14T22:13:20.000Z; ended by the replica the closer at 2023-11-14T22:13:30.000Z" in note


def test_the_calls_of_one_that_lives_again_under_another_name_are_with_that_name(together: Together) -> None:
    """A new process has its old name by now; who asks for the owner of a call, or ends those of a lost one, asks by the name."""
    one, cut_off = together.join("one"), together.join("pod")
    heard: list[tuple[str, str | None]] = []
    one.subscribe(lambda entry: heard.append((entry.kind.value, entry.call)), others=True)

    def places(store: KeptStore, call: str) -> bool:
        start(store, call)
        flushed(store)
        return True

    together.turns.until(lambda: places(cut_off, "first") and heard, "the feed is there")
    start(cut_off, "up")
    flushed(cut_off)
    together.turns.until(lambda: ("call.started", "up") in heard, "it is heard")
    lose(together, cut_off, "pod", 1, ["up"])
    together.turns.until(lambda: ("call.ended", "up") in heard, "its end is heard")
    anew, own = together.join("pod"), list[str | None]()
    start(anew, "of the new one")
    flushed(anew)
    cut_off.rejoin(ShareOptions("pod-2", 1, together.turns))
    cut_off.append(Entry(time.time(), Kind.NOTE, "up", {"text": "it lives", "goesOn": True, "replica": "pod-2"}))
    flushed(cut_off)
    for store in (one, anew, cut_off):
        view = store.call("up")
        assert view is not None
        assert (view.state, view.replica) == ("ringing", "pod-2")
    together.turns.until(lambda: heard[-1] == ("note", "up"), "that it goes on is heard")
    assert heard.count(("call.started", "up")) == 1, "nothing is told twice"
    cut_off.subscribe(lambda entry: own.append(entry.call), others=True)
    together.turns.until(lambda: places(anew, "later") and own, "the new one is heard under the old name")
    assert set(own) == {"later"}
    connection = together.connect()
    left = Replica("id", "pod-2", 1, 0.0, 0.0, ReplicaState.LOST, {})
    assert LostCalls().live(connection, left) == ["up"]
    connection.close()
    assert lose(together, cut_off, "pod-2", 1, ["up"]) == ["up"]


def test_one_that_was_taken_for_lost_and_lives_still_writes_all_that_waits(together: Together) -> None:
    one, cut_off = together.join("one"), together.join("cut off")
    start(cut_off, "up")
    flushed(cut_off)
    lose(together, cut_off, "cut off", 1, ["up"])
    view = one.call("up")
    assert view is not None
    assert (view.state, view.end_reason) == ("ended", "lost")
    cut_off.rejoin(ShareOptions("cut off", 5, together.turns))
    cut_off.append(Entry(time.time(), Kind.NOTE, "up", {"text": "it lives", "goesOn": True}))
    cut_off.append(Entry(time.time(), Kind.MESSAGE, "up", {"summary": "BYE"}, b"BYE"))
    flushed(cut_off)
    view = one.call("up")
    assert view is not None
    assert (view.state, view.ended_at, view.end_reason) == ("ringing", None, None), "its owner goes on telling of it"
    assert ids(one, status="ringing") == ["up"]
    start(cut_off, "new")
    end(cut_off, "up")
    flushed(cut_off)
    new = one.call("new")
    assert new is not None
    assert new.ordinal % SLOTS == 5
    assert cut_off.health().trouble == ""
    assert kinds(one, "up") == ["call.started", "note", "call.ended", "note", "message", "verdict", "call.ended"]
