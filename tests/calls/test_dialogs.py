"""Requirements 39-51, 104, 105, 110, 138-140: what happens within a dialog, and beside it."""

from __future__ import annotations

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegReport
from sbc_sim.sip.message import Request, Response
from tests.support.sip import SDP, Exchange, Placed, a_request, an_environment, an_invite

RECORD_ROUTE = "<sip:p2.example;lr>, <sip:p1.example:5070;transport=tls;lr>"


def test_record_route_comes_back_in_order_in_180_and_200_and_not_in_100():
    trying, ringing, ok = Exchange().line().send(an_invite(record_route=RECORD_ROUTE))
    assert trying.headers.first("Record-Route") is None
    assert ", ".join(ringing.headers.all("Record-Route")) == RECORD_ROUTE
    assert ", ".join(ok.headers.all("Record-Route")) == RECORD_ROUTE


def test_200_lists_allow_without_refer_and_supported():
    ok = Exchange().line().final(an_invite())
    allow = ok.headers.listed("Allow")
    assert {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"} <= set(allow)
    assert "REFER" not in allow
    assert "timer" in ok.headers.listed("Supported")


@pytest.mark.parametrize(
    ("changed", "contact"),
    [
        ({}, "<sip:sbc.example:5061;transport=tls>"),
        ({"uri": "sips:+15550100@sbc.example"}, "<sips:sbc.example:5061>"),
        ({"record_route": "<sips:p1.example;lr>"}, "<sips:sbc.example:5061>"),
    ],
)
def test_contact_is_sips_when_the_request_uri_or_the_top_record_route_is(changed, contact):
    assert Exchange().line().final(an_invite(**changed)).headers.first("Contact") == contact


def test_our_bye_follows_the_route_set_and_echoes_the_peers_contact_unchanged():
    exchange = Exchange()
    line = exchange.line()
    contact = "sip:192.0.2.1:5071;transport=tls;x-own=a%20b;transport=tls"
    line.call(an_invite(record_route=RECORD_ROUTE, contact=f"<{contact}>"))
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    bye = line.messages[-1]
    assert isinstance(bye, Request)
    assert bye.uri == contact
    assert bye.headers.listed("Route") == ["<sip:p2.example;lr>", "<sip:p1.example:5070;transport=tls;lr>"]
    assert "SIP;cause=200" in (bye.headers.first("Reason") or "")


def test_a_strict_router_gets_itself_as_the_request_uri():
    exchange = Exchange()
    line = exchange.line()
    line.call(an_invite(record_route="<sip:old.example>"))
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    bye = line.messages[-1]
    assert isinstance(bye, Request)
    assert bye.uri == "sip:old.example"
    assert bye.headers.first("Route") == "<sip:ann@192.0.2.1:5071;transport=tls>"


def test_a_request_in_an_unknown_dialog_gets_481_and_one_with_an_old_cseq_500():
    line = Exchange().line()
    placed = line.call(an_invite(cseq="10 INVITE"))
    assert line.final(a_request("BYE", to="<sip:x@y>;tag=none")).status == 481
    assert placed.final("INFO", cseq=9).status == 500


def test_bye_is_answered_200_and_the_port_is_freed_at_once():
    exchange = Exchange()
    placed = exchange.line().call()
    assert placed.final("BYE", reason='Q.850;cause=16;text="bye"').status == 200
    assert len(exchange.stopped_media()) == 1
    assert exchange.told(Kind.CALL_ENDED)[0].data["endedBy"] == "partner"
    assert placed.final("BYE").status == 481


def test_bye_of_an_early_dialog_ends_the_call_and_the_invite_gets_487():
    exchange = Exchange(limits=Limits(ring_seconds=5))
    line = exchange.line()
    ringing = line.send(an_invite(call_id="e", **{"from": "<sip:+1@b>;tag=1"}))[-1]
    bye = a_request("BYE", call_id="e", cseq="2 BYE", to=ringing.headers.first("To") or "", **{"from": "<sip:+1@b>;tag=1"})
    assert line.statuses(bye) == [200, 487]
    assert exchange.told(Kind.CALL_ENDED)[0].data["endReason"] == "normal"


def test_hanging_up_before_the_ack_waits_for_the_ack():
    exchange = Exchange()
    line = exchange.line()
    placed = Placed(line, an_invite())
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    assert not [m for m in line.messages if isinstance(m, Request)]
    answered = line.send(placed.request("ACK", cseq=1))
    assert [m.method for m in answered if isinstance(m, Request)] == ["BYE"]


def test_both_sides_hang_up_at_once():
    exchange = Exchange()
    placed = exchange.line().call()
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    assert placed.final("BYE").status == 200
    exchange.wait(40)
    assert len(exchange.told(Kind.CALL_ENDED)) == 1
    assert exchange.switchboard.at_rest


def test_an_unanswered_bye_of_ours_ends_the_call_after_32_seconds():
    exchange = Exchange()
    exchange.line().call()
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    exchange.wait(31)
    assert exchange.told(Kind.CALL_ENDED) == []
    exchange.wait(2)
    assert exchange.told(Kind.CALL_ENDED)[0].data["endedBy"] == "sbc"


def test_refer_gets_405_with_allow_and_the_call_goes_on():
    exchange = Exchange()
    placed = exchange.line().call()
    refused = placed.final("REFER", refer_to="<sip:x@y>")
    assert refused.status == 405
    assert "REFER" not in (refused.headers.first("Allow") or "REFER")
    assert "SBC-SIP-024" in (refused.headers.first("Warning") or "")
    assert placed.final("OPTIONS").status == 200
    assert exchange.told(Kind.CALL_ENDED) == []
    placed.final("BYE")
    assert "SBC-SIP-024" in exchange.rules("fail")


@pytest.mark.parametrize("method", ["NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REGISTER", "REFER"])
def test_methods_that_are_known_but_not_allowed_get_405_with_allow(method):
    answer = Exchange().line().final(a_request(method))
    assert (answer.status, answer.headers.first("Allow")) == (405, "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE")


def test_a_method_that_nobody_knows_gets_501():
    assert Exchange().line().final(a_request("invite")).status == 501


def test_options_gets_200_with_accept_outside_and_inside_a_dialog_and_makes_no_call():
    exchange = Exchange()
    line = exchange.line()
    answer = line.final(a_request("OPTIONS"))
    assert answer.status == 200
    assert answer.headers.first("Accept") == "application/sdp"
    assert answer.headers.first("Allow")
    assert answer.headers.first("Supported")
    assert exchange.told(Kind.CALL_STARTED) == []


def test_info_outside_is_481_inside_200_and_with_an_unknown_package_469():
    line = Exchange().line()
    assert line.final(a_request("INFO")).status == 481
    placed = line.call()
    assert placed.final("INFO").status == 200
    refused = placed.final("INFO", info_package="dtmf")
    assert refused.status == 469
    assert refused.headers.first("Recv-Info") == ""


# --- changes of the session -------------------------------------------------------------------------------------------


def test_a_reinvite_with_a_new_address_and_key_moves_the_media():
    exchange = Exchange()
    placed = exchange.line().call()
    changed = SDP.replace("o=- 77 1", "o=- 77 2").replace("24000", "25000").replace("inline:AAEC", "inline:BBEC")
    answer = placed.final("INVITE", changed)
    assert answer.status == 200
    before, after = (o.leg for o in exchange.started_media())
    assert after.remote == ("192.0.2.1", 25000)
    assert after.receive_key.key_salt != before.receive_key.key_salt
    assert after.send_key == before.send_key


def test_an_unchanged_answer_keeps_its_version_and_a_changed_one_raises_it_by_one():
    placed = Exchange().line().call()
    first = _origin(placed.ok)
    placed.line.send(placed.request("ACK", cseq=1))
    same = placed.final("INVITE", SDP)
    placed.line.send(placed.request("ACK", cseq=2))
    held = placed.final("INVITE", SDP.replace("o=- 77 1", "o=- 77 2") + "a=sendonly\r\n")
    assert _origin(same) == first
    assert _origin(held)[0] == first[0]
    assert int(_origin(held)[1]) == int(first[1]) + 1
    assert b"a=recvonly" in held.body


def test_hold_and_resume_change_the_direction_and_are_told():
    exchange = Exchange()
    placed = exchange.line().call()
    placed.final("INVITE", SDP.replace("o=- 77 1", "o=- 77 2") + "a=inactive\r\n")
    placed.line.send(placed.request("ACK", cseq=2))
    exchange.wait(10)
    placed.final("INVITE", SDP.replace("o=- 77 1", "o=- 77 3"))
    directions = [o.leg.direction.value for o in exchange.started_media()]
    assert directions == ["sendrecv", "inactive", "sendrecv"]


def test_a_refused_reinvite_leaves_the_session_as_it_was():
    exchange = Exchange()
    placed = exchange.line().call()
    refused = placed.final("INVITE", SDP.replace("RTP/SAVP 0 101", "RTP/SAVP 8"))
    assert refused.status == 488
    assert refused.headers.first("Warning")
    assert len(exchange.started_media()) == 1
    assert exchange.stopped_media() == []
    assert placed.final("BYE").status == 200


def test_a_second_invite_while_the_first_is_unanswered_gets_500_with_retry_after():
    exchange = Exchange(limits=Limits(ring_seconds=5))
    line = exchange.line()
    ringing = line.send(an_invite(call_id="p", **{"from": "<sip:+1@b>;tag=1"}))[-1]
    second = an_invite(call_id="p", cseq="2 INVITE", to=ringing.headers.first("To") or "", **{"from": "<sip:+1@b>;tag=1"})
    answer = line.final(second)
    assert answer.status == 500
    assert answer.headers.first("Retry-After")


def test_update_with_an_offer_is_answered_and_without_one_is_a_refresh():
    placed = Exchange().line().call()
    answered = placed.final("UPDATE", SDP.replace("o=- 77 1", "o=- 77 2").replace("24000", "26000"))
    assert answered.status == 200
    assert b"m=audio 31000" in answered.body
    assert placed.final("UPDATE").body == b""


def test_an_invite_without_sdp_gets_an_offer_and_the_ack_brings_the_answer():
    exchange = Exchange()
    line = exchange.line()
    placed = Placed(line, an_invite("", remove=("Content-Type",)))
    assert b"a=crypto:1" in placed.ok.body
    assert exchange.started_media() == []
    line.send(placed.request("ACK", SDP, cseq=1))
    assert exchange.started_media()[0].leg.remote == ("192.0.2.1", 24000)


@pytest.mark.parametrize("answer", ["", SDP.replace("RTP/SAVP", "RTP/AVP"), "nonsense"])
def test_a_delayed_offer_without_a_usable_answer_ends_the_call(answer):
    exchange = Exchange()
    line = exchange.line()
    placed = Placed(line, an_invite("", remove=("Content-Type",)))
    sent = line.send(placed.request("ACK", answer, cseq=1))
    assert [m.method for m in sent if isinstance(m, Request)] == ["BYE"]


# --- time -------------------------------------------------------------------------------------------------------------


def _session(exchange: Exchange, **changed: str) -> Placed:
    return exchange.line().call(an_invite(**changed))


def test_a_session_interval_below_the_minimum_gets_422_with_min_se():
    answer = Exchange().line().final(an_invite(session_expires="60", supported="timer"))
    assert (answer.status, answer.headers.first("Min-SE")) == (422, "90")


def test_session_expires_without_timer_support_makes_us_the_refresher():
    ok = Exchange().line().final(an_invite(session_expires="100"))
    assert ok.headers.first("Session-Expires") == "100;refresher=uas"
    assert ok.headers.first("Require") is None


def test_a_caller_that_can_refresh_is_asked_to_and_its_silence_ends_the_call():
    exchange = Exchange(environment=an_environment(reports=_Talking()))
    placed = _session(exchange, session_expires="90;refresher=uac", supported="timer")
    assert placed.ok.headers.first("Session-Expires") == "90;refresher=uac"
    assert placed.ok.headers.first("Require") == "timer"
    exchange.wait(59)
    assert exchange.told(Kind.CALL_ENDED) == []
    assert placed.final("UPDATE", session_expires="90;refresher=uac", supported="timer").status == 200
    exchange.wait(58)
    assert not [m for m in placed.line.messages if isinstance(m, Request)]
    exchange.wait(3)
    assert [m.method for m in placed.line.messages if isinstance(m, Request)] == ["BYE"]


@pytest.mark.parametrize(("allow", "method"), [("INVITE, ACK, UPDATE", "UPDATE"), ("INVITE, ACK, BYE", "INVITE")])
def test_we_refresh_at_half_time_by_update_or_reinvite(allow, method):
    exchange = Exchange(environment=an_environment(reports=_Talking()))
    placed = _session(exchange, session_expires="100;refresher=uas", supported="timer", allow=allow)
    exchange.wait(51)
    refresh = placed.line.messages[-1]
    assert isinstance(refresh, Request)
    assert refresh.method == method
    assert refresh.headers.first("Session-Expires") == "100;refresher=uac"


def test_no_media_for_the_timeout_ends_the_call_with_a_reason_but_not_on_hold():
    exchange = Exchange(limits=Limits(ring_seconds=0, media_timeout_seconds=20))
    exchange.environment = an_environment()
    exchange = Exchange(limits=Limits(ring_seconds=0, media_timeout_seconds=20), environment=an_environment(reports=_Silent()))
    held, silent = exchange.line().call(), exchange.line().call()
    held.final("INVITE", SDP.replace("o=- 77 1", "o=- 77 2") + "a=sendonly\r\n")
    held.line.send(held.request("ACK", cseq=2))
    exchange.wait(22)
    byes = [m for m in silent.line.messages if isinstance(m, Request)]
    assert [b.method for b in byes] == ["BYE"]
    assert "cause=408" in (byes[0].headers.first("Reason") or "")
    assert not [m for m in held.line.messages if isinstance(m, Request)]


def test_the_longest_call_is_ended():
    exchange = Exchange(limits=Limits(ring_seconds=0, call_seconds=30), environment=an_environment(reports=_Talking()))
    placed = exchange.line().call()
    exchange.wait(31)
    assert [m.method for m in placed.line.messages if isinstance(m, Request)] == ["BYE"]


def test_a_lost_connection_does_not_end_the_call_and_our_bye_goes_over_a_new_one():
    exchange = Exchange()
    line = exchange.line()
    line.call()
    line.lose()
    assert exchange.told(Kind.CALL_ENDED) == []
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    dialled = exchange.dialled()
    assert [(d.host, d.port) for d in dialled] == [("192.0.2.1", 5071)]
    back = exchange.line(number=dialled[0].connection)
    assert [m.method for m in back.messages if isinstance(m, Request)] == ["BYE"]


def test_a_bye_over_another_connection_is_taken():
    exchange = Exchange()
    placed = exchange.line().call()
    other = exchange.line()
    answers = other.send(placed.request("BYE"))
    assert [a.status for a in answers if isinstance(a, Response)] == [200]


def test_shutting_down_ends_live_calls_and_refuses_new_ones():
    exchange = Exchange()
    line = exchange.line()
    line.call()
    exchange.took(exchange.switchboard.shutdown(exchange.now))
    assert [m.method for m in line.messages if isinstance(m, Request)] == ["BYE"]
    assert line.final(an_invite()).status == 503


def test_nothing_is_kept_of_calls_that_ended_a_while_ago():
    exchange = Exchange()
    line = exchange.line()
    for _ in range(20):
        line.call().send("BYE")
    exchange.wait(200)
    board = exchange.switchboard
    assert board.at_rest
    assert (board._register.empty, board._outbox.calls, board._register.deadline) == (True, {}, None)


class _Talking(dict[str, LegReport]):
    """Every call hears a packet just now."""

    def get(self, call: str, default: object = None) -> LegReport:  # type: ignore[override]
        return LegReport(packets_received=1000, packets_sent=1000, last_packet_at=9e9)


class _Silent(dict[str, LegReport]):
    def get(self, call: str, default: object = None) -> LegReport:  # type: ignore[override]
        return LegReport()


def _origin(message: Response) -> tuple[str, str]:
    line = next(line for line in message.body.decode().splitlines() if line.startswith("o="))
    return line.split()[1], line.split()[2]


def test_a_reinvite_without_sdp_is_offered_the_session_as_it_stands_with_every_stream():
    exchange = Exchange()
    placed = exchange.line().call(an_invite(SDP + "m=video 26000 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n"))
    ok = placed.final("INVITE")
    assert [line.split()[0] for line in ok.body.decode().splitlines() if line.startswith("m=")] == ["m=audio", "m=video"]
    assert _origin(ok)[0] == _origin(placed.ok)[0]
    placed.line.send(placed.request("ACK", SDP.replace("o=- 77 1", "o=- 77 2") + "m=video 0 RTP/SAVP 96\r\n", cseq=2))
    assert len(exchange.started_media()) == 2
