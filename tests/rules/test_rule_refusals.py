from __future__ import annotations

from dataclasses import replace

import pytest

from sbc_sim.rules import offer, uui
from sbc_sim.rules.catalogue import RULES
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.finding import Finding, Status, Verdict, verdict, with_found
from sbc_sim.rules.judge import first_refusal, judge_call, judge_invite, judge_options, judge_source
from sbc_sim.rules.outcome import failed, passed, warned
from sbc_sim.rules.policy import Policy
from sbc_sim.rules.signalling import MALFORMED, judge_malformed, request_finding
from sbc_sim.sdp.answer import SdpFault
from sbc_sim.sip.errors import Malformation, MalformedMessage
from sbc_sim.sip.inspection import RequestFault
from sbc_sim.sip.responses import REASONS
from sbc_sim.sip.uui import UuiFault
from tests.rules.rule_cases_uui import CASES as UUI_CASES
from tests.rules.rule_samples import CRYPTO, GOOD_UUI, M_LINE, SDP, Case, a_call, a_peer, an_invite, changed_sdp, known, sdp

DEFAULTS = Policy()
OFF_LIST = Policy(allow_from=("198.51.100.0/24",))


def refused(case: Case) -> tuple[str, int, int]:
    """Rule, status and Warning code with which the INVITE of a case is refused."""
    stands_against = first_refusal(judge_invite(case.evidence, case.policy))
    assert stands_against is not None
    finding, refusal = stands_against
    return finding.rule, refusal.status, refusal.warn_code


def offered(*lines: str) -> Case:
    return Case("", Status.FAIL, "", offer=sdp(*lines))


# --- tables ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", UuiFault)
def test_every_uui_fault_belongs_to_one_rule(fault: UuiFault) -> None:
    assert uui.FAULTS[fault] in RULES


@pytest.mark.parametrize("fault", SdpFault)
def test_every_sdp_fault_belongs_to_one_rule_and_a_known_warning_code(fault: SdpFault) -> None:
    meaning = offer.FAULTS[fault]
    assert meaning.rule in RULES
    assert meaning.warn_code in {301, 302, 304, 305, 306, 399}
    assert meaning.status in REASONS


@pytest.mark.parametrize("malformation", Malformation)
@pytest.mark.parametrize("status", [400, 413, 414, 505, 513])
def test_every_malformation_belongs_to_one_rule_and_is_refused_with_its_own_status(malformation: Malformation, status: int) -> None:
    finding = judge_malformed(MalformedMessage(malformation, "CSeq is 'x'", "CSeq", status, 42))
    assert finding.rule in RULES
    assert finding.refusal is not None
    assert (finding.status, finding.refusal.status) == (Status.FAIL, status)
    assert finding.evidence[0].header == "CSeq"


@pytest.mark.parametrize("fault", RequestFault)
def test_every_request_fault_belongs_to_one_rule_and_has_its_refusal(fault: RequestFault) -> None:
    finding = request_finding(fault, "what was seen", DEFAULTS, (("X-Demanded", "1"),))
    assert finding.rule in RULES
    assert finding.detail == "What was seen."
    assert finding.refusal is not None
    assert finding.refusal.headers == (("X-Demanded", "1"),)
    assert finding.refusal.status in REASONS
    assert str(finding.refusal.status) in RULES[finding.rule].keywords


def test_a_malformed_message_is_quoted_by_its_line_with_the_place_marked() -> None:
    raw = b"OPTIONS sip:a@b SIP/2.0\r\nCSeq: x OPTIONS\r\n\r\n"
    error = MalformedMessage(Malformation.BAD_HEADER, "CSeq: not of the form", "CSeq", 400, raw.index(b"x OPT"))
    (quote,) = judge_malformed(error, raw).evidence
    assert (quote.header, quote.text, quote.offset) == ("CSeq", "CSeq: x OPTIONS", 6)
    assert judge_malformed(error).evidence[0].text == "CSeq: not of the form"


@pytest.mark.parametrize(
    ("fault", "policy", "status"),
    [
        (RequestFault.REFER, Policy(refer=603), 603),
        (RequestFault.REFER, DEFAULTS, 405),
        (RequestFault.METHOD_UNKNOWN, Policy(unknown_method=405), 405),
        (RequestFault.METHOD_UNKNOWN, DEFAULTS, 501),
        (RequestFault.OFF_LIST, Policy(off_list="503"), 503),
        (RequestFault.OFF_LIST, DEFAULTS, 403),
        (RequestFault.INFO_PACKAGE, DEFAULTS, 469),
        (RequestFault.PENDING_OWN, DEFAULTS, 491),
    ],
)
def test_settings_choose_the_status_where_the_standard_leaves_it_open(fault: RequestFault, policy: Policy, status: int) -> None:
    refusal = request_finding(fault, "x", policy).refusal
    assert refusal is not None
    assert refusal.status == status


@pytest.mark.parametrize("table", [MALFORMED, uui.FAULTS, {f: m.rule for f, m in offer.FAULTS.items()}])
def test_no_table_names_a_rule_that_the_catalogue_does_not_have(table: dict[object, str]) -> None:
    assert set(table.values()) <= set(RULES)


# --- the INVITE ------------------------------------------------------------------------------------------------------------------


def test_a_good_invite_is_not_refused() -> None:
    assert first_refusal(judge_invite(a_call(DEFAULTS), DEFAULTS)) is None


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case("", Status.FAIL, "", policy=OFF_LIST), ("SBC-NET-001", 403, 399)),
        (Case("", Status.FAIL, "", policy=replace(OFF_LIST, off_list="503")), ("SBC-NET-001", 503, 399)),
        (Case("", Status.FAIL, "", known(overloaded="full")), ("SBC-NET-002", 503, 399)),
        (Case("", Status.FAIL, "", invite=an_invite("tel:+1555010")), ("SBC-SIP-020", 416, 399)),
        (Case("", Status.FAIL, "", policy=Policy(served_users=("echo",))), ("SBC-SIP-021", 404, 399)),
        (
            Case("", Status.FAIL, "", policy=Policy(max_forwards_zero="refuse"), invite=an_invite(max_forwards="0")),
            ("SBC-SIP-029", 483, 399),
        ),
        (Case("", Status.FAIL, "", invite=an_invite(session_expires="89")), ("SBC-SIP-030", 422, 399)),
        (Case("", Status.FAIL, "", invite=an_invite(contact=None)), ("SBC-HDR-005", 400, 399)),
        (Case("", Status.FAIL, "", uui=None), ("SBC-UUI-001", 400, 399)),
        (Case("", Status.FAIL, "", uui="abc;encoding=hex"), ("SBC-UUI-002", 400, 399)),
        (Case("", Status.FAIL, "", known(offer=None, negotiation=None), Policy(delayed_offer="refuse")), ("SBC-SDP-002", 488, 399)),
        (offered(*SDP[1:]), ("SBC-SDP-001", 400, 399)),
        (offered(*SDP[:5], "m=video 40002 RTP/SAVP 96"), ("SBC-SDP-003", 488, 304)),
        (Case("", Status.FAIL, "", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/SAVP 8 101")), ("SBC-SDP-006", 488, 305)),
        (Case("", Status.FAIL, "", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/SAVP 9")), ("SBC-SDP-005", 488, 305)),
        (Case("", Status.FAIL, "", offer=changed_sdp("c=IN IP4 192.0.2.10", "c=IN IP6 2001:db8::1")), ("SBC-SDP-008", 488, 301)),
        (offered(*(line.replace("SAVP", "AVP") for line in SDP if line != CRYPTO)), ("SBC-SRTP-001", 488, 302)),
        (Case("", Status.FAIL, "", offer=changed_sdp(M_LINE, "m=audio 40000 RTP/AVP 0 101")), ("SBC-SRTP-002", 488, 302)),
        (Case("", Status.FAIL, "", offer=changed_sdp(CRYPTO, None)), ("SBC-SRTP-004", 488, 306)),
        (Case("", Status.FAIL, "", offer=changed_sdp(CRYPTO, CRYPTO.replace("AES_CM_128", "F8_128"))), ("SBC-SRTP-005", 488, 306)),
    ],
)
def test_an_invite_is_refused_with_the_status_and_warning_code_of_its_fault(case: Case, expected: tuple[str, int, int]) -> None:
    assert refused(case) == expected


def test_a_refusal_carries_the_headers_that_its_status_demands() -> None:
    busy = first_refusal(judge_invite(Case("", Status.FAIL, "", known(overloaded="full")).evidence, DEFAULTS))
    timer = first_refusal(judge_invite(Case("", Status.FAIL, "", invite=an_invite(session_expires="60")).evidence, DEFAULTS))
    assert busy is not None
    assert timer is not None
    assert busy[1].headers == (("Retry-After", "10"),)
    assert timer[1].headers == (("Min-SE", "90"),)


def test_the_source_counts_before_the_number_and_the_number_before_the_content() -> None:
    everything = Policy(allow_from=("198.51.100.0/24",), served_users=("echo",))
    case = Case("", Status.FAIL, "", policy=everything, uui=None, offer=changed_sdp(CRYPTO, None))
    assert refused(case)[0] == "SBC-NET-001"
    assert refused(Case("", Status.FAIL, "", policy=Policy(served_users=("echo",)), uui=None))[0] == "SBC-SIP-021"
    assert refused(Case("", Status.FAIL, "", uui=None, offer=changed_sdp(CRYPTO, None)))[0] == "SBC-UUI-001"


@pytest.mark.parametrize("case", UUI_CASES, ids=str)
def test_a_failed_uui_rule_refuses_the_call_and_a_warning_does_not(case: Case) -> None:
    (finding,) = (f for f in judge_invite(case.evidence, case.policy) if f.rule == case.rule)
    assert (finding.refusal is not None) == (finding.status is Status.FAIL)
    if finding.refusal is not None:
        assert (finding.refusal.status, finding.refusal.warn_code) == (400, 399)


def test_an_answer_that_does_not_fit_cannot_be_refused_with_a_status() -> None:
    case = Case("", Status.FAIL, "", known(offered_by_us=True), offer=changed_sdp(CRYPTO, None))
    findings = judge_invite(case.evidence, DEFAULTS)
    assert "SBC-SRTP-004" in {f.rule for f in findings if f.status is Status.FAIL}
    assert first_refusal(findings) is None


# --- OPTIONS ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "policy", "status"),
    [
        (Evidence(peer=a_peer(), invite=an_invite(method="OPTIONS", user_to_user=None, contact=None)), DEFAULTS, None),
        (Evidence(peer=a_peer(), invite=an_invite(method="OPTIONS"), overloaded="full"), DEFAULTS, 503),
        (Evidence(peer=a_peer(), invite=an_invite(method="OPTIONS")), Policy(allow_from=("198.51.100.0/24",)), 403),
        (Evidence(peer=a_peer(), invite=an_invite("tel:+1555010", method="OPTIONS")), DEFAULTS, 416),
        (Evidence(peer=a_peer(), invite=an_invite(method="OPTIONS")), Policy(served_hosts=("other",)), 404),
    ],
)
def test_options_gets_the_refusals_that_do_not_depend_on_a_call(evidence: Evidence, policy: Policy, status: int | None) -> None:
    stands_against = first_refusal(judge_options(evidence, policy))
    assert (stands_against[1].status if stands_against else None) == status


@pytest.mark.parametrize("method", ["MESSAGE", "REGISTER", "NOSUCH"])
@pytest.mark.parametrize(
    ("policy", "status"),
    [(DEFAULTS, None), (OFF_LIST, 403), (replace(OFF_LIST, off_list="503"), 503), (replace(OFF_LIST, off_list="close"), 403)],
)
def test_any_request_from_a_source_off_the_list_is_refused_for_the_source_alone(method: str, policy: Policy, status: int | None) -> None:
    evidence = Evidence(peer=a_peer(), invite=an_invite("tel:1", method=method), overloaded="full")
    findings = judge_source(evidence, policy)
    stands_against = first_refusal(findings)
    assert [finding.rule for finding in findings] == ["SBC-NET-001"]
    assert (stands_against[1].status if stands_against else None) == status


# --- verdict ---------------------------------------------------------------------------------------------------------------------


def test_a_finding_made_on_the_way_takes_the_place_of_what_the_end_says() -> None:
    judged = judge_call(a_call(DEFAULTS), DEFAULTS)
    refer = request_finding(RequestFault.REFER, "REFER is not supported", DEFAULTS)
    merged = with_found(judged, [refer])
    assert [f.rule for f in merged.findings] == [f.rule for f in judged.findings]
    assert merged.status is Status.FAIL
    assert next(f for f in merged.findings if f.rule == "SBC-SIP-024") == refer


def test_a_message_that_could_not_be_read_does_not_stand_beside_the_sentence_that_all_could() -> None:
    judged = judge_call(a_call(DEFAULTS), DEFAULTS)
    broken = judge_malformed(MalformedMessage(Malformation.BAD_HEADER, "CSeq is 'x'", "CSeq", 400, 42))
    by_rule = {finding.rule: finding for finding in with_found(judged, [broken]).findings}
    assert by_rule["SBC-DLG-012"].status is Status.FAIL
    assert broken.rule in by_rule["SBC-DLG-012"].detail
    counted = judge_call(Case("", Status.FAIL, "", known(malformed_in_dialog=1)).evidence, DEFAULTS)
    assert "1 message of this call" in next(f.detail for f in with_found(counted, [broken]).findings if f.rule == "SBC-DLG-012")


def test_many_findings_about_one_rule_become_the_worst_with_their_number() -> None:
    found = [warned("SBC-DLG-006", "Glare."), failed("SBC-DLG-006", "Again."), warned("SBC-DLG-006", "Glare.")]
    merged = with_found(verdict([passed("SBC-DLG-006", "No glare.")]), found)
    assert [(f.status, f.detail) for f in merged.findings] == [(Status.FAIL, "Again. (3 times in this call)")]


def test_a_finding_about_a_rule_that_the_judge_did_not_speak_of_is_kept() -> None:
    extra: list[Finding] = [warned("SBC-DLG-006", "Glare.")]
    assert with_found(Verdict(Status.PASS, ()), extra).findings == tuple(extra)


def test_a_refused_call_is_not_judged_by_its_media_or_dialog() -> None:
    case = Case("", Status.FAIL, "", known(answered_at=None, acknowledged_at=None, report=None, leg=None, refused_status=400), uui=None)
    judged = judge_call(case.evidence, DEFAULTS)
    failed_rules = [f.rule for f in judged.findings if f.status is Status.FAIL]
    assert failed_rules == ["SBC-UUI-001"]
    assert {f.status for f in judged.findings if f.rule.startswith(("SBC-MEDIA", "SBC-DLG")) and f.rule != "SBC-DLG-010"} == {Status.SKIP}


def test_hex_that_is_no_json_is_accepted_with_a_warning() -> None:
    case = Case("", Status.WARN, "", uui="48656c6c6f;encoding=hex")
    findings = judge_invite(case.evidence, DEFAULTS)
    assert first_refusal(findings) is None
    assert {f.rule for f in findings if f.status is Status.WARN} == {"SBC-UUI-023"}
    assert GOOD_UUI.startswith("7b")
