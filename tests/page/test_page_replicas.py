"""The page of one of several replicas: it shows the calls of all as they come, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.clients.conversation import wait_until
from tests.end_to_end.server import serving
from tests.page.conftest import Opening
from tests.page.partner_calls import Partner
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]


def test_calls_of_all_replicas_come_by_themselves_each_with_the_name_of_its_own(tmp_path: Path, postgres: Cluster, visit: Opening) -> None:
    settings = {"STORE__URL": postgres.database(), "STORE__PASSWORD": Cluster.password}
    (tmp_path / "north").mkdir()
    (tmp_path / "south").mkdir()
    with (
        serving(tmp_path / "north", REPLICAS__NAME="north", **settings) as north,
        serving(tmp_path / "south", REPLICAS__NAME="south", **settings) as south,
    ):
        for one in (north, south):
            wait_until(lambda one=one: len(one.get("/api/v1/info")["replicas"]) == 2, "both know each other")  # type: ignore[misc]
        page = visit(f"http://127.0.0.1:{south.http_port}/").open()
        page.get_by_text("No calls yet.").wait_for()
        for server in (north, south):
            Partner(server.sip_port, server.ca, tmp_path).whole_call()
        for name in ("north", "south"):
            page.locator("td.c-who", has_text=name).wait_for()
        assert page.locator("header.top").get_by_text("south").get_attribute("title") == (
            "This replica answers; sharing the store: north (live), south (live)"
        )
        page.locator("tr", has_text="north").first.locator("a[data-call]").click()
        page.locator("dl.facts").get_by_text("north").wait_for()
