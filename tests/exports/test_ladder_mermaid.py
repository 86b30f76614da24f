from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.exports.ladder_mermaid import LONGEST, MOST_OCTETS, ladder_mermaid
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from tests.support.documents import START, a_call_with_findings, trace_of

TEXT = r"(?:[A-Za-z0-9 .,()/+=@?!*_'\[\]|:-]|#\d+;|<br/>)+"
"""What stands after a colon, as strict as our own writing: no line end, semicolon, hash, percent or angle bracket of its own."""
GRAMMAR = re.compile(
    r"sequenceDiagram\n"
    rf"(?:    participant [PS] as {TEXT}\n){{2}}"
    rf"(?:    (?:Note over P,S|P->>S|S->>P|P-\)S|S-\)P): {TEXT}\n)+"
)


def a_call_that_says(text: str, times: int = 1) -> Trace:
    entries = [Entry(START, Kind.CALL_STARTED, "c1", {"sipCallId": "x", "from": text, "peer": text})]
    entries += [Entry(START + n, Kind.MESSAGE, "c1", {"direction": "in", "summary": text, "cseq": n}) for n in range(times)]
    return trace_of([*entries, Entry(START + times, Kind.NOTE, "c1", {"text": text})])


def test_a_call_is_a_sequence_diagram() -> None:
    text = ladder_mermaid(a_call_with_findings())
    assert GRAMMAR.fullmatch(text)
    assert "    P->>S: +0.000 INVITE with SDP, User-to-User\n" in text
    assert "    S->>P: +0.000 200 OK (INVITE) with SDP\n" in text
    assert "    P-)S: 150 packets\n    S-)P: 150 echoed\n" in text
    assert "    Note over P,S: FAIL SBC-SIP-024<br/>REFER is not supported by the Salesforce SBC.\n" in text
    assert text.endswith("    Note over P,S: verdict: FAIL\n")


@pytest.mark.parametrize(
    "text",
    [
        "a;b#c%%d",
        "style: #fff;",
        "%%{init: {}}%%",
        "<script>",
        "`$$x$$`",
        "end",
        "a\nP->>S: b",
        "---",
        "{a}",
        "classDef a: #x;",
        "",
        "\u202e",
    ],
)
def test_hostile_words_are_entities(text: str) -> None:
    drawn = ladder_mermaid(a_call_that_says(text))
    assert GRAMMAR.fullmatch(drawn)
    assert not re.search(r"\b(?:end|style|classDef|init)\b", drawn.partition("\n")[2])


@given(st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_text_keeps_the_grammar(text: str) -> None:
    drawn = ladder_mermaid(a_call_that_says(text))
    assert GRAMMAR.fullmatch(drawn)
    assert max(map(len, drawn.splitlines())) < 20 * LONGEST


def test_a_long_call_stays_below_what_mermaid_draws_and_says_what_is_left_out() -> None:
    drawn = ladder_mermaid(a_call_that_says("INFO " + "<" * 280, times=300))
    assert len(drawn) < MOST_OCTETS
    assert re.search(r"Note over P,S: \d+ rows are left out here\n", drawn)
    assert GRAMMAR.fullmatch(drawn)
