"""Metrics of several workers: any of them tells those of all, as Prometheus can read them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from sbc_sim.http.metrics import Gauges, Metrics
from sbc_sim.http.shared_metrics import SharedMetrics, forget, write_crew
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import StoreSize

OPEN = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def workers(tmp_path: Path) -> list[tuple[Metrics, SharedMetrics]]:
    """Two workers in one folder; worker n has n calls up."""
    made = []
    for number in (1, 2):
        metrics = Metrics(Gauges(lambda: (0, 10), lambda: StoreSize(0, 0, 0)), "1.0")
        for call in range(number):
            metrics.observe(Entry(float(call), Kind.CALL_STARTED, f"{number}-{call}", {"direction": "inbound"}))
        made.append((metrics, metrics.share(tmp_path, number)))
    return made


def samples(metrics: Metrics, name: str) -> dict[str, float]:
    """The values of a metric by worker."""
    families = read_text(metrics.exposition()[0].decode())
    return {sample.labels["worker"]: sample.value for family in families for sample in family.samples if sample.name == name}


def test_whichever_worker_is_asked_tells_its_own_live_and_the_others_as_they_wrote_them(workers) -> None:
    (one, _), (two, written) = workers
    written.write()
    two.observe(Entry(9.0, Kind.CALL_STARTED, "2-9", {"direction": "inbound"}))
    assert samples(one, "sbc_sim_calls_active") == {"1": 1.0, "2": 2.0}
    assert samples(two, "sbc_sim_calls_active") == {"2": 3.0}


@pytest.mark.parametrize(("accept", "read"), [("", read_text), (OPEN, read_openmetrics)])
def test_each_family_comes_once_with_all_samples_together(workers, accept, read) -> None:
    for _, shared in workers:
        shared.write()
    text = workers[0][0].exposition(accept)[0].decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    told = {sample.name for family in read(text) for sample in family.samples}
    alone = Metrics(Gauges(lambda: (0, 10), lambda: StoreSize(0, 0, 0)), "1.0").exposition(accept)[0].decode()
    assert told >= {sample.name for family in read(alone) for sample in family.samples}
    assert all("worker" in sample.labels for family in read(text) for sample in family.samples)


def test_the_age_of_what_a_worker_wrote_is_told_so_that_one_that_hangs_is_seen(workers, tmp_path: Path) -> None:
    workers[1][1].write()
    os.utime(tmp_path / "2.metrics", times=(time.time() - 50, time.time() - 50))
    ages = samples(workers[0][0], "sbc_sim_worker_metrics_age_seconds")
    assert ages["1"] == 0.0
    assert 50 <= ages["2"] < 500


def test_a_file_that_cannot_be_read_costs_its_worker_alone(workers, tmp_path: Path) -> None:
    (tmp_path / "3.metrics").write_text("{")
    workers[1][1].write()
    assert samples(workers[0][0], "sbc_sim_calls_active") == {"1": 1.0, "2": 2.0}


def test_the_parent_tells_who_runs_and_who_died_and_takes_away_what_a_dead_worker_wrote(workers, tmp_path: Path) -> None:
    for _, shared in workers:
        shared.write()
    write_crew(tmp_path, {1: 4711}, {1: 0, 2: 3})
    one = workers[0][0]
    assert samples(one, "sbc_sim_worker_up") == {"1": 1.0, "2": 0.0}
    assert samples(one, "sbc_sim_worker_deaths_total") == {"1": 0.0, "2": 3.0}
    assert samples(one, "sbc_sim_calls_active") == {"1": 1.0}


def test_a_worker_that_ends_takes_its_own_away(workers, tmp_path: Path) -> None:
    workers[0][1].write()
    assert json.loads((tmp_path / "1.metrics").read_bytes())
    forget(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_costs_no_worker_its_own_metrics(workers, tmp_path: Path) -> None:
    tmp_path.rmdir()
    workers[0][1].write()
    assert samples(workers[0][0], "sbc_sim_calls_active") == {"1": 1.0}
