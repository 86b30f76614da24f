from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.http.metrics import METHODS, Gauges, Metrics
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import StoreSize
from tests.http.conftest import START, Lab, answered, ended, message, started
from tests.support.sip import Exchange

# interface.md, section Metrics: other people's dashboards depend on these.
NAMES = {
    "build_info": [], "sip_connections": [], "tls_handshakes_total": ["result", "version", "reason"],
    "tls_certificate_expiry_timestamp_seconds": [], "sip_requests_total": ["direction", "method"],
    "sip_responses_total": ["direction", "method", "code"], "sip_parse_errors_total": ["reason"], "calls_active": [],
    "calls_total": ["direction", "region", "result"], "call_setup_seconds": [], "call_duration_seconds": [],
    "rule_results_total": ["rule", "status"], "rejections_total": ["code", "rule"], "srtp_packets_total": ["direction", "result"],
    "rtp_lost_packets_total": [], "rtp_jitter_seconds": [], "media_ports_in_use": [], "media_ports_limit": [], "uui_bytes": [],
    "faults_active": ["type"], "store_calls": [], "store_size_bytes": [], "reactor_lag_seconds": [],
    "store_dropped_entries_total": [], "store_file_bytes": [], "store_waiting_entries": [], "store_lost_entries_total": [],
    "store_missed_total": [], "store_degraded": [], "telephony_requests_total": ["operation", "code"],
    "hep_packets_total": ["result"], "options_sent_total": ["result"], "internal_errors_total": [],
    "media_datagrams_refused_total": ["reason"],
}  # fmt: skip


def a_metrics(**changed: Callable[[], object]) -> Metrics:
    gauges = {"media_ports": lambda: (2, 20), "store_size": lambda: StoreSize(3, 4000, 0), "reactor_lag": lambda: 0.002}
    gauges |= {"certificate_expiry": lambda: 2e9, "faults": lambda: {"loss": 1}, "refused_datagrams": lambda: {"no_leg": 3}}
    gauges |= {"options": lambda: {"answered": 2}, **changed}
    return Metrics(Gauges(**gauges), "1.2.3")  # type: ignore[arg-type]


def samples(metrics: Metrics) -> dict[str, float]:
    """Each sample as name{labels} -> value."""
    text = metrics.exposition()[0].decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


def told(*entries: Entry) -> dict[str, float]:
    metrics = a_metrics()
    for entry in entries:
        metrics.observe(entry)
    return samples(metrics)


def of(kind: Kind, at: float = START, call: str | None = "c1", **data: object) -> Entry:
    return Entry(at, kind, call, data)


def everything() -> list[Entry]:
    peer = {"host": "192.0.2.1", "port": 40001}
    report = {"packetsReceived": 100, "packetsSent": 99, "authFailures": 3, "replayed": 2, "lost": 1, "maxJitterMs": 4.0, "final": True}
    found = ({"rule": "SBC-UUI-001", "status": "pass"}, {"rule": "SBC-UUI-002", "status": "fail"})
    return [
        of(Kind.CONNECTION_OPENED, call=None, connection=1, peer=peer, tls={"version": "TLSv1.3", "cipher": "x"}),
        of(Kind.ATTEMPT, call=None, problem="unknown-ca", version="TLSv1.2", findings=[{"rule": "SBC-TLS-006", "status": "fail"}]),
        of(Kind.PARSE_ERROR, call=None, malformation="bad-start-line"),
        started("c1", region="TOKYO"),
        message("c1", "INVITE", b""),
        message("c1", "200 OK (INVITE)", b"", direction="out"),
        of(Kind.UUI, raw="48;encoding=hex", lengths={"value": 118, "line": 145, "decoded": 59}),
        answered("c1"),
        of(Kind.MEDIA, **report),
        of(Kind.REJECTED, status=405, rule="SBC-SIP-024", method="REFER"),
        *ended("c1", findings=found),
    ]


def test_every_metric_of_the_interface_is_there_with_its_labels_and_no_other() -> None:
    metrics = a_metrics()
    for entry in everything():
        metrics.observe(entry)
    text = metrics.exposition()[0].decode()
    families = set(re.findall(r"^# TYPE sbc_sim_(\w+) ", text, re.MULTILINE))
    assert families == set(NAMES)
    for line in text.splitlines():
        match = re.match(r"sbc_sim_(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? ", line)
        if match and not line.startswith("#"):
            labels = [name for name in re.findall(r'(\w+)="', match[2] or "") if name not in ("le", "version")]
            expected = [name for name in NAMES.get(match[1], NAMES.get(match[1] + "_total", [])) if name != "version"]
            assert sorted(labels) == sorted(expected), line


def test_a_whole_call_is_counted() -> None:
    got = told(*everything())
    expected = {
        'build_info{version="1.2.3"}': 1, "sip_connections": 1, "calls_active": 0,
        'tls_handshakes_total{reason="",result="ok",version="TLSv1.3"}': 1,
        'tls_handshakes_total{reason="unknown-ca",result="failed",version="TLSv1.2"}': 1,
        'sip_requests_total{direction="in",method="INVITE"}': 1, 'sip_responses_total{code="200",direction="out",method="INVITE"}': 1,
        'sip_parse_errors_total{reason="bad-start-line"}': 1, 'calls_total{direction="inbound",region="TOKYO",result="completed"}': 1,
        "call_setup_seconds_sum": 0.25, "call_setup_seconds_count": 1, "call_duration_seconds_sum": 4.75, "uui_bytes_sum": 118,
        'rule_results_total{rule="SBC-UUI-001",status="pass"}': 1, 'rule_results_total{rule="SBC-UUI-002",status="fail"}': 1,
        'rule_results_total{rule="SBC-TLS-006",status="fail"}': 1, 'rejections_total{code="405",rule="SBC-SIP-024"}': 1,
        'srtp_packets_total{direction="in",result="ok"}': 100, 'srtp_packets_total{direction="out",result="ok"}': 99,
        'srtp_packets_total{direction="in",result="auth_failed"}': 3, 'srtp_packets_total{direction="in",result="replayed"}': 2,
        "rtp_lost_packets_total": 1, "rtp_jitter_seconds_sum": 0.004, "rtp_jitter_seconds_count": 1,
        "media_ports_in_use": 2, "media_ports_limit": 20, "store_calls": 3, "store_size_bytes": 4000, "reactor_lag_seconds": 0.002,
        "tls_certificate_expiry_timestamp_seconds": 2e9, 'faults_active{type="loss"}': 1,
    }  # fmt: skip

    def sorted_labels(name: str) -> str:
        front, brace, inner = name.partition("{")
        return front + brace + (",".join(sorted(inner.rstrip("}").split(","))) + "}" if brace else "")

    assert {name: value for name, value in {sorted_labels(name): v for name, v in got.items()}.items() if name[8:] in expected} == {
        f"sbc_sim_{name}": value for name, value in expected.items()
    }


def test_media_reports_count_only_what_was_added_since_the_last_one() -> None:
    reports = [of(Kind.MEDIA, packetsReceived=n, lost=n // 10, final=n == 30) for n in (10, 20, 20, 30)]
    other = of(Kind.MEDIA, call="c2", packetsReceived=5, final=True)
    got = told(*reports, other)
    assert got['sbc_sim_srtp_packets_total{direction="in",result="ok"}'] == 35
    assert got["sbc_sim_rtp_lost_packets_total"] == 3
    assert got["sbc_sim_rtp_jitter_seconds_count"] == 2


def test_a_loss_that_late_packets_made_smaller_does_not_break_the_counter() -> None:
    got = told(*(of(Kind.MEDIA, lost=n) for n in (5, 3, 6)))
    assert got["sbc_sim_rtp_lost_packets_total"] == 6


@pytest.mark.parametrize(
    ("over", "was_answered", "result"),
    [
        ({"state": "ended"}, True, "completed"), ({"state": "ended", "endReason": "api", "endedBy": "sbc"}, True, "completed"),
        ({"state": "ended", "endReason": "media-timeout"}, True, "failed"), ({"state": "ended", "endReason": "no-ack"}, True, "failed"),
        *(({"state": "ended", "endReason": why}, True, "completed") for why in ("escalated", "agent-ended", "agent-limit")),
        ({"state": "rejected", "endReason": "refused"}, False, "rejected"),
        ({"state": "ended", "endReason": "cancelled"}, False, "cancelled"),
        ({"state": "ended", "endReason": "connection-lost"}, False, "unanswered"),
    ],
)  # fmt: skip
def test_how_a_call_ended_is_its_result(over: dict[str, str], was_answered: bool, result: str) -> None:
    got = told(started("c1"), *([answered("c1")] if was_answered else []), *ended("c1", **over))
    assert got[f'sbc_sim_calls_total{{direction="inbound",region="",result="{result}"}}'] == 1


@given(st.lists(st.tuples(st.text(max_size=8), st.integers(-5, 999), st.text(max_size=8)), max_size=20))
def test_hostile_methods_codes_and_words_make_no_series_of_their_own(values: list[tuple[str, int, str]]) -> None:
    metrics = a_metrics()
    for word, number, other in values:
        metrics.observe(message(None, "INVITE", b"", method=word))
        metrics.observe(message(None, "INVITE", b"", method=word, status=number, direction=other))
        metrics.observe(of(Kind.PARSE_ERROR, call=None, malformation=word))
        metrics.observe(of(Kind.REJECTED, status=number, rule=word))
        metrics.observe(of(Kind.ATTEMPT, call=None, problem=word, version=other, findings=[{"rule": word, "status": other}]))
    text = metrics.exposition()[0].decode()
    named = re.findall(r'(direction|method|code|reason|version|rule)="([^"]*)"', text)
    allowed = {
        "direction": r"in|out|other", "method": f"{'|'.join(METHODS)}|other", "code": r"[1-6]\d\d|[1-6]xx|other", "reason": r"[a-z_-]*",
        "version": r"(TLSv1(\.\d)?|SSLv3|other|1\.2\.3)?", "rule": r"other",
    }  # fmt: skip
    assert all(re.fullmatch(allowed[name], value) for name, value in named), named


def test_regions_are_bounded_although_they_come_from_settings() -> None:
    metrics = a_metrics()
    for number in range(200):
        metrics.observe(started(f"c{number}", region=f"R{number}"))
        for entry in ended(f"c{number}"):
            metrics.observe(entry)
    regions = set(re.findall(r'region="(\w*)"', metrics.exposition()[0].decode()))
    assert len(regions) == 65
    assert "other" in regions


def test_no_call_id_number_or_user_to_user_is_ever_in_the_metrics() -> None:
    exchange = Exchange()
    placed = exchange.line().call()
    placed.send("BYE")
    metrics = a_metrics()
    for entry in exchange.entries:
        metrics.observe(entry)
    text = metrics.exposition()[0].decode()
    assert 'sbc_sim_calls_total{direction="inbound",region="",result="completed"} 1.0' in text
    for secret in ("15550100", "15550111", "@partner", "7b226f", "echo-test-org", "192.0.2.1"):
        assert secret not in text


def test_a_scraper_gets_the_format_it_asks_for(lab: Lab) -> None:
    plain = lab.client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert "sbc_sim_store_calls 0.0" in plain.text
    openmetrics = lab.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


def test_metrics_and_the_api_tell_the_same_story(lab: Lab) -> None:
    lab.tell(started("c1"), answered("c1"), *ended("c1"), started("c2"))
    text = lab.client.get("/metrics").text
    assert "sbc_sim_calls_active 1.0" in text
    assert "sbc_sim_store_calls 2.0" in text
    assert 'sbc_sim_calls_total{direction="inbound",region="",result="completed"} 1.0' in text


def test_no_certificate_means_no_expiry_rather_than_a_wrong_one() -> None:
    assert "certificate_expiry" not in a_metrics(certificate_expiry=lambda: None).exposition()[0].decode()
