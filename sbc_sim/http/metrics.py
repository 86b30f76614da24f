"""Prometheus metrics, all derived from journal entries or asked for when scraped, so that they tell what the API tells.

No Call-ID, number or User-to-User value is ever a label, and every label has a bounded set of values: what is not known is ``other``.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import StoreHealth, StoreSize
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.finding import Status
from sbc_sim.sip.errors import Malformation
from sbc_sim.sip.peer import TlsProblem
from sbc_sim.sip.responses import REASONS
from sbc_sim.telephony.asking import PATHS

if TYPE_CHECKING:
    from sbc_sim.http.shared_metrics import SharedMetrics

OTHER = "other"
TELEPHONY_OPERATIONS = frozenset(operation for _, _, operation in PATHS)
HTTP_CODES = frozenset(str(int(status)) for status in HTTPStatus)
METHODS = (
    *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY"),
    *("OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
)
TLS_VERSIONS = ("", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
PROBLEMS = frozenset(problem.value for problem in TlsProblem)
MALFORMATIONS = frozenset(malformation.value for malformation in Malformation)
ORDERLY_ENDS = frozenset({"normal", "api", "max-duration", "shutdown", "escalated", "returned", "agent-ended", "agent-limit"})
MOST_REGIONS = 64
MOST_CALLS_TRACKED = 4096
_STATUS = re.compile(r"[1-6]\d\d")
CODES = frozenset(
    map(str, (*REASONS, 181, 182, 199, 300, 301, 305, 401, 402, 404, 406, 407, 410, 423, 484, 485, 493, 502, 600, 604, 606, 607))
)
"""Status codes that have a series of their own; others count by their class."""

SECONDS_OF_SETUP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SECONDS_OF_CALL = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
SECONDS_OF_JITTER = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
OCTETS_OF_UUI = (64.0, 128.0, 256.0, 512.0, 768.0, 1024.0, 1536.0, 2048.0, 4096.0, 8192.0)


def _nothing() -> Mapping[str, int]:
    return {}


def _unknown() -> float | None:
    return None


class CapturesSize(Protocol):
    """How full the captures are."""

    @property
    def octets(self) -> int:
        """Kept, and set aside for live calls."""

    @property
    def evicted(self) -> int:
        """Calls and connections that made room."""

    @property
    def omitted(self) -> int:
        """Calls that got none."""


def _in_memory() -> StoreHealth:
    return StoreHealth("memory")


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is asked for at the moment of a scrape."""

    media_ports: Callable[[], tuple[int, int]]
    """(in use, limit)"""
    store_size: Callable[[], StoreSize]
    reactor_lag: Callable[[], float] = float
    """How late the reactor's last timer was, seconds."""
    certificate_expiry: Callable[[], float | None] = _unknown
    """notAfter of the server certificate, unix seconds; None: none loaded."""
    faults: Callable[[], Mapping[str, int]] = _nothing
    """Active faults by type."""
    store_health: Callable[[], StoreHealth] = _in_memory
    """Whether what is kept also survives."""
    refused_datagrams: Callable[[], Mapping[str, int]] = _nothing
    """Datagrams on the media ports that no leg took, by reason."""
    hep_packets: Callable[[], Mapping[str, int]] = _nothing
    """Copies for a Homer server by what became of them."""
    options: Callable[[], Mapping[str, int]] = _nothing
    """OPTIONS of ours to partners by what became of them."""
    internal_errors: Callable[[], int] = int
    """Faults of our own that the shell caught."""
    voice_calls: Callable[[], tuple[int, int, int]] | None = None
    """Voice calls of the Telephony Integration API: kept, open, and how many had to go so far."""
    captures: Callable[[], CapturesSize] | None = None
    """What is kept of the wire."""
    replicas: Callable[[], int] | None = None
    """Living replicas that share the store, this one included; None: it is not shared."""
    orders: Callable[[], Mapping[str, int]] = _nothing
    """Orders to and from other replicas by what became of them."""


class Metrics:
    """Counts what the journal tells: `store.subscribe(metrics.observe)`."""

    def __init__(self, gauges: Gauges, version: str) -> None:
        """Make a registry of its own, every series at its start."""
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody asks for
        self._registry = registry = CollectorRegistry()
        self._shared: SharedMetrics | None = None
        self._calls: OrderedDict[str, _CallSoFar] = OrderedDict()
        self._regions: set[str] = set()
        self._rule_results = _RuleResults()
        registry.register(self._rule_results)
        Info("sbc_sim_build", "What runs", registry=registry).info({"version": version})
        registry.register(_Asked(gauges))

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"sbc_sim_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"sbc_sim_{name}", text, buckets=buckets, registry=registry)

        self._connections = Gauge("sbc_sim_sip_connections", "Open SIP connections", registry=registry)
        self._handshakes = counter("tls_handshakes", "TLS handshakes; reason: why one failed", "result", "version", "reason")
        self._requests = counter("sip_requests", "SIP requests", "direction", "method")
        self._responses = counter("sip_responses", "SIP responses", "direction", "method", "code")
        self._parse_errors = counter("sip_parse_errors", "Messages that could not be read", "reason")
        self._active = Gauge("sbc_sim_calls_active", "Calls that have not ended", registry=registry)
        self._ended = counter("calls", "Calls that ended", "direction", "region", "result")
        self._setup = histogram("call_setup_seconds", "From INVITE to 200", SECONDS_OF_SETUP)
        self._duration = histogram("call_duration_seconds", "From 200 to the end", SECONDS_OF_CALL)
        self._rejections = counter("rejections", "Refused requests", "code", "rule")
        self._packets = counter("srtp_packets", "SRTP packets", "direction", "result")
        self._telephony_requests = counter("telephony_requests", "Requests to the Telephony Integration API", "operation", "code")
        self._lost = counter("rtp_lost_packets", "RTP packets that never came")
        self._jitter = histogram("rtp_jitter_seconds", "Largest interarrival jitter of a call", SECONDS_OF_JITTER)
        self._uui = histogram("uui_bytes", "Length of the User-to-User data as received", OCTETS_OF_UUI)

    def observe(self, entry: Entry) -> None:
        """Take one entry into account."""
        observe_one = _OBSERVERS.get(entry.kind)
        if observe_one is not None:
            observe_one(self, entry)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Text for a scraper and its content type, by the scraper's Accept header."""
        encode, media_type = choose_encoder(accept)
        return encode(cast(CollectorRegistry, self._shared or self._registry)), media_type

    def share(self, folder: Path, worker: int) -> SharedMetrics:
        """Tell those of other workers too from now on, which stand in `folder`; ours is to be written there by what this returns."""
        from sbc_sim.http.shared_metrics import SharedMetrics

        self._shared = SharedMetrics(folder, worker, self._registry)
        return self._shared

    def _opened(self, entry: Entry) -> None:
        self._connections.inc()
        tls = entry.data.get("tls")
        if tls:
            self._handshakes.labels("ok", _word(tls.get("version"), TLS_VERSIONS), "").inc()

    def _closed(self, entry: Entry) -> None:
        self._connections.dec()

    def _attempt(self, entry: Entry) -> None:
        version = _word(entry.data.get("version") or "", TLS_VERSIONS)
        self._handshakes.labels("failed", version, _word(entry.data.get("problem"), PROBLEMS)).inc()
        self._count_rules(entry.data.get("findings", ()))

    def _message(self, entry: Entry) -> None:
        data = entry.data
        direction, method = _word(data.get("direction"), ("in", "out")), _word(data.get("method"), METHODS)
        if data.get("status") is None:
            self._requests.labels(direction, method).inc()
        else:
            self._responses.labels(direction, method, _code(data["status"])).inc()

    def _parse_error(self, entry: Entry) -> None:
        self._parse_errors.labels(_word(entry.data.get("malformation"), MALFORMATIONS)).inc()

    def _rejected(self, entry: Entry) -> None:
        self._rejections.labels(_code(entry.data.get("status")), _rule_id(entry.data.get("rule"))).inc()

    def _call_started(self, entry: Entry) -> None:
        self._active.inc()
        data = entry.data
        self._so_far(entry.call).begin(entry.at, _word(data.get("direction"), ("inbound", "outbound")), self._region(data.get("region")))

    def _call_state(self, entry: Entry) -> None:
        call = self._so_far(entry.call)
        if entry.data.get("state") == "answered" and call.answered_at is None:
            call.answered_at = entry.at
            self._setup.observe(max(0.0, entry.at - call.started_at))

    def _call_ended(self, entry: Entry) -> None:
        self._active.dec()
        call = self._so_far(entry.call)
        self._ended.labels(call.direction, call.region, _result(entry.data, call.answered_at is not None)).inc()
        if call.answered_at is not None:
            self._duration.observe(max(0.0, entry.at - call.answered_at))

    def _verdict(self, entry: Entry) -> None:
        self._count_rules(entry.data.get("findings", ()))

    def _telephony(self, entry: Entry) -> None:
        operation = _word(entry.data.get("operation"), TELEPHONY_OPERATIONS)
        self._telephony_requests.labels(operation, _word(str(entry.data.get("status")), HTTP_CODES)).inc()
        self._count_rules(entry.data.get("findings", ()))

    def _user_to_user(self, entry: Entry) -> None:
        if entry.data.get("raw") is not None:
            self._uui.observe(entry.data.get("lengths", {}).get("value", 0))

    def _media(self, entry: Entry) -> None:
        data, call = entry.data, self._so_far(entry.call)
        for direction, result, member in _PACKETS:
            self._packets.labels(direction, result).inc(call.grown(member, data))
        self._lost.inc(call.grown("lost", data))
        if data.get("final") and data.get("packetsReceived"):
            self._jitter.observe(data.get("maxJitterMs", 0.0) / 1000)

    def _count_rules(self, findings: Iterable[Mapping[str, Any]]) -> None:
        self._rule_results.count(findings)

    def _so_far(self, call: str | None) -> _CallSoFar:
        found = self._calls.get(call or "")
        if found is None:
            found = self._calls[call or ""] = _CallSoFar()
            if len(self._calls) > MOST_CALLS_TRACKED:
                self._calls.popitem(last=False)
        return found

    def _region(self, region: str | None) -> str:
        """Regions come from settings; the bound is a net beneath that."""
        name = region or ""
        if name not in self._regions and len(self._regions) >= MOST_REGIONS:
            return OTHER
        self._regions.add(name)
        return name


class _CallSoFar:
    """What must be remembered of a call between its entries."""

    __slots__ = ("_counted", "answered_at", "direction", "region", "started_at")

    def __init__(self) -> None:
        self.begin(0.0, "inbound", "")
        self.answered_at: float | None = None
        self._counted: dict[str, int] = {}

    def begin(self, at: float, direction: str, region: str) -> None:
        """Note how it began."""
        self.started_at, self.direction, self.region = at, direction, region

    def grown(self, member: str, data: Mapping[str, Any]) -> int:
        """By how much a count that only rises has risen since the last report."""
        now = int(data.get(member) or 0)
        before = self._counted.get(member, 0)
        self._counted[member] = max(now, before)
        return max(0, now - before)


class _RuleResults(Collector):
    """What the rules said, counted by hand: a verdict names every rule, and a look-up by labels for each would cost more than all else."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = dict.fromkeys(((rule, status.value) for rule in RULES for status in Status), 0)

    def count(self, findings: Iterable[Mapping[str, Any]]) -> None:
        """Count findings; what is not of the catalogue is left out."""
        counts = self._counts
        for finding in findings:
            key = (finding["rule"], finding["status"])
            if key in counts:
                counts[key] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Show what was counted."""
        text = "What the rules said of ended calls and failed attempts"
        family = CounterMetricFamily("sbc_sim_rule_results", text, labels=["rule", "status"])
        for key, number in self._counts.items():
            if number:
                family.add_metric(list(key), number)
        yield family


class _Asked(Collector):
    """Gauges whose values are asked for at a scrape."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Ask."""
        gauges = self._gauges
        in_use, limit = gauges.media_ports()
        size = gauges.store_size()
        yield _gauge("media_ports_in_use", "Media ports that a call holds", in_use)
        yield _gauge("media_ports_limit", "Media ports there are", limit)
        yield _gauge("store_calls", "Calls kept", size.calls)
        yield _gauge("store_size_bytes", "Estimated size of what is kept", size.octets)
        yield _gauge("reactor_lag_seconds", "How late the event loop runs", gauges.reactor_lag())
        yield _counter("store_dropped_entries", "Journal entries dropped for a bound", size.dropped)
        yield from _store_health(gauges.store_health())
        yield _counter("internal_errors", "Faults of the simulator itself: look into the log", gauges.internal_errors())
        if gauges.captures is not None:
            kept = gauges.captures()
            yield _gauge("capture_bytes", "Octets of captures, kept or set aside for live calls", kept.octets)
            yield _counter("capture_evictions", "Calls and connections whose captures made room for newer ones", kept.evicted)
            yield _counter("capture_omissions", "Calls of which no packets were kept for want of room", kept.omitted)
        refused = CounterMetricFamily("sbc_sim_media_datagrams_refused", "Datagrams that no leg took", labels=["reason"])
        for reason, number in gauges.refused_datagrams().items():
            refused.add_metric([reason], number)
        yield refused
        asked = CounterMetricFamily("sbc_sim_options_sent", "OPTIONS of ours to partners by what became of them", labels=["result"])
        for result, number in gauges.options().items():
            asked.add_metric([result], number)
        yield asked
        copies = CounterMetricFamily("sbc_sim_hep_packets", "Copies of messages for a Homer server", labels=["result"])
        for result, number in gauges.hep_packets().items():
            copies.add_metric([result], number)
        yield copies
        yield from _replicas(gauges)
        expiry = gauges.certificate_expiry()
        if expiry is not None:
            yield _gauge("tls_certificate_expiry_timestamp_seconds", "When the server certificate expires", expiry)
        if gauges.voice_calls is not None:
            known, opened, evicted = gauges.voice_calls()
            yield _gauge("voice_calls", "Voice calls that are kept", known)
            yield _gauge("voice_calls_open", "Voice calls that are not closed", opened)
            yield CounterMetricFamily("sbc_sim_voice_calls_evicted", "Voice calls that made room for others", value=evicted)
        faults = GaugeMetricFamily("sbc_sim_faults_active", "Injected faults", labels=["type"])
        for name, number in list(gauges.faults().items())[:MOST_REGIONS]:
            faults.add_metric([name], number)
        yield faults


def _replicas(gauges: Gauges) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    if gauges.replicas is None:
        return
    yield _gauge("replicas_live", "Living replicas that share the store, this one included", gauges.replicas())
    orders = CounterMetricFamily("sbc_sim_orders", "Orders to and from other replicas by what became of them", labels=["result"])
    for result, number in gauges.orders().items():
        orders.add_metric([result], number)
    yield orders


def _store_health(health: StoreHealth) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    yield _gauge("store_file_bytes", "Size of the file, 0 without one", health.file_octets)
    yield _gauge("store_waiting_entries", "Journal entries that are not on disk, or in the database, yet", health.waiting)
    yield _counter("store_lost_entries", "Journal entries that found no room while the disk or the database failed", health.lost)
    yield _gauge("store_degraded", "1 while what happens cannot be written to the disk or the database", float(bool(health.trouble)))
    yield _counter("store_missed", "Times that other replicas wrote more than could be told to pages and waiting clients", health.missed)


_PACKETS = (
    ("in", "ok", "packetsReceived"),
    ("in", "auth_failed", "authFailures"),
    ("in", "old_key", "oldKey"),
    ("in", "replayed", "replayed"),
    ("in", "plain", "plainRtp"),
    ("in", "malformed", "malformed"),
    ("out", "ok", "packetsSent"),
    ("out", "error", "sendErrors"),
)

_OBSERVERS: Mapping[Kind, Callable[[Metrics, Entry], None]] = {
    Kind.CONNECTION_OPENED: Metrics._opened,
    Kind.CONNECTION_CLOSED: Metrics._closed,
    Kind.ATTEMPT: Metrics._attempt,
    Kind.MESSAGE: Metrics._message,
    Kind.PARSE_ERROR: Metrics._parse_error,
    Kind.REJECTED: Metrics._rejected,
    Kind.CALL_STARTED: Metrics._call_started,
    Kind.CALL_STATE: Metrics._call_state,
    Kind.CALL_ENDED: Metrics._call_ended,
    Kind.VERDICT: Metrics._verdict,
    Kind.UUI: Metrics._user_to_user,
    Kind.MEDIA: Metrics._media,
    Kind.TELEPHONY: Metrics._telephony,
}


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sbc_sim_{name}", text, value=value)


def _word(value: object, known: Container[str]) -> str:
    return str(value) if isinstance(value, str) and value in known else OTHER


def _code(status: object) -> str:
    text = str(status)
    if text in CODES:
        return text
    return f"{text[0]}xx" if _STATUS.fullmatch(text) else OTHER


def _rule_id(rule: object) -> str:
    return _word(rule, RULES)


def _result(data: Mapping[str, Any], answered: bool) -> str:
    """Return rejected, cancelled, unanswered, completed or failed."""
    if data.get("state") == "rejected":
        return "rejected"
    if not answered:
        return "cancelled" if data.get("endReason") == "cancelled" else "unanswered"
    return "completed" if data.get("endReason") in ORDERLY_ENDS else "failed"


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"sbc_sim_{name}", text, value=value)
