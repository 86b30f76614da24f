"""Every conduct on purpose, against the partner's own core: what goes over the wire, and what the verdict says of it."""

from __future__ import annotations

from typing import Any

import pytest

from sbc_sim.calls.choosing import Choosing
from sbc_sim.calls.faults import FaultTable, read_fault
from sbc_sim.calls.numbers import NumberTable
from sbc_sim.journal.entries import Kind
from sbc_sim.rules.policy import Policy
from tests.support.joined import Joined

START = 1_700_000_000.0


def called(number: str, longest: float = 90.0, **options: Any) -> Joined:
    """Call a test number and wait until both sides are through."""
    joined = Joined(number=number, choose=Choosing(NumberTable(), FaultTable()), **options)
    joined.run(longest)
    return joined


def rules(joined: Joined, which: int = -1) -> dict[str, str]:
    return {f["rule"]: f["status"] for f in joined.sbc.told(Kind.VERDICT)[which].data["findings"]}


def detail(joined: Joined, rule: str) -> str:
    return next(f["detail"] for f in joined.sbc.told(Kind.VERDICT)[-1].data["findings"] if f["rule"] == rule)


def status(joined: Joined) -> str:
    return str(joined.sbc.told(Kind.VERDICT)[-1].data["status"])


def wire(joined: Joined) -> list[str]:
    """Messages in order, ours with ``<``."""
    told = joined.sbc.told(Kind.MESSAGE)
    return [("<" if e.data["direction"] == "out" else ">") + e.data["summary"] for e in told if not e.data["repeated"]]


def raw(joined: Joined, summary: str) -> str:
    return next(e.raw for e in joined.sbc.told(Kind.MESSAGE) if e.data["summary"].startswith(summary)).decode()


@pytest.mark.parametrize(("number", "code", "header"), [
    ("4860", 486, ""),
    ("4800", 480, ""),
    ("5030", 503, "Retry-After: 10"),
    ("3020", 302, "Contact: <sip:1000@203.0.113.5:5061;transport=tls>"),
])  # fmt: skip
def test_a_refusal_on_purpose_breaks_no_rule_and_its_ack_is_judged(number: str, code: int, header: str) -> None:
    joined = called(number)
    (result,) = joined.caller.results
    assert result.status == code
    assert header in raw(joined, str(code))
    assert "on purpose: test number" in (result.warning or "")
    assert status(joined) == "pass"
    assert rules(joined)["SBC-DLG-014"] == "pass"
    (ended,) = joined.sbc.told(Kind.CALL_ENDED)
    assert (ended.data["state"], ended.data["status"], ended.data["endReason"]) == ("rejected", code, "fault")


def test_a_refusal_that_is_never_acknowledged_fails_after_32_seconds() -> None:
    joined = called("busy", swallow=lambda message: message.startswith(b"ACK"))
    assert 31.9 < joined.now - START < 34
    assert status(joined) == "fail"
    assert "No ACK came within 32 s of the 486" in detail(joined, "SBC-DLG-014")


def test_a_partner_that_calls_again_before_retry_after_is_over_is_told_so() -> None:
    early = called("5030", calls=2)
    assert [rules(early, n)["SBC-DLG-015"] for n in (0, 1)] == ["skip", "warn"]
    assert "s before the time that Retry-After asked to wait was over" in detail(early, "SBC-DLG-015")


def test_a_call_that_nobody_answers_is_judged_by_its_cancel() -> None:
    joined = called("4080", patience=20.0)
    assert wire(joined)[1:4] == ["<100 Trying (INVITE)", "<180 Ringing (INVITE)", ">CANCEL"]
    assert (status(joined), rules(joined)["SBC-DLG-016"], rules(joined)["SBC-DLG-013"]) == ("pass", "pass", "skip")


def test_silence_is_100_and_nothing_more() -> None:
    joined = called("4081", patience=20.0)
    assert wire(joined)[1:3] == ["<100 Trying (INVITE)", ">CANCEL"]
    assert rules(joined)["SBC-DLG-016"] == "pass"


@pytest.mark.parametrize(("number", "code"), [("no-answer", 480), ("silence", 408)])
def test_a_partner_that_never_gives_up_is_given_up_and_fails(number: str, code: int) -> None:
    joined = called(number, longest=300.0, patience=1000.0)
    (result,) = joined.caller.results
    assert result.status == code
    assert 189 < joined.now - START < 192
    assert rules(joined)["SBC-DLG-016"] == "fail"


def test_a_slow_answer_comes_after_its_time() -> None:
    joined = called("1001")
    (result,) = joined.caller.results
    assert result.answered_at is not None
    assert 4.9 < result.answered_at - result.started_at < 5.2
    assert status(joined) == "pass"


@pytest.mark.parametrize("extra", [(), (("Require", "100rel"),)])
def test_early_media_is_183_with_the_sdp_of_the_later_200_and_a_tone_before_it(extra: Any) -> None:
    joined = called("1002", extra=extra, seconds=4.0)
    assert "<183 Session Progress (INVITE)" in wire(joined)
    early, answer = raw(joined, "183"), raw(joined, "200 OK (INVITE)")
    assert early.partition("\r\n\r\n")[2] == answer.partition("\r\n\r\n")[2] != ""
    (result,) = joined.caller.results
    assert result.proof is not None
    assert result.proof.share > 0.99
    media = [entry for entry in joined.sbc.told(Kind.MEDIA) if entry.data["final"]][-1].data
    assert media["packetsSent"] - media["echoedPackets"] == 150
    assert status(joined) == "pass"


def test_a_call_that_is_given_up_during_early_media_has_no_media_to_judge() -> None:
    joined = called("1002", patience=1.0)
    assert ">CANCEL" in wire(joined)
    assert status(joined) == "pass"
    assert joined.sbc.stopped


@pytest.mark.parametrize(("number", "least", "most"), [("1003", 4.9, 5.3), ("1004", 0.0, 0.2)])
def test_we_hang_up_when_the_number_says(number: str, least: float, most: float) -> None:
    joined = called(number, seconds=20.0)
    (result,) = joined.caller.results
    assert result.answered_at is not None
    assert result.ended_at is not None
    assert least <= result.ended_at - result.answered_at <= most
    assert result.ended_by == "sbc"
    assert 'text="on purpose: bye-' in raw(joined, "BYE")
    assert status(joined) == "pass"


def test_a_bye_without_an_answer_is_left_alone_and_media_is_watched() -> None:
    joined = called("1005")
    assert not [line for line in wire(joined) if "(BYE)" in line]
    (result,) = joined.caller.results
    assert "no answer to BYE within 32 s" in " ".join(result.problems)
    assert rules(joined)["SBC-DLG-017"] == "pass"
    (ended,) = joined.sbc.told(Kind.CALL_ENDED)
    assert (ended.data["endedBy"], ended.data["endReason"]) == ("partner", "normal")
    assert joined.switchboard.at_rest


def test_a_connection_that_is_reset_takes_the_partner_s_bye_on_a_new_one_or_a_warning() -> None:
    joined = called("1006", seconds=10.0, longest=120.0)
    (result,) = joined.caller.results
    assert "reset on purpose" in " ".join(result.problems)
    assert rules(joined)["SBC-DLG-019"] == "warn"
    assert joined.switchboard.live_calls == 0


def test_hold_and_resume_by_re_invite() -> None:
    joined = called("1007", seconds=8.0)
    offers = [e.raw.decode() for e in joined.sbc.told(Kind.MESSAGE) if e.data["summary"] == "INVITE" and e.data["direction"] == "out"]
    assert ["a=sendonly" in offer for offer in offers] == [True, False]
    agreed = [e.data["direction"] for e in joined.sbc.told(Kind.MEDIA_AGREED)]
    assert agreed == ["sendrecv", "sendonly", "sendrecv"]
    assert "a=recvonly" in detail(joined, "SBC-DLG-018")
    assert (status(joined), rules(joined)["SBC-DLG-018"]) == ("pass", "pass")


def test_the_session_is_refreshed_by_what_the_partner_allows() -> None:
    joined = called("1008", seconds=5.0)
    refresh = [e for e in joined.sbc.told(Kind.MESSAGE) if e.data["summary"] == "UPDATE"]
    assert len(refresh) == 1
    assert b"Session-Expires: 1800;refresher=uac" in refresh[0].raw
    assert status(joined) == "pass"


def test_the_certificate_is_renewed_while_the_call_goes_on() -> None:
    joined = called("1020", seconds=5.0)
    assert joined.sbc.renewed == 1
    assert status(joined) == "pass"


@pytest.mark.parametrize(("number", "share"), [("1012", 0.95), ("1016", 0.9), ("1013", 1.0), ("1015", 1.0), ("1014", 1.0)])
def test_media_faults_reach_the_partner_s_ear_and_the_verdict_does_not_blame_it(number: str, share: float) -> None:
    joined = called(number, seconds=10.0)
    (result,) = joined.caller.results
    assert result.proof is not None
    assert abs(result.proof.share - share) < 0.06
    assert status(joined) == "pass"
    again = called(number, seconds=10.0).caller.results[0].proof
    assert again == result.proof


def test_a_wrong_key_and_one_way_audio_leave_the_partner_without_echo() -> None:
    for number in ("1010", "1011"):
        joined = called(number, seconds=8.0)
        (result,) = joined.caller.results
        assert result.proof is not None
        assert result.proof.returned == 0
        assert status(joined) == "pass", number


# --- faults of the table -----------------------------------------------------------------------------------------------


def with_faults(table: FaultTable, **options: Any) -> Joined:
    joined = Joined(number="+15551000000", choose=Choosing(NumberTable(), table), **options)
    joined.run(90.0)
    return joined


def test_a_fault_strikes_as_often_as_it_counts_and_is_stamped_where_it_did() -> None:
    changes: list[str] = []
    table = FaultTable(lambda now, data: changes.append(data["change"]))
    table.put(read_fault("first-two", {"type": "busy", "count": 2}), START)
    joined = with_faults(table, calls=3)
    assert sorted(result.status or 0 for result in joined.caller.results) == [200, 486, 486]
    stamped = [[fault["name"] for fault in entry.data["faults"]] for entry in joined.sbc.told(Kind.SCENARIO)]
    assert sorted(stamped) == [[], ["first-two"], ["first-two"]]
    assert changes == ["set", "used up"]


def test_a_fault_for_another_number_leaves_a_call_alone() -> None:
    table = FaultTable()
    table.put(read_fault("x", {"type": "busy", "scope": {"number": "+4930*"}}), START)
    assert with_faults(table).caller.results[0].status == 200


def test_media_faults_and_one_of_signalling_come_together() -> None:
    table = FaultTable()
    for name, members in {"lossy": {"type": "loss", "value": 0.2, "seed": 3}, "short": {"type": "bye-after", "value": 3}}.items():
        table.put(read_fault(name, members), START)
    joined = with_faults(table, seconds=20.0)
    (result,) = joined.caller.results
    assert result.proof is not None
    assert result.ended_by == "sbc"
    assert 0.6 < result.proof.share < 0.95
    (chosen,) = joined.sbc.told(Kind.SCENARIO)
    assert [fault["name"] for fault in chosen.data["faults"]] == ["lossy", "short"]
    assert chosen.data["why"].endswith("; fault lossy (loss); fault short (bye-after)")


def test_a_hold_whose_connection_we_drop_ourselves_is_not_held_against_the_partner() -> None:
    table = FaultTable()
    for kind in ("hold", "bye-after", "reset"):
        table.put(read_fault(kind, {"type": kind, "value": 1}), START)
    joined = with_faults(table, seconds=60.0, swallow=lambda message: message.startswith(b"SIP/2.0"))
    told = rules(joined)
    assert (told["SBC-DLG-018"], told["SBC-DLG-019"]) == ("unknown", "unknown")


def test_a_call_refused_by_a_rule_meets_no_fault_and_uses_none_up() -> None:
    table = FaultTable()
    table.put(read_fault("once", {"type": "busy", "count": 1}), START)
    joined = Joined(number="1000", choose=Choosing(NumberTable(), table), policy=Policy(served_users=("other",)))
    joined.run()
    assert joined.caller.results[0].status == 404
    assert table.one("once", START) is not None
