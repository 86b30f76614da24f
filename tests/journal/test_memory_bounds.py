from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.record import StoreLimits, entry_octets
from sbc_sim.journal.store import CallQuery


def start(store: MemoryStore, call: str) -> None:
    store.append(Entry(1.0, Kind.CALL_STARTED, call, {"sipCallId": call}))


def end(store: MemoryStore, call: str) -> None:
    store.append(Entry(2.0, Kind.CALL_ENDED, call, {"state": "ended", "endedBy": "partner", "endReason": "normal"}))


def note(store: MemoryStore, call: str | None, text: str, raw: bytes = b"") -> None:
    store.append(Entry(3.0, Kind.NOTE, call, {"text": text}, raw))


def kept(store: MemoryStore) -> list[str]:
    return [view.id for view in store.calls(CallQuery(limit=500)).calls]


def test_the_call_that_ended_first_goes_first_even_when_a_live_one_is_older() -> None:
    store = MemoryStore(StoreLimits(calls=3))
    for call in ("live", "second", "third"):
        start(store, call)
    end(store, "third")
    end(store, "second")
    start(store, "fourth")
    assert kept(store) == ["fourth", "second", "live"]


def test_with_only_live_calls_the_oldest_goes() -> None:
    store = MemoryStore(StoreLimits(calls=2))
    for call in ("a", "b", "c"):
        start(store, call)
    assert kept(store) == ["c", "b"]


def test_a_forgotten_call_does_not_come_back_as_a_fragment() -> None:
    store = MemoryStore(StoreLimits(calls=1))
    start(store, "a")
    start(store, "b")
    note(store, "a", "late")
    assert kept(store) == ["b"]
    assert store.call("a") is None
    assert store.size().dropped == 2


def test_the_first_and_the_last_entries_of_a_long_call_stay() -> None:
    store = MemoryStore(StoreLimits(first_entries=3, last_entries=4))
    start(store, "c")
    for number in range(20):
        note(store, "c", str(number))
    trace = store.trace("c")
    assert trace is not None
    assert [entry.data.get("text") for entry in trace.entries] == [None, "0", "1", "16", "17", "18", "19"]
    assert (trace.dropped, trace.dropped_after) == (14, 3)
    assert store.size().dropped == 14


def test_what_was_dropped_from_the_middle_still_counts_in_the_view() -> None:
    store = MemoryStore(StoreLimits(first_entries=1, last_entries=1))
    start(store, "c")
    store.append(Entry(2.0, Kind.CALL_STATE, "c", {"state": "answered"}))
    store.append(Entry(2.0, Kind.UUI, "c", {"raw": "48;encoding=hex"}))
    for number in range(5):
        note(store, "c", str(number))
    view = store.call("c")
    assert view is not None
    assert view.answered_at == 2.0
    assert view.uui == {"raw": "48;encoding=hex"}


def test_attempts_and_outside_entries_keep_the_newest() -> None:
    store = MemoryStore(StoreLimits(attempts=2, outside=3))
    for number in range(5):
        store.append(Entry(1.0, Kind.ATTEMPT, None, {"id": number}))
        note(store, None, str(number))
    assert [entry.data["id"] for entry in store.attempts().entries] == [4, 3]
    assert [entry.data["text"] for entry in store.outside().entries] == ["4", "3", "2"]
    assert store.size().dropped == 5


def test_connection_facts_are_remembered_for_a_bounded_number_of_connections() -> None:
    store = MemoryStore(StoreLimits(connections=2))
    for connection in (1, 2, 3):
        store.append(Entry(1.0, Kind.CONNECTION_OPENED, None, {"connection": connection, "tls": None}))
    for connection in (1, 3):
        store.append(Entry(2.0, Kind.CALL_STARTED, f"c{connection}", {"connection": connection}))
    traces = [store.trace("c1"), store.trace("c3")]
    assert [trace.opened is not None for trace in traces if trace] == [False, True]


def test_one_huge_call_cannot_push_out_the_others() -> None:
    store = MemoryStore(StoreLimits(octets=800_000))
    start(store, "small")
    start(store, "huge")
    for number in range(100):
        note(store, "huge", str(number), b"x" * 60_000)
    assert kept(store) == ["huge", "small"]
    trace = store.trace("huge")
    assert trace is not None
    assert trace.entries[-1].data["text"] == "99"
    assert store.size().octets < 800_000


def test_many_calls_stay_under_the_octet_limit() -> None:
    store = MemoryStore(StoreLimits(octets=500_000))
    for number in range(50):
        start(store, f"c{number}")
        note(store, f"c{number}", "body", b"x" * 50_000)
        end(store, f"c{number}")
        assert store.size().octets <= 500_000
    assert kept(store)[0] == "c49"
    assert len(kept(store)) >= 5


KINDS = st.sampled_from([Kind.CALL_STARTED, Kind.CALL_ENDED, Kind.CALL_STATE, Kind.NOTE, Kind.MESSAGE, Kind.ATTEMPT, Kind.UUI])
EVENTS = st.tuples(KINDS, st.sampled_from([None, "a", "b", "c", "d", "e"]), st.integers(0, 3000))


@given(st.lists(EVENTS, max_size=60))
def test_no_order_of_entries_breaks_a_bound_or_the_bookkeeping(events: list[tuple[Kind, str | None, int]]) -> None:
    limits = StoreLimits(calls=3, first_entries=2, last_entries=3, attempts=4, outside=4, octets=20_000)
    store = MemoryStore(limits)
    for kind, call, size in events:
        store.append(Entry(1.0, kind, call, {"state": "answered"}, b"x" * size))
    calls = kept(store)
    traces = [store.trace(call) for call in calls]
    assert len(calls) <= limits.calls
    assert all(trace is not None and len(trace.entries) <= 5 for trace in traces)
    listed = [entry for trace in traces if trace for entry in trace.entries]
    listed += [*store.attempts(500).entries, *store.outside(500).entries]
    assert store.size().octets == sum(map(entry_octets, listed))
    assert store.size().dropped == len(events) - len(listed)


def finding(rule: str, detail: str, evidence: tuple[str, ...] = ()) -> dict[str, object]:
    quotes = [{"text": text} for text in evidence]
    platforms = {"AudioCodes": "IP Profile", "Oracle": "sip-interface"}
    return {"rule": rule, "status": "pass", "detail": detail, "fix": "-", "evidence": quotes, "why": "w" * 300, "platforms": platforms}


def test_equal_findings_of_many_calls_are_kept_once_and_read_back_equal() -> None:
    store = MemoryStore()
    verdicts = [
        [finding("SBC-SIP-001", "fine"), finding("SBC-SIP-002", f"call {n}"), finding("SBC-SIP-003", "x", (str(n),))] for n in range(2)
    ]
    for number, findings in enumerate(verdicts):
        start(store, f"c{number}")
        store.append(Entry(2.0, Kind.VERDICT, f"c{number}", {"status": "pass", "counts": {}, "findings": findings}))
    views = [store.call(f"c{number}") for number in range(2)]
    kept_findings = [view.verdict["findings"] for view in views if view and view.verdict]
    assert kept_findings == verdicts
    assert kept_findings[0][0] is kept_findings[1][0]
    assert kept_findings[0][1] is not kept_findings[1][1]
    assert kept_findings[0][1]["platforms"] is kept_findings[1][1]["platforms"]


def test_a_finding_that_differs_only_in_other_words_is_never_mistaken_for_a_known_one() -> None:
    store = MemoryStore()
    one, other = (
        finding("SBC-SIP-001", "fine"),
        {**finding("SBC-SIP-001", "fine"), "why": "another catalogue", "platforms": {"Oracle": "x"}},
    )
    for call, found in (("a", one), ("b", other)):
        start(store, call)
        store.append(Entry(2.0, Kind.VERDICT, call, {"status": "pass", "counts": {}, "findings": [found]}))
    view = store.call("b")
    assert view is not None
    assert view.verdict is not None
    assert view.verdict["findings"] == [other]
