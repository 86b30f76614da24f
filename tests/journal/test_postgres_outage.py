"""A PostgreSQL that is stopped, killed or hangs stops no call: entries wait, old calls are missing with the reason, then all is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.commands.examination import check_store
from sbc_sim.journal.database import DatabaseError
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.kept import FileOptions
from sbc_sim.journal.postgres import PostgresDatabase
from sbc_sim.journal.postgres_store import PostgresStore
from sbc_sim.journal.share import ShareOptions
from sbc_sim.journal.store import CallQuery, StoreError
from tests.support.postgres import PASSWORD, Cluster, cluster_or_skip

pytestmark = pytest.mark.partners

PATIENCE = 60.0
"""Seconds; only what is broken takes so long."""


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Cluster]:
    """One for this file, whose tests leave it running."""
    cluster = cluster_or_skip()
    yield cluster
    cluster.remove()


def open_store(cluster: Cluster, url: str, name: str = "one", slot: int = 0, **options: Any) -> PostgresStore:
    kept = FileOptions(flush_seconds=0.01, **options)
    return PostgresStore(url, cluster.password, time.time(), ShareOptions(name, slot, lambda task: task()), None, kept)


def place(store: PostgresStore, call: str, messages: int = 1) -> None:
    store.append(Entry(time.time(), Kind.CALL_STARTED, call, {"sipCallId": call}))
    for number in range(messages):
        store.append(Entry(time.time(), Kind.MESSAGE, call, {"number": number}, b"octets"))
    store.append(Entry(time.time(), Kind.CALL_ENDED, call, {"endedBy": "partner", "endReason": "normal", "state": "ended"}))


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"it does not come about that {what}"
        time.sleep(0.02)


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


def test_while_the_database_is_gone_calls_go_on_and_then_all_is_written(own_postgres: Cluster) -> None:
    url = own_postgres.database()
    store, other = open_store(own_postgres, url), open_store(own_postgres, url, "two", 1)
    place(other, "of another")
    place(store, "before")
    assert store.flush(PATIENCE)
    assert other.flush(PATIENCE)
    assert store.health().durable
    heard: list[str | None] = []
    store.subscribe(lambda entry: heard.append(entry.call), others=True)
    with stopped(own_postgres):
        for number in range(100):
            place(store, f"c{number}")
        gone = f"no PostgreSQL at 127.0.0.1:{own_postgres.port} answers (connection refused): start it, or mend store.url"
        until(lambda: store.health().trouble.startswith(gone), "the trouble is told")
        health = store.health()
        assert (health.kind, health.durable, health.waiting, health.lost) == ("postgresql", False, 300, 0)
        assert "what happens meanwhile waits in memory, up to store.queue_bytes" in health.trouble
        assert PASSWORD not in health.trouble
        assert [view.id for view in store.calls(CallQuery(limit=2)).calls] == ["c99", "c98"]
        assert store.call("of another") is None
        assert store.trace("c0") is not None
        assert store.health().unreadable.startswith("older calls cannot be read: ")
    assert store.flush(PATIENCE)
    until(lambda: not store.health().unreadable, "old calls can be read again")
    health = store.health()
    assert (health.trouble, health.waiting, health.lost) == ("", 0, 0)
    assert store.call("of another") is not None
    assert own_postgres.ask(url, "SELECT count(*) FROM sbc_sim.calls WHERE over = 1") == [(102,)]
    assert own_postgres.ask(url, "SELECT count(*) FROM sbc_sim.entries") == [(306,)]
    place(other, "afterwards")
    until(lambda: "afterwards" in heard, "the feed is there again")
    store.close()
    other.close()


def test_a_server_that_is_killed_while_entries_are_written_loses_none_and_doubles_none(own_postgres: Cluster) -> None:
    url = own_postgres.database()
    store = open_store(own_postgres, url)
    for round_ in range(3):
        for number in range(150):
            place(store, f"c{round_}-{number}")
            if number == 75:
                until(lambda: store.newest and store.health().waiting < 200, "it is being written")
                own_postgres.kill()
        own_postgres.start()
    assert store.flush(PATIENCE)
    assert (store.health().trouble, store.health().lost) == ("", 0)
    assert own_postgres.ask(url, "SELECT count(*), count(distinct id) FROM sbc_sim.calls") == [(450, 450)]
    assert own_postgres.ask(url, "SELECT count(*), count(distinct ordinal) FROM sbc_sim.entries") == [(1350, 1350)]
    store.close()


def test_a_server_that_hangs_holds_a_read_for_about_a_second_and_only_the_first_one(
    own_postgres: Cluster, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("sbc_sim.journal.postgres._Bounded.seconds", 3.0)
    monkeypatch.setattr("sbc_sim.journal.postgres.WRITE_SECONDS", 3.0)
    url = own_postgres.database()
    store = open_store(own_postgres, url)
    place(store, "c")
    assert store.flush(PATIENCE)
    own_postgres.freeze()
    request.addfinalizer(own_postgres.thaw)
    before = threading.active_count()
    assert store.call("nobody") is None  # gives up by itself: the server never answers
    assert "PostgreSQL at 127.0.0.1" in store.health().unreadable
    assert "does not answer (no answer within 1 s)" in store.health().unreadable
    for _ in range(1000):  # each of these would take its second, were it tried again
        assert store.call("nobody") is None
    assert threading.active_count() == before
    place(store, "d")
    until(lambda: "does not answer" in store.health().trouble, "the writer has given up too")
    assert [view.id for view in store.calls(CallQuery()).calls] == ["d", "c"]
    own_postgres.thaw()
    assert store.flush(PATIENCE)
    until(lambda: not store.health().unreadable, "old calls can be read again")
    assert own_postgres.ask(url, "SELECT id FROM sbc_sim.calls ORDER BY ordinal") == [("c",), ("d",)]
    store.close()


def test_a_queue_that_is_full_meanwhile_counts_what_is_lost(own_postgres: Cluster) -> None:
    url = own_postgres.database()
    store = open_store(own_postgres, url, queue_octets=40_000)
    with stopped(own_postgres):
        place(store, "first", messages=100)
        place(store, "second", messages=100)
        health = store.health()
        assert 0 < health.waiting < 204
        assert health.waiting + health.lost == 204
    assert store.flush(PATIENCE)
    assert store.health().lost == health.lost
    store.close()
    again = open_store(own_postgres, url, "two", 1)
    first, second = again.trace("first"), again.trace("second")
    assert first is not None
    assert second is not None
    assert (first.call.end_reason, second.call.end_reason) == ("normal", "normal"), "the ends of calls had room"
    assert first.dropped + second.dropped == health.lost
    again.close()


def test_closing_while_the_database_is_gone_gives_up_and_counts(own_postgres: Cluster) -> None:
    url = own_postgres.database()
    store = open_store(own_postgres, url)
    with stopped(own_postgres):
        place(store, "c")
        store.close()
        assert store.health().lost == 3
    again = open_store(own_postgres, url)
    assert again.calls(CallQuery()).calls == ()
    again.close()


def test_one_connection_that_an_administrator_ends_is_made_anew(postgres: Cluster) -> None:
    url = postgres.database()
    store = open_store(postgres, url)
    place(store, "c")
    assert store.flush(PATIENCE)
    name = url.rpartition("/")[2]
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    place(store, "d")
    assert store.flush(PATIENCE)
    assert store.call("nobody") is None
    until(lambda: not store.health().unreadable and not store.health().trouble, "all is well")
    assert postgres.ask(url, "SELECT count(*) FROM sbc_sim.entries") == [(6,)]
    store.close()


# --- refusals at the start -----------------------------------------------------------------------------------------------


def refusal(url: str, password: str = PASSWORD) -> str:
    with pytest.raises(StoreError) as caught:
        PostgresStore(url, password, 0.0, ShareOptions("one", 0, lambda task: task())).close()
    words = str(caught.value)
    assert "\n" not in words
    assert password not in words or not password
    return words


def test_what_stands_in_the_way_is_said_in_one_sentence_with_the_cure(postgres: Cluster) -> None:
    url = postgres.database()
    server = f"PostgreSQL at 127.0.0.1:{postgres.port}"
    base, _, name = url.rpartition("/")
    assert f"{server} does not let sbc_sim in" in refusal(url, "wrong-password")
    assert "mend store.password or the user in store.url" in refusal(url, "wrong-password")
    assert f"{server} does not let sbc_sim in" in refusal(url, "")
    assert f"{server} does not let nobody in" in refusal(url.replace("sbc_sim@", "nobody@"))
    assert f"{server} has no database nothing: CREATE DATABASE nothing OWNER sbc_sim" in refusal(f"{base}/nothing")
    assert "GRANT CREATE ON DATABASE postgres TO sbc_sim" in refusal(f"{base}/postgres")
    assert "no PostgreSQL at 127.0.0.1:1 answers (connection refused): start it, or mend store.url" in refusal(
        "postgresql://a@127.0.0.1:1/b"
    )
    assert "mend store.url" in refusal("postgresql://a@no-such-host.invalid:5432/b")
    assert "is no URL of PostgreSQL" in refusal(f"{url}?sslmod=disable")
    with postgres.connect(url) as connection:
        connection.execute("CREATE SCHEMA sbc_sim")
        connection.execute("CREATE TABLE sbc_sim.layout (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO sbc_sim.layout VALUES (99)")
    assert f"postgresql://sbc_sim@127.0.0.1:{postgres.port}/{name} was written by a newer sbc-sim (its layout is version 99" in refusal(url)


def test_a_password_in_the_url_is_shown_nowhere() -> None:
    database = PostgresDatabase("postgresql://u:pa%24s@h:5/d?sslmode=disable&password=other")
    assert database.name == "postgresql://u@h:5/d?sslmode=disable"
    assert "pa" not in database.sentence(DatabaseError("connection refused")).replace("password", "")


def test_several_who_open_an_empty_database_at_the_same_time_make_its_tables_once(postgres: Cluster) -> None:
    url = postgres.database()
    failed: list[StoreError] = []

    def open_one() -> None:
        try:
            PostgresDatabase(url, postgres.password).prepare()
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert postgres.ask(url, "SELECT version FROM sbc_sim.layout") == [(4,)]


def test_a_look_at_a_database_says_what_is_there_or_in_the_way_and_changes_nothing(postgres: Cluster) -> None:
    url = postgres.database()
    seen = check_store(url, 1, postgres.password)
    assert seen.status == "pass"
    assert seen.seen.endswith("can be used; our tables are not there yet")
    assert postgres.ask(url, "SELECT to_regnamespace('sbc_sim')") == [(None,)]
    PostgresDatabase(url, postgres.password).prepare()
    assert check_store(url, 1, postgres.password).seen.endswith("can be used; its layout is version 4")
    refused = check_store(url, 1, "wrong")
    assert (refused.status, "does not let sbc_sim in" in refused.seen) == ("fail", True)
    assert "GRANT CREATE ON DATABASE postgres" in check_store(f"{url.rpartition('/')[0]}/postgres", 1, postgres.password).seen


def test_without_psycopg_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys; sys.modules['psycopg'] = None\nfrom sbc_sim.journal.store import StoreError\n"
    code += "try:\n import sbc_sim.journal.postgres\nexcept StoreError as error:\n print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert 'pip install "sbc-sim[postgres]"' in done.stdout, done.stderr
