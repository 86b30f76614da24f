"""What store.url may name, and that a password of a database is shown nowhere."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from sbc_sim.commands import serve_workers
from sbc_sim.journal import kept, replicas
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.replicas import Replicas
from sbc_sim.journal.sqlite import SqliteStore
from sbc_sim.journal.sqlite_file import SqliteFile
from sbc_sim.service import FAREWELL, Service
from sbc_sim.settings import Settings, SettingsError, load
from sbc_sim.stores import database_of, limits_of, options_of, store_of

NO_FILE = Path("/no/such/file")


def settings(**environment: str) -> Settings:
    return load({}, {f"SBC_SIM_STORE__{name}": value for name, value in environment.items()}, None, NO_FILE).settings


@pytest.mark.parametrize("url", ["sqlite:", "redis://h", "postgresql:", "postgresql://", "calls.db", "", "mysql://u@h/d"])
def test_what_is_no_store_is_refused_with_the_three_that_are(url: str) -> None:
    with pytest.raises(SettingsError, match=r"write memory:, sqlite:FILE or postgresql://USER@HOST:PORT/DATABASE"):
        settings(URL=url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cret@h/d",
        "postgres://u:s3cret@h:5/d?sslmode=require",
        "postgresql://u@h/d?connect_timeout=5&password=s3cret",
        "postgresql://u@h/d?%70assword=s3cret",
        "postgresql://u@h/d?sslpassword=s3cret",
        "postgresql://u@h/d?oauth_client_secret=s3cret",
        "postgresql://u@h/d?scram_client_key=s3cret",
        "postgresql://u:s3cret/2024@h:5432/d",
        "postgresql://u:20/s3cret@h:5432/d",
        "postgresql://u:a@s3cret@h/d",
        "postgresql://u:a?s3cret#b@h/d",
        "postgresql://u:a s3cret@h/d",
        "postgresql://u/s3cret@h/d",
    ],
)
def test_a_password_in_the_url_is_refused_without_saying_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"set store\.password, or SBC_SIM_STORE__PASSWORD_FILE") as caught:
        settings(URL=url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:s3cret", "postgresql://u:s3cret/h/d", "postgresql:u:s3cret@h/d", "mysql://u:a/s3cret@h/d", "pg:h?password=s3cret"],
)
def test_what_may_hold_a_password_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"store\.url .*: w.*postgresql://USER@HOST:PORT/DATABASE") as caught:
        settings(URL=url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///d?host=/run/pg",
        "postgresql://u@h:5432,h2:5433/d",
        "postgresql://u%40x@[::1]:5432/d?application_name=a%40b",
        "postgres://h",
    ],
)
def test_a_url_without_a_password_is_taken(url: str) -> None:
    assert settings(URL=url).store.url == url


def test_the_password_comes_from_a_file_and_is_masked(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    found = settings(URL="postgresql://u@h/d", PASSWORD_FILE=str(tmp_path / "password"))
    assert found.store.password is not None
    assert found.store.password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(found)


def test_each_url_opens_its_store_with_the_bounds_of_the_settings(tmp_path: Path) -> None:
    assert isinstance(store_of(settings(), 0.0, database_of(settings())), MemoryStore)
    kept = settings(URL=f"sqlite:{tmp_path}/calls.db", MAX_CALLS="7", FLUSH_MS="20", MAX_AGE_DAYS="2")
    assert (options_of(kept).bounds.calls, options_of(kept).flush_seconds, options_of(kept).bounds.age_seconds) == (7, 0.02, 172800.0)
    assert limits_of(kept).calls == 7
    database = database_of(kept)
    assert isinstance(database, SqliteFile)
    store = store_of(kept, 0.0, database)
    assert store.health().kind == "sqlite"
    store.close()
    SqliteStore(tmp_path / "calls.db", 0.0).close()


def test_the_end_comes_within_the_time_that_containers_get_though_the_database_hangs() -> None:
    grace = inspect.signature(Service.stop).parameters["grace"].default
    longest = grace + FAREWELL + kept.CLOSING_SECONDS + replicas.STOP_SECONDS
    assert longest <= 7, "as limits.drain_seconds says; docker stop kills after 10 s, so does the chart beyond preStop and draining"
    assert inspect.signature(Replicas.stop).parameters["seconds"].default == replicas.STOP_SECONDS
    assert serve_workers.STOP_SECONDS - longest >= 10, "a parent kills no worker that is about to end"
