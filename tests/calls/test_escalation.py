"""A call is given back: by BYE, with data, by INVITE, by REFER; and whatever fails on the way, the first leg ends with BYE."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from sbc_sim.calls.escalation_plan import TemplateError, check_return_uri, target_of
from sbc_sim.calls.escalation_settings import EscalationPlan
from sbc_sim.calls.limits import Limits
from sbc_sim.calls.outputs import Output
from sbc_sim.calls.partner import Partner
from sbc_sim.calls.partner_check import LATE_S, PartnerChecks, PartnerWord, take_records
from sbc_sim.calls.region import Place, Region
from sbc_sim.journal.entries import Kind
from sbc_sim.partner.answered_call import AnswerPlan
from sbc_sim.rules.evidence import Evidence
from sbc_sim.rules.journey import Journey
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.headers import NameAddr, Reason
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import TlsFacts, TlsProblem
from sbc_sim.sip.stream import MessageStream
from sbc_sim.sip.text import split_list
from sbc_sim.sip.uui import UuiExpectation, encode, read
from sbc_sim.telephony.record import VoiceCall
from tests.support.given_back import RETURN_URI, GivenBack, refused_by

NAMED = {"orgId": "00D5i00000ABCDE", "scrt2Domain": "acme.example", "voiceCallId": "0LQ000000000001", "vendorCallKey": "conv-7"}
UUI = encode(json.dumps(NAMED))


def bye_of(joined: GivenBack) -> dict[str, str]:
    """Header fields of the BYE that the caller got."""
    bye = joined.caller.results[0].bye
    assert bye is not None
    assert len(bye.headers.fields("Reason")) == 1
    return {item.name: item.value for item in bye.headers}


# --- by BYE ----------------------------------------------------------------------------------------------------------


def test_mode_bye_ends_the_call_with_a_reason_and_begins_the_partner_check():
    joined = GivenBack(plan=EscalationPlan(check_seconds=5))
    call = joined.begin()
    joined.escalate(call)
    joined.go_on(0.1)
    fields = bye_of(joined)
    first, second = (Reason.parse(value) for value in split_list(fields["Reason"]))
    assert (first.protocol, first.cause, first.text) == ("SIP", 200, "escalation: digit 0 was pressed")
    assert (second.protocol, second.cause) == ("Q.850", 16)
    assert "User-to-User" not in fields
    assert joined.states(call) == ["began", "over"]
    (before,) = joined.verdicts(call)
    assert before["SBC-E2E-020"] == before["SBC-E2E-021"] == "unknown"
    assert before["SBC-E2E-023"] == before["SBC-E2E-036"] == "pass"
    joined.go_on(6)
    after = joined.verdicts(call)[-1]
    assert (after["SBC-E2E-020"], after["SBC-E2E-021"], after["SBC-E2E-022"]) == ("warn", "fail", "skip")
    assert joined.detail(call, "SBC-E2E-020").startswith("The partner treated BYE as end of call")
    joined.at_rest()


def test_mode_bye_with_data_carries_what_the_templates_say():
    plan = EscalationPlan(
        mode="bye+data",
        reason='SIP;cause=302;text="{why}", Q.850;cause=31',
        data='{"org":"{orgId}","call":"{voiceCallId}","key":"{vendorCallKey}"}',
        headers=(("X-Why", "because {why}"), ("X-Key", "{vendorCallKey}")),
    )
    joined = GivenBack(plan=plan, user_to_user=UUI)
    call = joined.begin()
    joined.escalate(call)
    joined.go_on(0.1)
    fields = bye_of(joined)
    assert fields["X-Why"] == "because digit 0 was pressed"
    assert fields["X-Key"] == "conv-7"
    assert fields["Reason"] == 'SIP;cause=302;text="digit 0 was pressed", Q.850;cause=31'
    bye = joined.caller.results[0].bye
    assert bye is not None
    assert read(bye.headers, UuiExpectation()).fields == {"org": NAMED["orgId"], "call": NAMED["voiceCallId"], "key": "conv-7"}
    assert joined.states(call) == ["began", "data", "over"]


def test_what_a_partner_sent_cannot_break_into_the_header_fields_of_the_bye():
    wild = NAMED | {"vendorCallKey": 'a"\r\nX-Evil: 1', "orgId": 'q"}'}
    plan = EscalationPlan(mode="bye+data", reason='SIP;cause=200;text="{vendorCallKey}"', headers=(("X-Key", "{vendorCallKey}"),))
    joined = GivenBack(plan=plan, user_to_user=encode(json.dumps(wild)))
    call = joined.begin()
    joined.escalate(call)
    joined.go_on(0.1)
    fields = bye_of(joined)
    assert "X-Evil" not in fields
    assert fields["X-Key"] == 'a"X-Evil: 1'
    assert Reason.parse(fields["Reason"]).text == "a'X-Evil: 1"
    bye = joined.caller.results[0].bye
    assert bye is not None
    assert read(bye.headers, UuiExpectation()).fields["orgId"] == 'q"}'


def test_what_does_not_fit_is_left_out_and_told():
    plan = EscalationPlan(mode="bye+data", headers=(("X-Long", "{vendorCallKey}"),))
    joined = GivenBack(plan=plan, user_to_user=encode(json.dumps(NAMED | {"vendorCallKey": "k" * 1100})))
    call = joined.begin()
    joined.escalate(call)
    joined.go_on(0.1)
    assert not {"X-Long", "User-to-User"} & set(bye_of(joined))
    (told,) = (e.data["text"] for e in joined.sbc.told(Kind.ESCALATION) if e.data["state"] == "data")
    assert "User-to-User was left out" in told
    assert "X-Long was left out: 1100 characters" in told


def test_an_escalation_before_the_ack_waits_for_it_and_a_second_one_changes_nothing():
    joined = GivenBack(plan=EscalationPlan())
    joined._took(joined.partner, joined.caller.start(joined.now))
    call = str(joined.sbc.told(Kind.CALL_STARTED)[0].call)
    joined.go_on(0.5)
    joined.escalate(call)
    joined.escalate(call)
    joined.go_on(0.2)
    assert joined.states(call).count("began") == 1
    assert joined.sent(call).count("BYE") == 1


def test_a_bye_whose_connection_is_gone_was_not_answered_and_has_no_status():
    joined = GivenBack(plan=EscalationPlan(check_seconds=5), failure=refused_by(TlsProblem.UNREACHABLE))
    call = joined.begin()
    joined._took(joined.sbc, joined.switchboard.lost(1, "gone", joined.now))
    joined.escalate(call)
    joined.go_on(1)
    assert joined.verdicts(call)[-1]["SBC-E2E-023"] == "warn"
    assert "no answer" in joined.detail(call, "SBC-E2E-023")
    assert "503" not in joined.detail(call, "SBC-E2E-023")


# --- by INVITE -------------------------------------------------------------------------------------------------------


def test_mode_invite_back_places_a_new_call_and_ends_the_first_leg_once_it_is_up():
    joined = GivenBack(user_to_user=UUI)
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(8)
    taken = joined.taken
    assert (taken.status, taken.problems) == (200, [])
    assert taken.uui is not None
    assert taken.uui.fields == {name: NAMED[name] for name in ("orgId", "voiceCallId", "vendorCallKey")}
    assert taken.invite is not None
    assert taken.invite.uri == RETURN_URI
    assert taken.invite.headers.first("P-Asserted-Identity") == "<sip:+15550111@192.0.2.1>"
    assert (joined.dialled[0].host, joined.dialled[0].port, joined.dialled[0].server_name) == (
        "back.partner.example",
        5071,
        "back.partner.example",
    )
    assert taken.suite == "AES_CM_128_HMAC_SHA1_80"
    assert taken.report is not None
    assert taken.report.packets_received > 50
    assert joined.states(first) == ["began", "calling", "calling", "returned", "over"]
    started, second = joined.sbc.told(Kind.CALL_STARTED)
    assert started.call == first
    assert (second.data["direction"], second.data["escalationOf"]) == ("outbound", first)
    told = [(e.call, e.data["summary"]) for e in joined.sbc.told(Kind.MESSAGE) if e.data["direction"] == "out"]
    assert told.index((second.call, "ACK")) < told.index((first, "BYE"))
    assert joined.broken(str(second.call)) == {}
    assert {rule: joined.verdicts(first)[0][rule] for rule in ("SBC-E2E-024", "SBC-E2E-028", "SBC-E2E-033", "SBC-E2E-034")} == {
        "SBC-E2E-024": "pass",
        "SBC-E2E-028": "pass",
        "SBC-E2E-033": "pass",
        "SBC-E2E-034": "pass",
    }
    joined.at_rest()
    assert joined.closed == [joined.dialled[0].connection]


@pytest.mark.parametrize("uri", ["rep", "sips:", "sip:a@b:99999", "tel:+15550100"])
def test_a_target_that_cannot_be_read_is_told_with_its_origin_once(uri):
    with pytest.raises(TemplateError) as told:
        target_of(uri, "target")
    assert str(told.value).startswith("target: ")
    assert str(told.value).count("target: ") == 1


def test_the_return_uri_of_the_partner_in_the_calls_region_goes_before_its_common_one():
    common, tokyo = "sips:1@common.example", "sips:1@tokyo.example:5071"
    partner = Partner("acme", return_uri=common, by_region={"tokyo": {"return_uri": tokyo}})
    joined = GivenBack()
    first = joined.begin()
    joined.switchboard._calls[first].place = Place(Region("tokyo"), partner)
    joined.escalate(first)
    assert (joined.dialled[0].host, joined.dialled[0].port) == ("tokyo.example", 5071)
    joined.go_on(8)
    assert "as return_uri of the partner in tokyo says" in joined.detail(first, "SBC-E2E-024")
    other = GivenBack()
    second = other.begin()
    other.switchboard._calls[second].place = Place(Region("osaka"), partner)
    other.escalate(second)
    assert other.dialled[0].host == "common.example"


@pytest.mark.parametrize(
    ("uri", "said"),
    [("sips:p@back.example:5071?Replaces=z", "headers after ?"), ("sips:p@back.example:0", "port 0")],
)
def test_a_uri_that_cannot_be_a_request_uri_is_refused_before_anything_is_dialled(uri, said):
    with pytest.raises(TemplateError, match=re.escape(said)):
        check_return_uri(uri)
    joined = GivenBack(plan=EscalationPlan(mode="invite-back", return_uri=uri))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(0.5)
    assert joined.dialled == []
    assert said in joined.detail(first, "SBC-E2E-024")


def test_the_call_back_is_ended_by_us_when_the_partner_does_not():
    joined = GivenBack(answer=AnswerPlan(seconds=60))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(8)
    second = joined.sbc.told(Kind.CALL_STARTED)[1].call
    ended = next(e.data for e in joined.sbc.told(Kind.CALL_ENDED) if e.call == second)
    assert (ended["endedBy"], ended["endReason"]) == ("sbc", "returned")
    assert joined.taken.ended_by == "sbc"
    joined.at_rest()


def test_a_call_back_that_stays_up_long_after_the_first_leg_was_forgotten_comes_to_its_own_end():
    plan = EscalationPlan(mode="invite-back", return_uri=RETURN_URI, seconds=120, check_seconds=5)
    joined = GivenBack(plan=plan, answer=AnswerPlan(seconds=200), limits=Limits(ring_seconds=0.2, media_timeout_seconds=300))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(2)
    for side in (joined.partner, joined.sbc, joined.back):
        side.legs.clear()  # nobody talks any more, so time may jump to what is due
    end = joined.now + 130
    while joined.now < end:
        due = [side.core.deadline for side in (joined.partner, joined.sbc, joined.back) if side.core.deadline is not None]
        joined.now = max(joined.now, min([*due, end]))
        joined.step()
    started, ended = joined.sbc.told(Kind.CALL_STARTED), joined.sbc.told(Kind.CALL_ENDED)
    assert [entry.call for entry in ended] == [entry.call for entry in started]
    assert [entry.data["endReason"] for entry in ended] == ["escalated", "returned"]
    assert ended[1].at - ended[0].at == pytest.approx(120, abs=1)
    assert joined.verdicts(str(ended[1].call))
    joined.at_rest()


@pytest.mark.parametrize(
    ("failure", "rule"),
    [
        (refused_by(TlsProblem.UNREACHABLE), "SBC-E2E-025"),
        (refused_by(TlsProblem.UNREACHABLE, timed_out=True), "SBC-E2E-026"),
        (refused_by(TlsProblem.HANDSHAKE_TIMEOUT), "SBC-E2E-026"),
        (refused_by(TlsProblem.PLAIN_SIP), "SBC-E2E-027"),
        (refused_by(TlsProblem.NOT_TLS), "SBC-E2E-027"),
        (refused_by(TlsProblem.UNTRUSTED_SERVER, certificate="chain"), "SBC-E2E-028"),
        (refused_by(TlsProblem.UNTRUSTED_SERVER, certificate="name"), "SBC-E2E-029"),
        (refused_by(TlsProblem.UNTRUSTED_SERVER, certificate="dates"), "SBC-E2E-030"),
        (refused_by(TlsProblem.SERVER_WANTS_CERTIFICATE), "SBC-E2E-031"),
        (refused_by(TlsProblem.OLD_VERSION), "SBC-E2E-032"),
    ],
)
def test_a_connection_that_fails_is_one_finding_of_its_own_and_the_first_leg_ends_all_the_same(failure, rule):
    joined = GivenBack(failure=failure)
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(0.2)
    assert joined.caller.results[0].bye is not None
    (verdict,) = joined.verdicts(first)
    back = {r: status for r, status in verdict.items() if "SBC-E2E-024" <= r <= "SBC-E2E-034" and status in ("warn", "fail")}
    assert back == {rule: "fail"}
    assert failure.detail in joined.detail(first, rule)
    assert joined.states(first)[-2:] == ["failed", "over"]
    joined.at_rest()


def test_a_connection_that_never_comes_about_is_given_up_in_time():
    joined = GivenBack(seconds=90, silent=True)
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(29)
    assert joined.caller.results[0].bye is None
    joined.go_on(2)
    assert joined.verdicts(first)[0]["SBC-E2E-026"] == "fail"
    assert joined.caller.results[0].bye is not None


def test_a_server_that_only_asks_for_a_client_certificate_is_warned_of_and_the_call_goes_on():
    joined = GivenBack(tls=TlsFacts("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", certificate_requested=True))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(8)
    assert joined.taken.status == 200
    assert joined.verdicts(first)[0]["SBC-E2E-031"] == "warn"


def test_a_partner_that_refuses_is_told_with_its_status():
    joined = GivenBack(answer=AnswerPlan(refuse=486))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(0.5)
    assert joined.verdicts(first)[0]["SBC-E2E-033"] == "fail"
    assert "486" in joined.detail(first, "SBC-E2E-033")
    assert joined.caller.results[0].bye is not None
    joined.at_rest()


def test_an_answer_without_srtp_is_acknowledged_and_ended_by_bye():
    joined = GivenBack(answer=AnswerPlan(clear_media=True, seconds=60))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(0.8)
    second = str(joined.sbc.told(Kind.CALL_STARTED)[1].call)
    assert joined.sent(second) == ["INVITE", "ACK", "BYE"]
    assert joined.verdicts(first)[0]["SBC-E2E-034"] == "fail"
    assert joined.caller.results[0].bye is not None
    joined.at_rest()


def test_a_partner_that_lets_it_ring_gets_cancel_and_the_first_leg_ends():
    joined = GivenBack(seconds=90, answer=AnswerPlan(ring_seconds=120))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(31)
    second = str(joined.sbc.told(Kind.CALL_STARTED)[1].call)
    assert joined.sent(second) == ["INVITE", "CANCEL", "ACK"]
    assert "within 30 s" in joined.detail(first, "SBC-E2E-033")
    assert joined.taken.status == 487
    joined.at_rest()


def test_a_200_that_crosses_our_cancel_is_acknowledged_and_ended_by_bye():
    held: list[bytes] = []

    def hold(to_back: bool, data: bytes) -> bytes:
        """Keep our CANCEL from the partner, so that its 200 crosses it."""
        if to_back and data.startswith(b"CANCEL"):
            held.append(data)
            return b""
        return data

    joined = GivenBack(seconds=90, answer=AnswerPlan(ring_seconds=30.5, seconds=60), on_wire=hold)
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(33)
    second = str(joined.sbc.told(Kind.CALL_STARTED)[1].call)
    assert held
    assert joined.sent(second) == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert joined.verdicts(first)[0]["SBC-E2E-033"] == "fail"
    assert joined.taken.ended_by == "sbc"
    joined.at_rest()


def test_a_second_fork_that_answers_is_acknowledged_and_ended_by_bye():
    copied: list[bytes] = []

    def fork(to_back: bool, data: bytes) -> bytes:
        """Repeat the first 200 to INVITE with another To tag, as a proxy that forks would."""
        if not to_back and data.startswith(b"SIP/2.0 200") and b"INVITE\r\n" in data and not copied:
            lines = data.split(b"\r\n")
            copied.extend(lines)
            other = [line + b"x" if line.startswith(b"To:") else line for line in lines]
            return data + b"\r\n".join(other)
        return data

    joined = GivenBack(on_wire=fork)
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(1.0)
    second = str(joined.sbc.told(Kind.CALL_STARTED)[1].call)
    assert joined.sent(second)[:4] == ["INVITE", "ACK", "ACK", "BYE"]
    assert joined.states(first)[-1] == "over"
    joined.at_rest()


def test_forks_without_end_are_not_taken_up_without_end():
    def forks(to_back: bool, data: bytes) -> bytes:
        """Ring from a hundred places at once."""
        if not to_back and data.startswith(b"SIP/2.0 180"):
            lines = data.split(b"\r\n")
            copies = [[line + b"x%d" % number if line.startswith(b"To:") else line for line in lines] for number in range(100)]
            return b"".join(b"\r\n".join(copy) for copy in copies)
        return data

    joined = GivenBack(on_wire=forks)
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(0.1)
    assert len(joined.switchboard._agent.dialogs) == 21
    joined.at_rest()


def test_a_partner_that_hangs_up_before_the_call_back_is_answered_has_it_cancelled():
    joined = GivenBack(answer=AnswerPlan(ring_seconds=20))
    first = joined.begin()
    joined.escalate(first)
    joined.go_on(1)
    joined._took(joined.partner, joined.caller.hang_up(joined.now))
    joined.go_on(1)
    second = str(joined.sbc.told(Kind.CALL_STARTED)[1].call)
    assert joined.sent(second) == ["INVITE", "CANCEL", "ACK"]
    assert joined.verdicts(first)[0]["SBC-E2E-033"] == "warn"
    assert joined.sbc.told(Kind.PARTNER_CHECK) == []
    joined.at_rest()


def test_the_contact_of_the_call_is_called_when_nothing_else_is_named_and_the_api_goes_before_all():
    joined = GivenBack(plan=EscalationPlan(mode="invite-back"))
    joined.escalate(joined.begin())
    assert (joined.dialled[0].host, joined.dialled[0].port) == ("192.0.2.1", 40001)
    joined = GivenBack()
    joined.escalate(joined.begin(), target="sip:rep@other.example;transport=tls")
    assert (joined.dialled[0].host, joined.dialled[0].port) == ("other.example", 5061)


@pytest.mark.parametrize("target", ["tel:+15550100", "sip:a@b;transport=udp", "sips:", "not a uri"])
def test_a_target_that_cannot_be_called_is_told_and_the_first_leg_ends(target):
    joined = GivenBack()
    first = joined.begin()
    joined.escalate(first, target=target)
    joined.go_on(0.2)
    assert joined.dialled == []
    assert joined.verdicts(first)[0]["SBC-E2E-024"] == "fail"


def test_a_shutdown_ends_both_legs():
    joined = GivenBack(answer=AnswerPlan(ring_seconds=20))
    joined.escalate(joined.begin())
    joined.go_on(1)
    joined._took(joined.sbc, joined.switchboard.shutdown(joined.now))
    joined.go_on(1)
    assert joined.switchboard.live_calls == 0
    assert joined.switchboard.at_rest
    assert not joined.sbc.legs


# --- by REFER ----------------------------------------------------------------------------------------------------------


def refers(**plan: object) -> GivenBack:
    """A call in mode refer whose partner's octets a test writes by hand from then on."""
    settings = {"mode": "refer", "return_uri": RETURN_URI, "check_seconds": 5.0, **plan}
    return GivenBack(policy=Policy(profile="extended"), plan=EscalationPlan(**settings), user_to_user=UUI)  # type: ignore[arg-type]


def as_partner(joined: GivenBack, octets: bytes) -> None:
    joined._took(joined.sbc, joined.switchboard.receive(1, octets, joined.now))


class ByHand:
    """Takes what the switchboard sends on the first leg's connection from the caller, and answers for it."""

    def __init__(self, joined: GivenBack) -> None:
        self.joined = joined
        self.requests: list[Request] = []
        self._stream = MessageStream()
        joined.caller.receive = self._take  # type: ignore[method-assign]

    def _take(self, connection: int, data: bytes, now: float) -> list[Output]:
        self.requests += [event for event in self._stream.feed(data) if isinstance(event, Request)]
        return []

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def answer(self, status: int, reason: str = "OK") -> None:
        kept = [f"{item.name}: {item.value}" for item in self.last.headers if item.name in ("Via", "From", "To", "Call-ID", "CSeq")]
        as_partner(self.joined, ("\r\n".join([f"SIP/2.0 {status} {reason}", *kept, "Content-Length: 0"]) + "\r\n\r\n").encode())

    def notify(self, sipfrag: str, number: int = 900) -> None:
        refer = next(request for request in self.requests if request.method == "REFER")
        own, far = (refer.headers.first(name) for name in ("To", "From"))
        lines = [
            "NOTIFY sip:203.0.113.5:5061;transport=tls SIP/2.0",
            f"Via: SIP/2.0/TLS 192.0.2.1:5071;branch=z9hG4bKnotify{number}",
            "Max-Forwards: 70",
            f"From: {own}",
            f"To: {far}",
            f"Call-ID: {refer.headers.first('Call-ID')}",
            f"CSeq: {number} NOTIFY",
            "Event: refer",
            "Subscription-State: active;expires=60",
            "Content-Type: message/sipfrag",
            f"Content-Length: {len(sipfrag)}",
        ]
        as_partner(self.joined, ("\r\n".join(lines) + "\r\n\r\n" + sipfrag).encode())


def test_mode_refer_names_target_customer_and_data_and_ends_the_leg_when_notify_tells_of_success():
    joined = refers()
    call = joined.begin()
    hand = ByHand(joined)
    joined.escalate(call)
    refer = hand.last
    assert refer.method == "REFER"
    to = NameAddr.parse(refer.headers.first("Refer-To") or "", "Refer-To").uri
    assert str(to).startswith(RETURN_URI)
    assert (to.header("User-to-User") or "").endswith(";encoding=hex")
    assert refer.headers.first("Referred-By") is not None
    assert refer.headers.first("Contact") is not None
    hand.answer(202, "Accepted")
    hand.notify("SIP/2.0 100 Trying", 900)
    assert hand.last.method == "REFER"
    hand.notify("SIP/2.0 200 OK", 901)
    assert hand.last.method == "BYE"
    hand.answer(200)
    verdict = joined.verdicts(call)[0]
    assert (verdict["SBC-E2E-035"], verdict["SBC-E2E-023"]) == ("pass", "pass")
    assert joined.sent(call).count("200 OK (NOTIFY)") == 2
    assert "405" not in " ".join(joined.sent(call))


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (lambda hand: hand.answer(405, "Method Not Allowed"), "refused with 405"),
        (lambda hand: (hand.answer(202), hand.notify("SIP/2.0 486 Busy Here")), "NOTIFY told of 486"),
    ],
)
def test_a_refer_that_is_refused_or_fails_falls_back_to_bye(happens, says):
    joined = refers()
    call = joined.begin()
    hand = ByHand(joined)
    joined.escalate(call)
    happens(hand)
    assert hand.last.method == "BYE"
    hand.answer(200)
    assert joined.verdicts(call)[0]["SBC-E2E-035"] == "fail"
    assert says in joined.detail(call, "SBC-E2E-035")


def test_the_published_profile_sends_no_refer_whoever_asks_for_it():
    joined = GivenBack(plan=EscalationPlan(check_seconds=5))
    call = joined.begin()
    joined.escalate(call, "refer")
    joined.go_on(0.2)
    assert "REFER" not in joined.sent(call)
    assert joined.caller.results[0].bye is not None
    assert "profile extended" in joined.sbc.told(Kind.NOTE)[-1].data["text"]


def test_a_refer_without_any_notify_is_given_up_with_a_warning():
    joined = refers(ring_seconds=10.0)
    call = joined.begin()
    hand = ByHand(joined)
    joined.escalate(call)
    hand.answer(202)
    joined.go_on(11)
    assert hand.last.method == "BYE"
    hand.answer(200)
    assert joined.verdicts(call)[0]["SBC-E2E-035"] == "warn"


def test_a_notify_that_nobody_asked_for_is_refused_as_ever():
    joined = GivenBack(plan=EscalationPlan())
    call = joined.begin()
    hand = ByHand(joined)
    joined._took(joined.sbc, joined.switchboard.refresh(call, "UPDATE", joined.now))
    hand.requests.append(Request("REFER", hand.last.uri, hand.last.headers))
    hand.notify("SIP/2.0 200 OK")
    assert "405 Method Not Allowed (NOTIFY)" in joined.sent(call)


# --- the partner check -------------------------------------------------------------------------------------------------


def after_a_bye(*records: dict[str, object]) -> tuple[GivenBack, str]:
    """An escalated call whose first leg is over, and whose voice call is known; what the API then has about it."""
    joined = GivenBack(plan=EscalationPlan(check_seconds=5), voice_calls=records)
    call = joined.begin()
    joined.switchboard._calls[call].evidence.journey.voice_call = FIRST
    joined.escalate(call)
    joined.go_on(0.1)
    return joined, call


FIRST = {"voiceCallId": "0LQ000000000001AAA", "vendorCallKey": "conv-7", "isActiveCall": True}
CLOSED = FIRST | {"endTime": "2026-01-01T00:00:00Z", "isActiveCall": False}
STRANGER = {
    "voiceCallId": "0LQ000000000009AAA",
    "vendorCallKey": "conv-9",
    "acceptTime": "2026-01-01T00:00:00Z",
    "createdAt": 2_000_000_000.0,
}
REP = {
    "voiceCallId": "0LQ000000000002AAA",
    "parentVoiceCallId": "0LQ000000000001",
    "acceptTime": "2026-01-01T00:00:00Z",
    "isActiveCall": True,
}


@pytest.mark.parametrize(
    ("records", "alive", "rep", "linked"),
    [
        ((FIRST, REP), True, True, True),
        ((FIRST, REP | {"parentVoiceCallId": "conv-7"}), True, True, True),
        ((FIRST, REP | {"parentVoiceCallId": "", "vendorCallKey": "conv-7"}), True, True, True),
        ((FIRST | {"agent": "005000000000001"},), True, True, True),
        ((FIRST, REP | {"parentVoiceCallId": ""}), None, None, None),
        ((FIRST, REP | {"acceptTime": None}), True, None, None),
        ((CLOSED,), None, None, None),
        ((FIRST | {"isActiveCall": False}, REP), True, True, True),
        ((FIRST,), None, None, None),
        ((), None, None, None),
    ],
)
def test_what_voice_calls_tell_of_an_escalated_call(records, alive, rep, linked):
    journey = Journey(voice_call=FIRST, voice_call_then=FIRST)
    assert take_records(journey, records) == any(fact is not None for fact in (alive, rep, linked))
    assert (journey.customer_alive, journey.rep_reached, journey.linked) == (alive, rep, linked)
    assert not take_records(journey, records)


@pytest.mark.parametrize(
    ("records", "alive", "rep", "doubtful"),
    [
        ((CLOSED,), False, None, False),
        ((CLOSED, REP), True, True, False),
        ((FIRST, STRANGER), True, True, True),
        ((CLOSED, STRANGER), True, True, True),
        ((FIRST, STRANGER, REP), True, True, False),
        ((FIRST, STRANGER | {"createdAt": 99.0}), None, None, False),
        ((FIRST, STRANGER | {"acceptTime": None}), None, None, False),
    ],
)
def test_what_the_last_look_at_voice_calls_makes_of_hints(records, alive, rep, doubtful):
    journey = Journey(voice_call=FIRST, voice_call_then=FIRST, escalated_at=100.0)
    take_records(journey, records, last=True)
    assert (journey.customer_alive, journey.rep_reached, journey.rep_doubtful) == (alive, rep, doubtful)
    assert journey.linked == (None if rep is None else not doubtful)


def test_a_hint_waits_for_the_end_of_the_window_and_is_told_with_its_doubt():
    joined, call = after_a_bye(STRANGER, CLOSED)
    joined.go_on(2)
    assert {joined.verdicts(call)[-1][rule] for rule in ("SBC-E2E-020", "SBC-E2E-021")} == {"unknown"}
    joined.go_on(4)
    assert [joined.verdicts(call)[-1][rule] for rule in ("SBC-E2E-020", "SBC-E2E-021", "SBC-E2E-022")] == ["unknown", "warn", "warn"]
    assert f"{STRANGER['voiceCallId']} of the same customer" in joined.detail(call, "SBC-E2E-022")
    assert "may be another call" in joined.sbc.told(Kind.PARTNER_CHECK)[-1].data["text"]


def test_a_call_back_that_came_up_shows_that_the_customer_was_kept_also_without_rest():
    joined = GivenBack()
    call = joined.begin()
    joined.escalate(call)
    joined.go_on(12)
    assert (joined.verdicts(call)[-1]["SBC-E2E-020"], joined.verdicts(call)[-1]["SBC-E2E-021"]) == ("pass", "fail")
    told = [entry.data for entry in joined.sbc.told(Kind.PARTNER_CHECK)]
    assert [(data["by"], data["customerAlive"]) for data in told] == [("return", True), ("deadline", True)]
    assert "treated BYE as end of call" not in told[-1]["text"]


def test_a_check_that_we_cut_short_holds_nothing_against_the_partner():
    joined, call = after_a_bye()
    joined._took(joined.sbc, joined.switchboard.shutdown(joined.now))
    assert {joined.verdicts(call)[-1][rule] for rule in ("SBC-E2E-020", "SBC-E2E-021")} == {"unknown"}
    assert "cut short" in joined.detail(call, "SBC-E2E-021")
    assert joined.sbc.told(Kind.PARTNER_CHECK)[-1].data["by"] == "cut"
    joined.at_rest()


class Checked:
    """A call whose check counts how often its voice calls are asked for."""

    def __init__(self, number: int) -> None:
        self.id = f"c{number}"
        self.evidence = Evidence()
        self.evidence.journey.voice_call = {"voiceCallId": f"0LQ{number:012d}AAA", "vendorCallKey": f"key-{number}"}
        self.evidence.journey.check_seconds = 30.0

    def record(self, *_: object) -> None:
        """Write nothing."""

    def judge_again(self, now: float) -> None:
        """Judge nothing."""


def test_a_changed_voice_call_is_looked_up_for_the_checks_that_it_touches_and_time_alone_for_none():
    asked: list[str] = []
    checks = PartnerChecks(lambda first: asked.append(first["vendorCallKey"]) or ())
    for number in range(500):
        checks.begin(Checked(number), 0.0)
    checks.advance(0.0)
    assert (len(asked), checks.deadline) == (500, 30.0)
    asked.clear()
    other = VoiceCall("0LQ999999999999AAA", "key-new", "", "", "", 1.0, 1.0, caller="+15550111")
    checks.advance(20.0)
    checks.record_changed(other, 20.0)
    assert asked == []
    checks.record_changed(replace(other, parent="0LQ000000000007"), 20.0)
    checks.record_changed(replace(other, parent="key-8"), 20.0)
    checks.record_changed(replace(other, vendor_call_key="key-9"), 20.0)
    checks.record_changed(replace(other, id="0LQ000000000010AAA"), 20.0)
    assert asked == ["key-7", "key-8", "key-9", "key-10"]
    checks.advance(30.0)
    assert (checks.waiting, checks.deadline) == (0, None)
    asked.clear()
    checks.record_changed(replace(other, id="0LQ000000000010AAA"), 40.0)
    checks.record_changed(replace(other, id="0LQ000000000010AAA"), 30.0 + LATE_S + 1)
    checks.record_changed(replace(other, id="0LQ000000000011AAA"), 30.0 + LATE_S + 1)
    assert asked == ["key-10"]
    assert not {"key-10", "key-11"} & set(checks._by_sign)


def test_who_was_there_before_the_escalation_is_no_rep():
    journey = Journey(voice_call=FIRST, voice_call_then=FIRST | {"agent": "bot"})
    assert not take_records(journey, [FIRST | {"agent": "bot"}])
    assert take_records(journey, [FIRST | {"agent": "005000000000001"}])


def test_the_partners_word_completes_the_check_and_gives_a_new_verdict():
    joined, call = after_a_bye()
    assert joined.switchboard.is_checked(call)
    joined._took(joined.sbc, joined.switchboard.partner_says(call, PartnerWord(True, True, True, "0LQ2", "all well"), joined.now))
    assert joined.sbc.told(Kind.PARTNER_CHECK)[-1].data["state"] == "done"
    assert {joined.verdicts(call)[-1][rule] for rule in ("SBC-E2E-020", "SBC-E2E-021", "SBC-E2E-022")} == {"pass"}
    told = len(joined.sbc.told(Kind.PARTNER_CHECK))
    joined.go_on(10)
    assert len(joined.sbc.told(Kind.PARTNER_CHECK)) == told
    joined.at_rest()


def test_a_customer_that_was_dropped_is_told_at_once_in_words():
    joined, call = after_a_bye()
    joined._took(joined.sbc, joined.switchboard.partner_says(call, PartnerWord(customer_alive=False), joined.now))
    verdict = joined.verdicts(call)[-1]
    assert (verdict["SBC-E2E-020"], verdict["SBC-E2E-021"]) == ("fail", "fail")
    assert joined.detail(call, "SBC-E2E-020").startswith("The partner treated BYE as end of call")
    assert "treated BYE as end of call" in joined.sbc.told(Kind.PARTNER_CHECK)[-1].data["text"]


def test_the_word_of_a_partner_that_comes_after_the_window_still_counts():
    joined, call = after_a_bye()
    joined.go_on(8)
    assert joined.verdicts(call)[-1]["SBC-E2E-021"] == "fail"
    joined._took(joined.sbc, joined.switchboard.partner_says(call, PartnerWord(rep_reached=True, linked=True), joined.now))
    assert joined.verdicts(call)[-1]["SBC-E2E-021"] == "pass"


def rest(joined: GivenBack, *records: dict[str, object]) -> None:
    """Requests have left these voice calls, and the agent's changed."""
    joined.voice_calls = records
    record = VoiceCall(str(FIRST["voiceCallId"]), "conv-7", "", "", "", 1.0, 1.0)
    joined._took(joined.sbc, joined.switchboard.voice_call_changed(record, joined.now))


def test_a_rep_who_accepts_after_the_window_still_counts_and_is_told_with_the_delay():
    joined, call = after_a_bye(FIRST)
    joined.go_on(8)
    assert joined.verdicts(call)[-1]["SBC-E2E-021"] == "fail"
    rest(joined, FIRST, REP)
    verdict, told = joined.verdicts(call)[-1], joined.sbc.told(Kind.PARTNER_CHECK)[-1].data
    assert {verdict[rule] for rule in ("SBC-E2E-020", "SBC-E2E-021", "SBC-E2E-022")} == {"pass"}
    assert joined.detail(call, "SBC-E2E-021") == "A rep took the call 3 s after the window of 5 s."
    assert (told["by"], told["state"]) == ("rest", "done")
    assert told["text"] == "a rep took the call 3 s after the window of 5 s, and its record is linked"
    assert told["late"]["repReached"] == pytest.approx(3.0, abs=0.2)
    joined.at_rest()


def test_a_record_that_is_closed_after_the_window_is_no_sign_of_a_dropped_customer():
    joined, _ = after_a_bye(FIRST)
    joined.go_on(8)
    entries = len(joined.sbc.told(Kind.PARTNER_CHECK))
    rest(joined, CLOSED)
    assert len(joined.sbc.told(Kind.PARTNER_CHECK)) == entries


def test_who_tells_of_a_rep_by_word_has_the_records_looked_at_for_the_link():
    joined, call = after_a_bye(FIRST, REP | {"acceptTime": None})
    joined._took(joined.sbc, joined.switchboard.partner_says(call, PartnerWord(rep_reached=True), joined.now))
    assert joined.verdicts(call)[-1]["SBC-E2E-022"] == "pass"


def test_a_partner_that_talks_without_end_is_written_down_so_often_and_no_more():
    joined, call = after_a_bye()
    for number in range(60):
        joined._took(joined.sbc, joined.switchboard.partner_says(call, PartnerWord(text=f"word {number}"), joined.now))
    assert len(joined.sbc.told(Kind.PARTNER_CHECK)) == 20
