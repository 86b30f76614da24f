from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.exports.ladder import build_ladder
from sbc_sim.exports.ladder_svg import WIDTH, ladder_css, ladder_svg
from sbc_sim.exports.lettering import lines, width
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from tests.support.documents import START, a_call_with_findings, a_good_call, an_echo_exchange, trace_of
from tests.support.sip import Exchange, Placed, an_invite

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\x00\x1b[31m\u202e\ud800" + "\udcff&\"'"


def rows(svg: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(svg).iter() if one.get("class", "").startswith("row ")]


def texts(svg: str) -> list[str]:
    return ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]


def a_call(*entries: tuple[Kind, dict[str, Any]], **started: str) -> Trace:
    first = Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x", **started})
    return trace_of([first, *(Entry(START + n, kind, "c1", data) for n, (kind, data) in enumerate(entries, 1))])


def finding(rule: str = "SBC-HDR-001", status: str = "fail", detail: str = "d") -> dict[str, Any]:
    return {"rule": rule, "status": status, "detail": detail, "evidence": [{"message": "INVITE", "text": "x"}]}


INVITE = (Kind.MESSAGE, {"direction": "in", "summary": "INVITE", "cseq": 1})


def test_each_message_is_a_row_that_a_page_can_make_a_button_of() -> None:
    trace = a_call_with_findings()
    drawn = [row for row in rows(ladder_svg(trace, embedded=True)) if row.get("data-message")]
    expected = [row for row in build_ladder(trace).rows if row.message is not None]
    assert [int(row.get("data-message", "")) for row in drawn] == [row.message for row in expected]
    for row in drawn:
        assert row.get("tabindex") == "0"
        assert row.get("role") == "button"
        assert row.find(f"{SVG}rect") is not None
    (refer,) = [row for row in drawn if "REFER" in row.get("aria-label", "") and "405" not in row.get("aria-label", "")]
    assert refer.get("class") == "row arrow in fail"
    assert refer.get("aria-label") == "REFER, from the partner, at +3.000 s, fail SBC-SIP-024"
    assert drawn[1].get("class") == "row arrow out pass"


def test_in_a_document_without_scripts_messages_are_links() -> None:
    drawn = [row for row in rows(ladder_svg(a_good_call(), embedded=True, links=True)) if row.get("data-message")]
    assert drawn
    for row in drawn:
        assert row.tag == f"{SVG}a"
        assert row.get("href") == f"#message-{row.get('data-message')}"
        assert row.get("role") is None


def test_an_embedded_drawing_has_no_style_of_its_own_and_a_file_has_all_of_it() -> None:
    trace = a_call_with_findings()
    embedded, alone = ladder_svg(trace, embedded=True), ladder_svg(trace)
    assert "<style" not in embedded
    assert "style=" not in embedded + alone
    assert "prefers-color-scheme: dark" in alone
    assert "http" not in alone.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_every_class_in_the_drawing_has_a_rule_in_the_style() -> None:
    drawn = {name for one in ET.fromstring(ladder_svg(a_call_with_findings())).iter() for name in one.get("class", "").split()}
    unstyled = {name for name in drawn if f".{name}" not in ladder_css()}
    assert unstyled == {"in", "out", "row"} - set(re.findall(r"\.(\w+)", ladder_css()))


def test_media_is_a_double_line_with_the_packets_of_both_ways() -> None:
    (media,) = [row for row in rows(ladder_svg(a_call_with_findings())) if " media" in row.get("class", "")]
    assert len(media.findall(f"{SVG}line")) == 2
    assert "".join(media.itertext()) == "SRTP PCMU, AES_CM_128_HMAC_SHA1_80+0.000\u2192 150 packets150 echoed \u219030 lost"


def test_repetitions_are_one_arrow_with_their_number() -> None:
    exchange = Exchange()
    Placed(exchange.line(), an_invite())
    exchange.wait(33.0)
    assert any(
        re.fullmatch(r"200 OK \(INVITE\) with SDP \u00d711, last at \+\d+\.\d{3}", text)
        for text in texts(ladder_svg(trace_of(exchange.entries)))
    )


def test_what_a_stranger_wrote_stays_text() -> None:
    trace = a_call(
        (Kind.MESSAGE, {"direction": "in", "summary": HOSTILE, "cseq": 1}),
        (Kind.NOTE, {"text": HOSTILE}),
        (Kind.VERDICT, {"status": "fail", "findings": [finding(detail=HOSTILE), finding(HOSTILE)]}),
        **{"from": HOSTILE, "to": HOSTILE, "peer": HOSTILE},
    )
    svg = ladder_svg(trace)
    svg.encode("utf-8")
    root = ET.fromstring(svg)
    assert not [one for one in root.iter() if one.tag == f"{SVG}script" or any(name.startswith("on") for name in one.attrib)]
    assert "\x1b" not in svg
    assert "\u202e" not in svg
    assert any("\\x1b[31m" in text for text in texts(svg))


@pytest.mark.parametrize("piece", ["M", "W ", "i", "\u6771", "ab ", "-", "x" * 300 + " "])
@pytest.mark.parametrize("prose", [True, False])
def test_lines_keep_within_their_room_and_within_their_number(piece: str, prose: bool) -> None:
    broken = lines(piece * 500, 300, 12, prose, most=4)
    assert len(broken) == 4
    assert max(width(line, 12, prose) for line in broken) <= 300
    assert broken[-1].endswith("\u2026")


@given(st.text(max_size=60), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_text_that_fits_is_broken_nowhere_and_loses_nothing(text: str, prose: bool) -> None:
    plain = " ".join(text.split())
    assert "".join(lines(plain, 60 * 12 * 2, 12, prose)).replace(" ", "") == plain.replace(" ", "")


def boxes(svg: str) -> list[tuple[float, float, float, float, str]]:
    """Where each text stands: left, top, right, bottom by the widest fonts."""
    found = []
    for one in ET.fromstring(svg).iter(f"{SVG}text"):
        kind, text = one.get("class", ""), "".join(one.itertext())
        size = {"time": 11, "note": 11, "fact": 11, "address": 11, "verdict": 14}.get(kind.split()[0], 12)
        wide = float(one.get("textLength", 0)) or width(text, size, "prose" in kind)
        x, y, anchor = float(one.get("x", 0)), float(one.get("y", 0)), one.get("text-anchor", "start")
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        found.append((left, y - size * 0.8, left + wide, y + size * 0.2, text))
    return found


def overlaps(svg: str) -> list[tuple[str, str]]:
    placed = boxes(svg)
    return [
        (a[4], b[4])
        for n, a in enumerate(placed)
        for b in placed[n + 1 :]
        if a[0] < b[2] - 0.5 and b[0] < a[2] - 0.5 and a[1] < b[3] - 0.5 and b[1] < a[3] - 0.5
    ]


def a_crowded_call() -> Trace:
    findings = [finding(f"SBC-HDR-{n:03d}", "warn" if n % 2 else "fail", "MMW " * 50 + "y" * 300) for n in range(8)]
    findings += [finding("SBC-TLS-003", "fail", "\u6771\u4eac " * 80), finding("SBC-E2E-001", "warn", "loose")]
    return a_call(
        INVITE,
        (Kind.MESSAGE, {"direction": "out", "summary": "488 " + "Not Acceptable Here " * 30, "cseq": 1}),
        (Kind.PARSE_ERROR, {"detail": "\u6771" * 300}),
        (Kind.MEDIA_AGREED, {"codec": "c" * 90, "suite": "s" * 90}),
        (Kind.MEDIA, {"packetsReceived": 10**12, "packetsSent": 10**12, "lost": 10**12}),
        (Kind.DTMF, {"digit": "5"}),
        (Kind.VERDICT, {"status": "fail", "findings": findings}),
        **{"from": "f" * 5000, "to": "t " * 500, "peer": "[2001:0db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:50611"},
    )


def test_text_never_overlaps_and_never_leaves_the_drawing() -> None:
    exchange, placed = an_echo_exchange()
    for _ in range(30):
        placed.send("INFO")
    for trace in (a_crowded_call(), a_call_with_findings(), trace_of(exchange.entries)):
        svg = ladder_svg(trace)
        assert not overlaps(svg)
        height = float(ET.fromstring(svg).get("viewBox", "").split()[3])
        for left, top, right, bottom, text in boxes(svg):
            assert left >= 0, text
            assert right <= WIDTH, text
            assert top >= 0, text
            assert bottom <= height, text


def test_the_drawing_is_named_and_described() -> None:
    root = ET.fromstring(ladder_svg(a_call_with_findings()))
    assert (root.findtext(f"{SVG}title") or "").startswith("SIP ladder of call ")
    assert re.search(
        r"\d+ messages between partner 192\.0\.2\.1:40001 and sbc-sim .*, 2 findings, verdict fail", root.findtext(f"{SVG}desc") or ""
    )


def test_an_unreadable_message_is_numbered_with_the_others() -> None:
    trace = a_call((Kind.PARSE_ERROR, {"detail": "no colon"}), INVITE)
    assert [row.get("data-message") for row in rows(ladder_svg(trace))] == ["0", "1"]
