"""docs/metrics.md from the metrics themselves: every series that /metrics may show, with its kind and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from sbc_sim.http.metrics import Gauges, Metrics
from sbc_sim.journal.store import StoreSize

HEAD = """# Metrics

Made by `make docs` from the metrics themselves. `GET /metrics` on the HTTP port shows them in the text format of Prometheus, or as
OpenMetrics when the scraper asks for it. Where the HTTP interface asks for a token, `/metrics` does too ([http.md](http.md)).

Everything is derived from the journal, so the metrics tell what the page and the API tell. Units are seconds and octets (`bytes`); what
ends in `_total` only grows; a histogram is `_bucket`, `_sum` and `_count`. No Call-ID, number or User-to-User value is ever a label, and
each label has a bounded set of values: what is not known is `other`.

| metric | kind | labels | meaning |
|---|---|---|---|
"""

TAIL = """
## What to look at

| question | expression |
|---|---|
| Which rules fail? | `sum by (rule) (increase(sbc_sim_rule_results_total{status="fail"}[1h]))` |
| Why do partners not get through TLS? | `sum by (reason) (increase(sbc_sim_tls_handshakes_total{result="failed"}[1h]))` |
| Who is refused, and for what? | `sum by (code, rule) (increase(sbc_sim_rejections_total[1h]))` |
| Is a fault set that somebody forgot? | `sum by (type) (sbc_sim_faults_active) > 0` |
| Are the media ports running out? | `sbc_sim_media_ports_in_use / sbc_sim_media_ports_limit > 0.8` |
| Is the journal safe? | `sbc_sim_store_degraded == 1 or increase(sbc_sim_store_lost_entries_total[10m]) > 0` |
| Is one of three replicas missing? | `max(sbc_sim_replicas_live) < 3` |
| Does the simulator itself run late? | `sbc_sim_reactor_lag_seconds > 0.05` |
| When does the certificate end? | `sbc_sim_tls_certificate_expiry_timestamp_seconds - time() < 14 * 86400` |
"""


@dataclass(frozen=True)
class Row:
    """One metric as people ask for it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class _Anything:
    """Stands for whatever a gauge asks: any attribute of it is 0."""

    def __getattr__(self, name: str) -> int:
        return 0


def metrics_markdown() -> str:
    """Write the page."""
    return HEAD + "".join(_line(row) for row in sorted(rows(), key=lambda row: row.name)) + TAIL


def rows() -> Iterator[Row]:
    """List every metric, also those that need something to be switched on."""
    for collector in _collectors(Metrics(_gauges(), "0")):
        for family in collector.collect():
            labels = tuple(getattr(collector if isinstance(collector, MetricWrapperBase) else family, "_labelnames", ()) or ())
            if family.type == "info":
                labels = tuple(label for sample in family.samples for label in sample.labels)
            yield Row(family.name + _ENDINGS.get(family.type, ""), family.type.replace("info", "gauge"), labels, family.documentation)


_ENDINGS = {"counter": "_total", "info": "_info"}


def _collectors(metrics: Metrics) -> list[Collector]:
    """Those that are registered; prometheus_client has no public list of them."""
    return list(metrics._registry._collector_to_names)


def _gauges() -> Gauges:
    """Answer each question that has no answer by default, or none at all, so that its series are listed."""
    answers: dict[str, Any] = {
        "media_ports": lambda: (0, 0),
        "store_size": lambda: StoreSize(0, 0, 0),
        "certificate_expiry": lambda: 0.0,
        "voice_calls": lambda: (0, 0, 0),
        "replicas": int,
    }
    unanswered: Callable[[], _Anything] = _Anything
    for field in fields(Gauges):
        if field.name not in answers and field.default in (None, MISSING):
            answers[field.name] = unanswered
    return Gauges(**answers)


def _line(row: Row) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"| `{row.name}` | {row.kind} | {labels} | {row.text} |\n"
