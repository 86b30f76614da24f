"""What a legal but unusual, or a broken, peer does at a bad moment; each case once broke a call."""

from __future__ import annotations

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.entries import Kind
from sbc_sim.rtp.leg import LegReport
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Request, Response
from tests.support.sip import SDP, Exchange, Placed, a_request, an_environment, an_invite


class Talking(dict[str, LegReport]):
    """Every call hears a packet just now."""

    def get(self, call: str, default: object = None) -> LegReport:  # type: ignore[override]
        return LegReport(packets_received=1000, packets_sent=1000, last_packet_at=9e9)


def talking(**limits: float) -> Exchange:
    return Exchange(limits=Limits(ring_seconds=0, **limits), environment=an_environment(reports=Talking()))  # type: ignore[arg-type]


def requests(placed: Placed) -> list[Request]:
    return [m for m in placed.line.messages if isinstance(m, Request)]


def answer_to(request: Request, status: int, body: str = "", **extra: str) -> bytes:
    """The peer's answer to a request of ours."""
    head = [f"SIP/2.0 {status} X", *(f"{name}: {request.headers.first(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq"))]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in extra.items()]
    head += ["Content-Type: application/sdp"] if body else []
    return ("\r\n".join([*head, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {"max_forwards": "9" * 5000},
        {"cseq": "0" * 5000 + "1 INVITE"},
        {"session_expires": "9" * 5000},
        {"expires": "9" * 5000},
        {"max_forwards": "\u0661\u0662"},
    ],
)
def test_numbers_of_any_length_are_answered_and_leave_no_call_behind(changed):
    exchange = Exchange()
    line = exchange.line()
    for method in (an_invite(**changed), a_request("OPTIONS", **{k: v.replace("INVITE", "OPTIONS") for k, v in changed.items()})):
        assert [m for m in line.send(method) if isinstance(m, Response) and m.status >= 200]
    exchange.wait(4000)
    assert exchange.switchboard.live_calls == 0


def test_a_second_invite_while_the_first_rings_is_refused_and_the_first_is_answered_all_the_same():
    exchange = Exchange(limits=Limits(ring_seconds=5))
    line = exchange.line()
    own = {"call_id": "p", "from": "<sip:+1@b>;tag=1"}
    ringing = line.send(an_invite(**own))[-1]
    assert line.final(an_invite(cseq="2 INVITE", to=ringing.headers.first("To") or "", **own)).status == 500
    exchange.wait(5.1)
    assert line.messages[-1].status == 200
    assert line.messages[-1].headers.first("CSeq") == "1 INVITE"


def test_an_update_whose_contact_cannot_be_read_gets_400_and_leaves_nothing_open():
    exchange = Exchange()
    placed = exchange.line().call()
    assert placed.final("UPDATE", contact="<sip:").status == 400
    assert placed.final("BYE").status == 200
    exchange.wait(200)
    assert exchange.switchboard.at_rest


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("interval", ["0", "10;refresher=uas"])
def test_a_session_interval_that_is_too_short_is_refused_later_too(method, interval):
    placed = Exchange().line().call()
    refused = placed.final(method, SDP.replace("o=- 77 1", "o=- 77 2"), session_expires=interval, supported="timer")
    assert (refused.status, refused.headers.first("Min-SE")) == (422, "90")


def _refreshing(method: str) -> tuple[Exchange, Placed, Request]:
    exchange = talking()
    allow = "INVITE, ACK, UPDATE" if method == "UPDATE" else "INVITE, ACK"
    placed = exchange.line().call(an_invite(session_expires="100;refresher=uas", supported="timer", allow=allow))
    exchange.wait(51)
    refresh = requests(placed)[-1]
    assert refresh.method == method
    return exchange, placed, refresh


def test_the_answer_to_our_refresh_may_bring_a_new_key_and_port():
    exchange, placed, refresh = _refreshing("INVITE")
    moved = SDP.replace("24000", "27000").replace("inline:AAEC", "inline:BBEC").replace("o=- 77 1", "o=- 77 2")
    placed.line.send(answer_to(refresh, 200, moved, Contact="<sip:ann@192.0.2.1>", Session_Expires="100;refresher=uac"))
    assert exchange.started_media()[-1].leg.remote == ("192.0.2.1", 27000)
    assert requests(placed)[-1].method == "ACK"
    exchange.wait(51)
    assert requests(placed)[-1].method == "INVITE", "the next refresh"


def test_a_refresh_answered_491_or_422_is_tried_again_and_the_call_lives():
    exchange, placed, refresh = _refreshing("UPDATE")
    placed.line.send(answer_to(refresh, 491))
    exchange.wait(2.1)
    again = requests(placed)[-1]
    assert again is not refresh
    placed.line.send(answer_to(again, 422, Min_SE="300"))
    exchange.wait(0.1)
    third = requests(placed)[-1]
    assert third.headers.first("Session-Expires") == "300;refresher=uac"
    placed.line.send(answer_to(third, 200, Session_Expires="300;refresher=uac"))
    exchange.wait(140)
    assert exchange.told(Kind.CALL_ENDED) == []


def test_an_answer_to_our_refresh_with_no_seconds_makes_no_storm():
    exchange, placed, refresh = _refreshing("UPDATE")
    placed.line.send(answer_to(refresh, 200, Session_Expires="0;refresher=uac"))
    exchange.wait(40)
    assert requests(placed)[-1] is refresh


def test_an_answer_to_our_refresh_with_a_broken_contact_is_taken_otherwise():
    exchange, placed, refresh = _refreshing("INVITE")
    placed.line.send(answer_to(refresh, 200, SDP, Contact="<sip:", Session_Expires="100;refresher=uac"))
    assert requests(placed)[-1].method == "ACK"
    exchange.wait(60)
    assert exchange.told(Kind.CALL_ENDED) == []


def test_a_refused_reinvite_whose_ack_never_comes_does_not_end_the_call():
    exchange = talking()
    placed = exchange.line().call()
    assert placed.final("INVITE", SDP.replace("SAVP 0 101", "SAVP 8")).status == 488
    exchange.wait(60)
    assert exchange.told(Kind.CALL_ENDED) == []
    assert placed.final("BYE").status == 200


def test_the_ack_of_a_reinvite_is_not_that_of_the_first_200():
    exchange = talking()
    line = exchange.line()
    placed = Placed(line, an_invite())
    assert placed.final("INVITE", SDP).status == 200
    line.send(placed.request("ACK", cseq=2))
    assert exchange.told(Kind.CALL_ENDED) == []
    exchange.wait(33)
    assert [m.method for m in requests(placed)] == ["BYE"]
    line.send(answer_to(requests(placed)[0], 200))
    assert exchange.told(Kind.CALL_ENDED)[0].data["endReason"] == "no-ack"


def test_over_the_limit_of_transactions_nothing_is_kept_and_live_calls_can_end():
    exchange = Exchange(limits=Limits(ring_seconds=0, transactions=3))
    line = exchange.line()
    placed = line.call()
    for _ in range(40):
        line.send(an_invite(remove=("User-to-User",)))
    agent = exchange.switchboard._agent
    assert len(agent.server.transactions) == 3
    assert placed.final("BYE").status == 200
    assert exchange.switchboard.live_calls == 0


def test_a_stream_that_only_we_send_is_not_ended_for_silence_but_by_the_longest_call():
    exchange = Exchange(limits=Limits(ring_seconds=0, media_timeout_seconds=20, call_seconds=100), environment=an_environment(reports={}))
    placed = exchange.line().call(an_invite(SDP + "a=recvonly\r\n"))
    exchange.wait(60)
    assert requests(placed) == []
    exchange.wait(45)
    assert [m.method for m in requests(placed)] == ["BYE"]


def test_a_sips_contact_alone_makes_ours_sips():
    assert (
        Exchange()
        .line()
        .final(an_invite(contact="<sips:ann@192.0.2.1:5071>"))
        .headers.first(
            "Contact",
        )
        == "<sips:sbc.example:5061>"
    )


def test_several_reason_lines_are_all_told():
    exchange = Exchange()
    placed = exchange.line().call()
    raw = placed.request("BYE", reason="SIP;cause=200").replace(b"\r\n\r\n", b'\r\nReason: Q.850;cause=16;text="x"\r\n\r\n')
    assert placed.line.final(raw).status == 200


def test_reliable_provisional_responses_that_are_off_are_not_advertised():
    ok = Exchange(Policy(reliable_provisional=False)).line().final(an_invite())
    assert ok.headers.listed("Supported") == ["timer"]


@pytest.mark.parametrize("method", ["MESSAGE", "REGISTER", "FOO", "INFO", "OPTIONS", "INVITE"])
def test_a_source_off_the_list_gets_403_whatever_it_asks(method):
    exchange = Exchange(Policy(allow_from=("198.51.100.0/24",)))
    request = an_invite() if method == "INVITE" else a_request(method)
    assert exchange.line().final(request).status == 403


def test_what_was_wrong_with_an_earlier_offer_stays_in_the_verdict():
    exchange = Exchange()
    placed = exchange.line().call()
    changed = placed.final("INVITE", SDP.replace("24000", "25000"))
    assert changed.status == 200
    placed.line.send(placed.request("ACK", cseq=2))
    last = SDP.replace("o=- 77 1", "o=- 77 2").replace("24000", "26000")
    assert placed.final("INVITE", last).status == 200
    placed.line.send(placed.request("ACK", cseq=3))
    placed.send("BYE")
    assert "SBC-SDP-017" in exchange.rules("warn") | exchange.rules("fail")


def test_a_delayed_offer_without_an_answer_fails_in_the_verdict():
    exchange = Exchange()
    line = exchange.line()
    placed = Placed(line, an_invite("", remove=("Content-Type",)))
    line.send(placed.request("ACK", cseq=1))
    line.send(answer_to(requests(placed)[-1], 200))
    assert exchange.verdict()["status"] == "fail"


def test_an_unreadable_message_within_a_call_is_told_in_its_verdict():
    exchange = Exchange()
    placed = exchange.line().call()
    assert placed.final("INFO", via="nonsense").status == 400
    placed.send("BYE")
    assert "SBC-DLG-012" in exchange.rules("fail") | exchange.rules("warn")


def test_a_bug_in_one_call_is_answered_500_and_costs_no_other(monkeypatch):
    exchange = Exchange()
    line = exchange.line()
    healthy = line.call()
    board = exchange.switchboard
    with monkeypatch.context() as patch:
        patch.setattr("sbc_sim.calls.call.Call._take_port", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            board.receive(line.number, an_invite(call_id="bad") + a_request("OPTIONS", call_id="after"), exchange.now)
        exchange.took(board.abandon(exchange.now))
    answers = {(m.headers.first("Call-ID"), m.status) for m in line.messages if isinstance(m, Response)}
    assert ("bad", 500) in answers
    assert ("after", 200) in answers, "what came behind it in the same octets is not lost"
    assert healthy.final("BYE").status == 200
    assert board.live_calls == 0
    exchange.wait(200)
    assert board.at_rest


def _multipart(*parts: tuple[str, str]) -> str:
    return "".join(f"--b\r\n{head}\r\n\r\n{body}\r\n" for head, body in parts) + "--b--\r\n"


SDP_PART = ("Content-Type: application/sdp", SDP)


@pytest.mark.parametrize(
    ("body", "kind", "extra", "status"),
    [
        (_multipart(SDP_PART), "multipart/mixed;boundary=b", {}, 200),
        (
            _multipart(SDP_PART, ("Content-Type: text/plain\r\nContent-Disposition: render;handling=optional", "x")),
            "multipart/mixed;boundary=b",
            {},
            200,
        ),
        (_multipart(SDP_PART, ("Content-Type: application/isup", "x")), "multipart/mixed;boundary=b", {}, 415),
        (_multipart(("Content-Type: text/plain", "x")), "multipart/mixed;boundary=b", {}, 415),
        ("x", "text/plain", {"content_disposition": "render;handling=optional"}, 200),
        ("x", "text/plain", {}, 415),
    ],
)
def test_a_body_is_taken_when_what_is_not_sdp_may_be_left_out(body, kind, extra, status):
    assert Exchange().line().final(an_invite(body, content_type=kind, **extra)).status == status


@pytest.mark.parametrize("header", ["call_id", "from", "to", "via"])
@pytest.mark.parametrize("bad", ["\x1b[31m", "\x07", "\x7f", "\x00"])
def test_control_characters_in_what_an_answer_copies_are_refused(header, bad):
    good = {"call_id": "a", "from": "<sip:+1@b>;tag=x", "to": "<sip:c@d>;x=y", "via": "SIP/2.0/TLS h;branch=z9hG4bKq"}[header]
    assert Exchange().line().final(an_invite(**{header: good + bad + "z"})).status == 400


def test_a_refused_reinvite_from_another_connection_moves_neither_target_nor_connection():
    exchange = Exchange()
    placed = exchange.line().call()
    other = exchange.line()
    other.send(placed.request("INVITE", SDP.replace("SAVP 0 101", "SAVP 8"), contact="<sip:evil@198.51.100.1>"))
    other.send(placed.request("INFO"))
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    assert [(m.method, m.uri) for m in requests(placed)] == [("BYE", "sip:ann@192.0.2.1:5071;transport=tls")]


def test_a_taken_reinvite_from_another_connection_moves_both():
    exchange = Exchange()
    placed = exchange.line().call()
    other = exchange.line()
    other.send(placed.request("INVITE", SDP, contact="<sip:ann@192.0.2.1:6000>"))
    other.send(placed.request("ACK", cseq=2))
    exchange.took(exchange.switchboard.hang_up(exchange.told(Kind.CALL_STARTED)[0].call or "", exchange.now))
    assert [m.uri for m in other.messages if isinstance(m, Request)] == ["sip:ann@192.0.2.1:6000"]


def test_a_connection_that_says_nothing_after_the_handshake_is_listed():
    exchange = Exchange()
    exchange.line().lose()
    told = exchange.told(Kind.ATTEMPT)
    assert [e.data["problem"] for e in told] == ["closed-early"]
    assert "without one octet" in told[0].data["detail"]


def test_a_burst_on_one_connection_lets_others_have_their_turn_and_nothing_of_it_is_lost():
    exchange = Exchange()
    placed = exchange.line().call()
    busy = exchange.line()
    busy.send(b"".join(a_request("OPTIONS") for _ in range(50)))
    assert len(busy.messages) < 10
    assert placed.final("OPTIONS").status == 200
    exchange.wait(0.01)
    assert [m.status for m in busy.messages if isinstance(m, Response)] == [200] * 50
    assert exchange.switchboard.deadline is None or exchange.switchboard.deadline > exchange.now


def test_more_messages_than_may_wait_close_the_connection():
    exchange = Exchange()
    line = exchange.line()
    line.send(b"".join(a_request("OPTIONS") for _ in range(2100)))
    assert line.closed is not None
