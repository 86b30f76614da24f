from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.exports.junit import junit_xml
from sbc_sim.exports.redacted import Redaction, redacted
from tests.support.documents import a_call_of, a_call_with_findings, a_good_call, an_echo_exchange, trace_of
from tests.support.sip import KEY


def finding(status: str = "fail", text: str = "t") -> dict[str, object]:
    quote = {"message": "INVITE", "header": text, "text": text, "offset": 2}
    return {"rule": "SBC-HDR-001", "status": status, "title": text, "detail": text, "why": text, "fix": text, "evidence": [quote]}


def obeys_the_schema_of_junit(root: ET.Element) -> None:
    """What the schema that CI servers share demands."""
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"} <= set(suite.keys())
        assert [child.tag for child in suite if child.tag != "testcase"] in (["properties"], [])
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        float(suite.get("time", ""))
        for case in cases:
            assert {"name", "classname", "time"} <= set(case.keys())
            assert [child.tag for child in case] in ([], ["failure"], ["skipped"], ["system-out"])


def test_each_rule_is_a_case_and_each_call_a_suite() -> None:
    traces = (a_call_with_findings(), a_good_call())
    root = ET.fromstring(junit_xml(traces).encode())
    obeys_the_schema_of_junit(root)
    assert [suite.get("name") for suite in root] == [f"call {trace.call.id}" for trace in traces]
    for suite, trace in zip(root, traces, strict=True):
        counts = (trace.call.verdict or {})["counts"]
        assert int(suite.get("tests", "")) == sum(counts.values())
        assert int(suite.get("failures", "")) == counts["fail"]
        assert int(suite.get("skipped", "")) == counts["skip"] + counts["unknown"]
        assert len(suite.findall("testcase/system-out")) == counts["warn"]
    assert root.get("failures") == "1"


def test_a_failure_says_what_was_seen_and_how_to_mend_it() -> None:
    (case,) = [
        case for case in ET.fromstring(junit_xml([a_call_with_findings()]).encode()).iter("testcase") if case.find("failure") is not None
    ]
    assert case.get("classname") == "SIP: SIP requests"
    assert case.get("name") == "SBC-SIP-024 No REFER is sent"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "REFER is not supported by the Salesforce SBC."
    assert failure.get("type") == "must"
    lines = (failure.text or "").splitlines()
    assert "in REFER, start line, at 0: REFER sip:sbc.example:5061;transport=tls SIP/2.0" in lines
    assert any(line.startswith("fix: Transfer inside") for line in lines)


def test_a_warning_passes_and_says_so() -> None:
    root = ET.fromstring(junit_xml([a_call_of(findings=(finding("warn", "careful"),))]).encode())
    (case,) = root.iter("testcase")
    assert [child.tag for child in case] == ["system-out"]
    assert (case.findtext("system-out") or "").startswith("WARNING: careful\n")


def test_a_rule_that_was_not_reached_is_skipped_with_the_reason() -> None:
    root = ET.fromstring(junit_xml([a_call_of(findings=(finding("skip", "No media."), finding("unknown", "Who knows.")))]).encode())
    assert [one.get("message") for one in root.iter("skipped")] == [
        "not reached. No media.",
        "not decided: it rests on a guess about the real SBC. Who knows.",
    ]


def test_a_call_without_a_verdict_has_no_cases() -> None:
    root = ET.fromstring(junit_xml([trace_of(an_echo_exchange()[0].entries)]).encode())
    obeys_the_schema_of_junit(root)
    assert root.get("tests") == "0"


def test_no_calls_are_an_empty_document() -> None:
    obeys_the_schema_of_junit(ET.fromstring(junit_xml([]).encode()))


def test_no_key_stands_in_the_document() -> None:
    trace = a_call_of(findings=(finding(text=f"a=crypto:1 X inline:{KEY}"),))
    assert KEY not in junit_xml([trace])
    assert KEY not in junit_xml([redacted(trace, Redaction.SHARE)])


@given(st.text(), st.sampled_from(["fail", "warn", "skip", "pass", "unknown", "odd"]))
@settings(max_examples=150, deadline=None)
def test_any_text_becomes_legal_xml(text: str, status: str) -> None:
    trace = a_call_of(findings=(finding(status, text), finding(status, "]]>\x00\x0b\ufffe\ud800<a>&")), **{"from": text, "partner": text})
    obeys_the_schema_of_junit(ET.fromstring(junit_xml([trace]).encode("utf-8", "backslashreplace")))
