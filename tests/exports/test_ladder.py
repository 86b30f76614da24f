from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbc_sim.exports.ladder import MOST_ROWS, build_ladder
from sbc_sim.exports.ladder_rows import Shape
from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore, StoreLimits
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.leg import DtmfEvent, LegReport
from tests.support.sip import SDP, Exchange, Placed, a_request, an_environment, an_invite

START = 1_700_000_000.0


def trace_of(entries: list[Entry], limits: StoreLimits | None = None) -> Trace:
    store = MemoryStore(limits)
    for entry in entries:
        store.append(entry)
    call = next(entry.call for entry in entries if entry.call)
    trace = store.trace(call)
    assert trace is not None
    return trace


def labels(trace: Trace) -> list[str]:
    return [row.label for row in build_ladder(trace).rows]


def an_echo_call(seconds: float = 3.0, **reported: object) -> tuple[Exchange, Placed]:
    """A call with media as the media plane would report it."""
    reports: dict[str, LegReport] = {}
    exchange = Exchange(environment=an_environment(reports=reports))
    placed = exchange.line().call()
    call = next(entry.call for entry in exchange.entries if entry.call)
    seen = {"packets_received": 150, "packets_sent": 150, "echoed_packets": 150, "expected": 150, "first_packet_at": exchange.now + 0.06}
    reports[call] = LegReport(**{**seen, "last_packet_at": exchange.now + seconds, **reported})  # type: ignore[arg-type]
    exchange.wait(seconds)
    return exchange, placed


def test_a_whole_call_is_drawn_as_one_would_draw_it_by_hand() -> None:
    exchange, placed = an_echo_call(dtmf=(DtmfEvent("5", START + 1, 80), DtmfEvent("6", START + 1.2, 80)))
    placed.send("BYE")
    text = ladder_text(trace_of(exchange.entries), 80)
    drawn = [line for line in text.splitlines() if "│" in line]
    assert drawn == [
        "          │                                                                    │",
        "  +0.000  │─ INVITE with SDP, User-to-User ───────────────────────────────────▶│",
        "  +0.000  │◀───────────────────────────────────────────── 100 Trying (INVITE) ─│",
        "  +0.000  │◀──────────────────────────────────────────── 180 Ringing (INVITE) ─│",
        "  +0.000  │◀──────────────────────────────────────── 200 OK (INVITE) with SDP ─│",
        "  +0.000  │─ ACK ─────────────────────────────────────────────────────────────▶│",
        "  +0.000  │════════════════ SRTP PCMU, AES_CM_128_HMAC_SHA1_80 ════════════════│",
        "          │═ 150 packets ══════════════════▶ ◀════════════════════ 150 echoed ═│",
        "  +1.000  │                              key 5 6                               │",
        "  +3.000  │─ BYE ─────────────────────────────────────────────────────────────▶│",
        "  +3.000  │◀──────────────────────────────────────────────────── 200 OK (BYE) ─│",
        "          │                                                                    │",
    ]
    assert "TLSv1.3, TLS_AES_256_GCM_SHA384, no server name (SNI), no client certificate" in text
    assert "ended by partner: normal after 3.0 s" in text
    assert re.search(r"^verdict: (PASS|WARN|FAIL)$", text, re.MULTILINE)
    assert "192.0.2.1:40001" in text
    assert "203.0.113.5:5061" in text


def test_a_refusal_stands_beside_the_message_that_caused_it_with_its_rule() -> None:
    exchange = Exchange()
    exchange.line().send(an_invite(user_to_user="7b2"))
    trace = trace_of(exchange.entries)
    rows = build_ladder(trace).rows
    marked = {row.label: [mark.rule for mark in row.marks] for row in rows}
    assert marked["INVITE"][0] == "SBC-UUI-002"
    assert marked["400 Bad Request (INVITE)"] == []
    text = ladder_text(trace, 80)
    assert text.index("INVITE with") < text.index("FAIL SBC-UUI-002") < text.index("100 Trying")
    assert "rejected with 400 by SBC-UUI-002" in text


def test_a_finding_about_a_later_request_stands_beside_that_one() -> None:
    exchange, placed = an_echo_call()
    placed.send("REFER", refer_to="<sip:x@y>")
    placed.send("BYE")
    rows = build_ladder(trace_of(exchange.entries)).rows
    assert [mark.rule for row in rows if row.label == "REFER" for mark in row.marks] == ["SBC-SIP-024"]


def test_a_finding_of_a_refused_change_stands_beside_the_later_invite_even_within_one_instant() -> None:
    exchange = Exchange()
    placed = exchange.line().call()
    plain = "".join(line + "\r\n" for line in SDP.replace("SAVP", "AVP").splitlines() if not line.startswith("a=crypto"))
    assert placed.final("INVITE", plain.replace("o=- 77 1 ", "o=- 77 2 ")).status == 488
    live = build_ladder(trace_of(exchange.entries)).rows
    placed.send("BYE")
    for rows in (live, build_ladder(trace_of(exchange.entries)).rows):
        invites = [[mark.rule for mark in row.marks] for row in rows if row.label == "INVITE"]
        assert ["SBC-SRTP-001" in rules for rules in invites] == [False, True]


def test_a_finding_that_only_the_verdict_tells_stands_beside_the_first_message_of_its_name() -> None:
    finding = {"rule": "SBC-SDP-001", "status": "fail", "detail": "d", "evidence": [{"message": "INVITE", "text": "v=0"}]}
    entries = [
        Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x"}),
        *(Entry(START + n, Kind.MESSAGE, "c1", {"direction": "in", "summary": "INVITE", "cseq": n}) for n in (1, 2)),
        Entry(START + 3, Kind.VERDICT, "c1", {"status": "fail", "findings": [finding]}),
    ]
    assert [[mark.rule for mark in row.marks] for row in build_ladder(trace_of(entries)).rows] == [["SBC-SDP-001"], []]


def test_a_call_of_ours_that_the_network_ended_names_the_sbc_and_no_status_or_verdict() -> None:
    why = "the connection was lost before INVITE was answered"
    entries = [
        Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x", "direction": "outbound"}),
        Entry(START, Kind.MESSAGE, "c1", {"direction": "out", "summary": "INVITE", "cseq": 1}),
        Entry(START, Kind.CALL_ENDED, "c1", {"endedBy": "network", "endReason": why, "state": "rejected", "status": 503}),
    ]
    trace = trace_of(entries)
    text = ladder_text(trace)
    assert text.rstrip().endswith(f"no call: {why}")
    assert "verdict" not in text
    assert "rejected" not in text
    assert build_ladder(trace).left[0] == "SBC (called)"


def test_findings_about_packets_stand_beside_the_double_line() -> None:
    exchange, placed = an_echo_call(lost=30, expected=180, auth_failures=4)
    placed.send("BYE")
    (media,) = [row for row in build_ladder(trace_of(exchange.entries)).rows if row.shape is Shape.MEDIA]
    assert "SBC-MEDIA-006" in [mark.rule for mark in media.marks]
    assert media.notes == ("30 lost", "4 failed authentication")


def test_findings_about_the_connection_stand_with_its_facts_and_the_rest_at_the_end() -> None:
    findings = [
        {"rule": rule, "status": "fail", "detail": rule.lower(), "evidence": []} for rule in ("SBC-TLS-003", "SBC-NET-002", "SBC-E2E-001")
    ]
    entries = [
        Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x"}),
        Entry(START, Kind.MESSAGE, "c1", {"direction": "in", "summary": "INVITE", "cseq": 1}),
        Entry(START, Kind.VERDICT, "c1", {"status": "fail", "counts": {"fail": 3}, "findings": findings}),
    ]
    ladder = build_ladder(trace_of(entries))
    assert [mark.rule for mark in ladder.fact_marks] == ["SBC-TLS-003", "SBC-NET-002"]
    assert [mark.rule for mark in ladder.loose_marks] == ["SBC-E2E-001"]
    assert all(not row.marks for row in ladder.rows)


def test_every_failed_or_warned_finding_is_drawn_exactly_once() -> None:
    exchange, placed = an_echo_call(lost=30, expected=180)
    placed.send("REFER", refer_to="<sip:x@y>")
    placed.send("BYE")
    trace = trace_of(exchange.entries)
    ladder = build_ladder(trace)
    drawn = [mark.rule for marks in (ladder.fact_marks, *(row.marks for row in ladder.rows), ladder.loose_marks) for mark in marks]
    told = [finding["rule"] for finding in (trace.call.verdict or {})["findings"] if finding["status"] in ("fail", "warn")]
    assert sorted(drawn) == sorted(told)
    assert told


def test_repeated_messages_are_folded_into_one_arrow_with_their_number_and_last_time() -> None:
    exchange = Exchange()
    Placed(exchange.line(), an_invite())  # no ACK: the 200 is repeated until 32 s have passed
    exchange.wait(33.0)
    trace = trace_of(exchange.entries)
    (ok,) = [row for row in build_ladder(trace).rows if row.label == "200 OK (INVITE)"]
    sent = [entry for entry in trace.entries if entry.kind is Kind.MESSAGE and entry.data["summary"] == "200 OK (INVITE)"]
    assert ok.times == len(sent) > 5
    assert f"200 OK (INVITE) with SDP x{len(sent)}, last at +{ok.last_at:.3f}" in ladder_text(trace)


def test_two_requests_of_the_same_method_are_two_arrows() -> None:
    exchange, placed = an_echo_call()
    placed.send("INFO")
    placed.send("INFO")
    assert labels(trace_of(exchange.entries)).count("INFO") == 2


def test_a_change_of_the_session_is_a_second_double_line_behind_its_own_ack() -> None:
    exchange, placed = an_echo_call()
    held = SDP.replace("o=- 77 1 ", "o=- 77 2 ") + "a=sendonly\r\n"
    placed.final("INVITE", held)
    placed.send("ACK", cseq=str(placed.sequence) + " ACK")
    placed.send("BYE")
    rows = [row for row in build_ladder(trace_of(exchange.entries)).rows if row.label in ("ACK", "BYE") or row.shape is Shape.MEDIA]
    assert [row.label for row in rows] == [
        "ACK", "SRTP PCMU, AES_CM_128_HMAC_SHA1_80", "ACK", "SRTP PCMU, AES_CM_128_HMAC_SHA1_80, on hold", "BYE",
    ]  # fmt: skip
    assert [row.received for row in rows if row.shape is Shape.MEDIA] == [0, 150]


def test_media_that_was_never_acknowledged_is_drawn_before_what_came_next() -> None:
    exchange = Exchange()
    Placed(exchange.line(), an_invite())
    exchange.wait(33.0)
    shown = labels(trace_of(exchange.entries))
    assert shown.index("SRTP PCMU, AES_CM_128_HMAC_SHA1_80") == shown.index("BYE") - 1


def test_a_live_call_is_drawn_so_far() -> None:
    exchange = Exchange()
    exchange.line().call()
    text = ladder_text(trace_of(exchange.entries))
    assert "the call is answered" in text
    assert "no verdict yet" in text


def test_what_was_dropped_from_a_long_call_leaves_a_gap_that_says_so() -> None:
    entries = [Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x"})]
    entries += [Entry(START + n, Kind.MESSAGE, "c1", {"direction": "in", "summary": "INFO", "cseq": n}) for n in range(50)]
    trace = trace_of(entries, StoreLimits(first_entries=3, last_entries=4))
    shown = labels(trace)
    assert shown == ["INFO", "INFO", "44 entries are left out here", "INFO", "INFO", "INFO", "INFO"]


def test_media_whose_agreement_was_dropped_still_shows_its_totals() -> None:
    entries = [
        Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x"}),
        Entry(START, Kind.MEDIA_AGREED, "c1", {"codec": "PCMU", "suite": "S"}),
        *(Entry(START + n, Kind.NOTE, "c1", {"text": str(n)}) for n in range(9)),
        Entry(START + 9, Kind.MEDIA, "c1", {"packetsReceived": 7, "packetsSent": 6, "echoedPackets": 6}),
    ]
    (media,) = [
        row for row in build_ladder(trace_of(entries, StoreLimits(first_entries=1, last_entries=2))).rows if row.shape is Shape.MEDIA
    ]
    assert (media.received, media.sent, media.echoed) == (7, 6, True)


def test_a_call_of_thousands_of_messages_is_shortened_in_the_middle() -> None:
    entries = [Entry(START + n, Kind.MESSAGE, "c1", {"direction": "in", "summary": "INFO", "cseq": n}) for n in range(900)]
    rows = build_ladder(trace_of(entries, StoreLimits(first_entries=1000))).rows
    assert len(rows) == MOST_ROWS + 1
    assert rows[MOST_ROWS // 2].label == "500 rows are left out here"
    assert rows[-1].at == 899.0


def test_our_own_lines_keep_to_ascii_when_asked() -> None:
    exchange, placed = an_echo_call()
    placed.send("BYE")
    text = ladder_text(trace_of(exchange.entries), 80, plain=True)
    assert text.isascii()
    assert "|- INVITE with SDP, User-to-User ---" in text
    assert "========>" in text


@pytest.mark.parametrize(("asked", "given_"), [(10, 80), (80, 80), (95, 95), (120, 120), (1000, 120)])
def test_the_width_is_kept_between_80_and_120(asked: int, given_: int) -> None:
    exchange, placed = an_echo_call(lost=30, expected=180)
    placed.send("REFER", refer_to="<sip:x@y>")
    placed.send("BYE")
    lines = ladder_text(trace_of(exchange.entries), asked).splitlines()
    assert max(map(len, lines)) == given_
    assert all(len(line) == given_ for line in lines if line.endswith("│"))


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_server_that_asks_for_a_client_certificate_is_named_at_the_top(asked_for: bool) -> None:
    tls = {"version": "TLSv1.3", "cipher": "c", "serverName": None, "clientCertificate": None, "certificateRequested": asked_for}
    opened = Entry(START, Kind.CONNECTION_OPENED, None, {"connection": 1, "peer": {"dialled": True}, "tls": tls})
    started = Entry(START, Kind.CALL_STARTED, "c1", {"connection": 1, "direction": "outbound"})
    (facts,) = build_ladder(trace_of([opened, started])).facts
    assert ("the server asks for a client certificate" in facts) is asked_for


def test_nothing_from_the_wire_can_steer_the_terminal_or_bare_a_secret() -> None:
    key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
    evil = f"\x1b[2J\r\n\u202einline:{key}"
    opened = {
        "connection": 1,
        "peer": {"localHost": "::1", "localPort": 5061},
        "tls": {"version": "TLSv1.3", "cipher": "c", "serverName": evil},
    }
    finding = {"rule": "SBC-UUI-001", "status": "fail", "detail": evil, "evidence": [{"message": "INVITE", "text": evil}]}
    entries = [
        Entry(START, Kind.CONNECTION_OPENED, None, opened),
        Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": evil, "from": evil, "to": evil, "region": evil, "connection": 1, "peer": "x"}),
        Entry(START, Kind.MESSAGE, "c1", {"direction": "in", "summary": evil, "cseq": 1}, evil.encode()),
        Entry(START, Kind.NOTE, "c1", {"text": evil}),
        Entry(START, Kind.DTMF, "c1", {"digit": evil}),
        Entry(START, Kind.PARSE_ERROR, "c1", {"detail": evil}),
        Entry(START, Kind.MEDIA_AGREED, "c1", {"codec": evil, "suite": evil}),
        Entry(START, Kind.VERDICT, "c1", {"status": "fail", "findings": [finding, {**finding, "evidence": []}]}),
        Entry(START, Kind.CALL_ENDED, "c1", {"state": "ended", "endedBy": evil, "endReason": evil}),
    ]
    text = ladder_text(trace_of(entries))
    assert key not in text
    assert all(character == "\n" or character.isprintable() for character in text)
    assert "[::1]:5061" in text


WORDS = st.text(max_size=30)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "direction": st.sampled_from(["in", "out"]), "summary": WORDS, "cseq": st.none() | st.integers(),
        "state": st.sampled_from(["answered", "ended"]),
        "text": WORDS, "detail": WORDS, "digit": WORDS, "codec": WORDS, "packetsReceived": st.integers(0, 10**9), "status": st.none(),
        "findings": st.lists(st.fixed_dictionaries({"rule": WORDS, "status": st.sampled_from(["fail", "warn", "pass"])}), max_size=3),
    },
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.floats(0, 5000), DATA, st.binary(max_size=20)), max_size=25), st.integers(0, 200))
def test_any_trace_can_be_drawn_within_its_width(told: list[tuple[Kind, float, dict[str, object], bytes]], width: int) -> None:
    entries = [Entry(START, Kind.CALL_STARTED, "c1", {}), *(Entry(START + at, kind, "c1", data, raw) for kind, at, data, raw in told)]
    text = ladder_text(trace_of(entries), width)
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= max(80, min(width, 120))


def test_a_message_outside_the_grammar_is_noted_leniently() -> None:
    exchange = Exchange()
    line = exchange.line()
    line.send(a_request("INVITE", "hello", content_type="text/plain"))
    assert "INVITE with body of 5 octets" in ladder_text(trace_of(exchange.entries))


def test_times_never_run_backwards_down_the_ladder() -> None:
    exchange = Exchange()
    placed = Placed(exchange.line(), an_invite())
    exchange.now += 0.2  # the ACK takes its time; media was agreed on with the 200
    placed.line.send(placed.request("ACK", cseq=1))
    placed.send("BYE")
    times = [row.at for row in build_ladder(trace_of(exchange.entries)).rows]
    assert times == sorted(times)
    assert times[-1] > 0
