"""The cluster of the tests does what they build on."""

from __future__ import annotations

import pytest

from tests.support.postgres import Cluster

pytestmark = pytest.mark.partners


def test_each_database_is_empty_and_asks_for_the_password(postgres: Cluster) -> None:
    import psycopg

    first, second = postgres.database(), postgres.database()
    assert first != second
    assert postgres.ask(first, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(first)


def test_a_cluster_that_was_stopped_killed_or_frozen_comes_back_with_what_was_committed(own_postgres: Cluster) -> None:
    import psycopg

    url = own_postgres.database()
    with own_postgres.connect(url) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER)")
        for number, end in enumerate((own_postgres.stop, own_postgres.kill)):
            with own_postgres.connect(url) as writer:
                writer.execute("INSERT INTO kept VALUES (%s)", (number,))
            end()
            with pytest.raises(psycopg.OperationalError):
                own_postgres.connect(url)
            own_postgres.start()
    own_postgres.freeze()
    with pytest.raises(psycopg.OperationalError):
        own_postgres.connect(url, connect_timeout=2)
    own_postgres.thaw()
    assert own_postgres.ask(url, "SELECT number FROM kept ORDER BY number") == [(0,), (1,)]
