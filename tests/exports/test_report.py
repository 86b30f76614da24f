from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.exports.capture import NOTHING
from sbc_sim.exports.level_svg import level_svg
from sbc_sim.exports.redacted import Redaction
from sbc_sim.exports.report import LONGEST_MESSAGE, report_data, report_schema
from sbc_sim.exports.report_html import pieces, report_html
from sbc_sim.exports.report_text import rests_on_guess
from sbc_sim.journal.store import Trace
from tests.support.documents import (
    a_call_of,
    a_call_with_findings,
    a_good_call,
    a_refused_call,
    a_tone,
    an_echo_exchange,
    trace_of,
)
from tests.support.sip import KEY

SHARE, STRICT, NONE = Redaction.SHARE, Redaction.STRICT, Redaction.NONE
HOSTILE = "</pre></style><script>alert(1)</script><img src=x onerror=alert(1)>\x00\x1b[31m\u202e\udcff&\"'{{7*7}}"
VALID = jsonschema_rs.validator_for(report_schema())


def a_live_call() -> Trace:
    return trace_of(an_echo_exchange()[0].entries)


def a_hostile_call() -> Trace:
    quote = {"message": HOSTILE, "header": HOSTILE, "text": HOSTILE, "offset": 3}
    finding: dict[str, Any] = {
        "rule": "SBC-HDR-001", "status": "fail", "title": HOSTILE, "detail": HOSTILE, "why": HOSTILE, "fix": HOSTILE, "source": HOSTILE,
        "evidence": [quote], "platforms": {HOSTILE: HOSTILE},
    }  # fmt: skip
    raw = b"INVITE sip:a@b SIP/2.0\r\nX: " + HOSTILE.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + bytes(range(256))
    return a_call_of(raw, b"", findings=(finding,), userAgent=HOSTILE, peer=HOSTILE, scenario=HOSTILE, **{"from": HOSTILE, "to": HOSTILE})


class Seen(HTMLParser):
    """Tags and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html.partition("</style>")[2])).replace("&#39;", "'").replace("&#34;", '"')


# --- JSON ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(Redaction))
@pytest.mark.parametrize("make", [a_good_call, a_call_with_findings, a_refused_call, a_live_call, a_hostile_call])
def test_a_report_keeps_its_schema(make: Any, level: Redaction) -> None:
    data = report_data(make(), a_tone(), level)
    VALID.validate(data)
    VALID.validate(json.loads(json.dumps(data).encode("utf-8")))
    json.dumps(data, ensure_ascii=False).encode("utf-8")


def test_the_schema_refuses_what_is_no_report() -> None:
    data = report_data(a_good_call(), NOTHING, SHARE)
    for broken in ({**data, "schema": "sbc-sim.report/2"}, {**data, "messages": [{}]}, {k: v for k, v in data.items() if k != "verdict"}):
        assert not VALID.is_valid(broken)


def test_the_conclusion_says_what_to_mend_first() -> None:
    told = report_data(a_call_with_findings(), None, SHARE)["conclusion"]
    assert told["sentence"] == "The call failed 1 rule and has 1 warning. Mend first SBC-SIP-024: No REFER is sent."
    assert told["mendFirst"]["rule"] == "SBC-SIP-024"
    assert told["mendFirst"]["fix"].startswith("Transfer inside the partner's own platform")


def test_what_ended_the_call_is_mended_before_anything_else() -> None:
    told = report_data(a_refused_call(user_to_user="7b2;encoding=hex", remove=("Max-Forwards",)), None, SHARE)
    rejected_by = next(row for row in told["ladder"]["ending"] if "rejected" in row).split()[-1]
    assert told["conclusion"]["mendFirst"]["rule"] == rejected_by


def test_a_call_that_keeps_every_rule_passed_and_a_live_one_has_no_verdict() -> None:
    good = report_data(a_good_call(), None, SHARE)
    assert good["conclusion"]["mendFirst"] is None or good["verdict"]["status"] == "warn"
    assert good["conclusion"]["sentence"].startswith("The call passed")
    live = report_data(a_live_call(), None, SHARE)
    assert live["conclusion"]["sentence"] == "There is no verdict yet: the call goes on."
    assert live["verdict"]["final"] is False


def test_rules_that_rest_on_a_guess_are_named() -> None:
    told = report_data(a_good_call(), None, SHARE)["guesses"]
    assert "SBC-UUI-031" in [guess["rule"] for guess in told]
    assert all(rests_on_guess(guess) for guess in told)
    by_rule = {guess["rule"]: guess["source"] for guess in told}
    assert any("not published" in source for source in by_rule.values()), "what Salesforce does not publish is a guess, too"


def test_each_level_says_what_it_hides() -> None:
    trace = a_call_with_findings()
    texts = {level: json.dumps(report_data(trace, a_tone(), level)) for level in Redaction}
    assert KEY in texts[NONE]
    assert "15550111" in texts[NONE]
    assert KEY not in texts[SHARE]
    assert "15550111" not in texts[SHARE]
    assert "192.0.2.1" in texts[SHARE]
    assert "192.0.2.1" not in texts[STRICT]
    assert [len(report_data(trace, None, level)["redaction"]["hidden"]) > 0 for level in Redaction] == [False, True, True]


def test_strangers_get_no_picture_of_the_audio() -> None:
    shared, strict = (report_data(a_good_call(), a_tone(), level)["series"] for level in (SHARE, STRICT))
    assert any(level is not None for level in shared["levelIn"])
    assert all(level is None for level in strict["levelIn"] + strict["levelOut"])
    assert strict["received"] == shared["received"]


def test_a_huge_message_is_shown_in_part() -> None:
    data = report_data(a_call_of(b"INVITE sip:a@b SIP/2.0\r\nX: " + b"y" * 200_000), None, SHARE)
    (message,) = data["messages"]
    assert message["truncated"] is True
    assert message["octets"] > 200_000
    assert len(message["text"]) == LONGEST_MESSAGE - 1  # a CRLF is one character


# --- HTML ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", list(Redaction))
@pytest.mark.parametrize("make", [a_good_call, a_call_with_findings, a_refused_call, a_live_call, a_hostile_call])
def test_a_report_runs_nothing_and_fetches_nothing(make: Any, level: Redaction) -> None:
    html = report_html(make(), a_tone(), level)
    html.encode("utf-8")
    for tag, attributes in Seen(html).tags:
        assert tag not in ("script", "iframe", "object", "embed", "img", "base", "form", "audio", "video")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "action", "srcset")]
        assert (attributes.get("href") or "#").startswith("#") or attributes == {"rel": "icon", "href": "data:,"}
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert ("{{7*7}}" in html) is (make is a_hostile_call and level is not STRICT)


def test_the_policy_allows_the_style_of_the_file_and_nothing_else() -> None:
    html = report_html(a_good_call(), None, SHARE)
    policy = next(attributes["content"] or "" for tag, attributes in Seen(html).tags if attributes.get("http-equiv"))
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; img-src data:; base-uri 'none'; form-action 'none'", policy
    )
    assert html.count("<style>") == 1


def test_the_verdict_stands_on_top_then_what_to_mend_then_the_ladder() -> None:
    html = report_html(a_call_with_findings(), a_tone(), SHARE)
    text = plain(html)
    places = [
        text.index(words)
        for words in (
            "Mend first SBC-SIP-024",
            "What to mend",
            "In REFER, start line",
            "Settings of 6 platforms",
            "The ladder",
            "Messages",
            "Every rule",
        )
    ]
    assert places == sorted(places)
    assert "profile published, rule set 1" in text
    assert "rules rest on a guess" in text
    assert "Redaction: share. Hidden: SDES keys" in text
    assert '<mark class="fail" title="here: the first offending character">R</mark>EFER sip:' in html
    assert '<mark class="fail" title="SBC-SIP-024: REFER is not supported by the Salesforce SBC.">REFER</mark>' in html
    assert 'class="levels"' in html


def test_every_message_is_there_in_full_and_the_ladder_leads_to_it() -> None:
    html = report_html(a_call_with_findings(), None, SHARE)
    targets = {attributes.get("id") for _, attributes in Seen(html).tags}
    links = [attributes["href"] for tag, attributes in Seen(html).tags if tag == "a"]
    assert len(links) == len(report_data(a_call_with_findings(), None, SHARE)["messages"])
    assert {(link or "")[1:] for link in links} <= targets
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MASKED" in html


def test_a_call_without_anything_is_still_a_report() -> None:
    html = report_html(a_call_of(), None, SHARE)
    assert "No message of this call was kept." in html
    assert "There is no verdict yet: the call goes on." in html


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(-3, 40), st.integers(-3, 40), st.sampled_from(["fail", "warn"])), max_size=6))
@settings(max_examples=150, deadline=None)
def test_marks_that_overlap_cut_a_text_without_loss(text: str, listed: list[tuple[int, int, str]]) -> None:
    marks = [{"start": max(0, a), "end": b, "status": status, "rule": "r", "detail": "d"} for a, b, status in listed]
    cut = list(pieces(text, marks))
    assert "".join(piece[0] for piece in cut) == text
    place = 0
    for piece, status, _ in cut:
        over = {mark["status"] for mark in marks if mark["start"] <= place < mark["end"] <= len(text)}
        assert status == ("fail" if "fail" in over else "warn" if over else "")
        place += len(piece)


# --- the picture of the audio --------------------------------------------------------------------------------------------


def a_series(heard: list[float | None], said: list[float | None], **more: object) -> dict[str, Any]:
    return {"t": [0.1 * n for n in range(len(heard))], "stepMs": 100, "levelIn": heard, "levelOut": said, "gap": None, **more}


def heights(svg: str, kind: str) -> list[float]:
    path = re.search(rf'class="{kind}" d="([^"]*)"', svg)
    assert path is not None
    return [float(height) for height in re.findall(r"v(-?[\d.]+)", path[1])]


def test_what_was_received_goes_up_and_what_was_sent_down_the_louder_the_longer() -> None:
    svg = level_svg(a_series([-60.0, -30.0, 0.0], [0.0, -30.0, None]))
    assert heights(svg, "in") == [-0.6, -23.0, -46.0]
    assert heights(svg, "out") == [46.0, 23.0]


def test_no_audio_is_no_picture_and_a_gap_is_drawn_as_one() -> None:
    assert level_svg(a_series([None, None], [None, None])) == ""
    assert level_svg(a_series([], [])) == ""
    assert 'class="gap"' in level_svg(a_series([-20.0] * 9, [-20.0] * 9, gap=[0.2, 0.5]))


def test_a_long_call_has_no_more_bars_than_a_picture_can_show() -> None:
    assert len(heights(level_svg(a_series([-20.0] * 5000, [-20.0] * 5000)), "in")) <= 600
