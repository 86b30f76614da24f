"""A recorded call gets the verdict that it got live, rule by rule, whatever the partner did in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.calls.limits import Limits
from sbc_sim.journal.store import Trace
from sbc_sim.offline.judge import Judged, judge
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.responses import build_response
from tests.support.recorded import RecordedCall, RecordedExchange, RecordedLine, statuses
from tests.support.sip import SDP, Placed, an_invite

Step = Callable[["Script"], None]


def compare(live: list[Trace], judged: Judged) -> None:
    """Every rule has the same status; the calls have the same end."""
    assert len(judged.calls) == len(live), judged.notes
    for online, offline in zip(live, judged.calls, strict=True):
        if not online.call.over:  # it has no verdict yet: the offline one says what was reached
            continue
        there, here = statuses(online), statuses(offline)
        assert {rule: (there[rule], here.get(rule)) for rule in there if here.get(rule) != there[rule]} == {}, judged.notes
        assert (offline.call.state, offline.call.sip_call_id) == (online.call.state, online.call.sip_call_id)
        assert (offline.call.ended_by, offline.call.end_reason) == (online.call.ended_by, online.call.end_reason)
    assert not [note for note in judged.notes if "bug" in note or "would have answered" in note], judged.notes


@pytest.mark.parametrize("seconds", [1.0, 1.5, 2.5, 14.0])
def test_a_call_of_our_own_caller(seconds):
    call = RecordedCall(seconds=seconds)
    call.run()
    compare(call.live(), judge(call.recording(), Policy()))


def test_several_calls_on_one_connection():
    call = RecordedCall(seconds=2.0, calls=5)
    call.run()
    compare(call.live(), judge(call.recording(), Policy()))


@pytest.mark.parametrize(
    "offer",
    [Policy(suites=("AEAD_AES_256_GCM",)), Policy(suites=("AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM")), Policy(codecs=("PCMA", "PCMU"))],
)
def test_other_suites_and_codecs(offer):
    call = RecordedCall(seconds=2.0, offer=offer)
    call.run()
    compare(call.live(), judge(call.recording(), Policy()))


@pytest.mark.parametrize("uui", [None, "nonsense", "7b7d;encoding=hex", "7b7d;encoding=base64"])
def test_user_to_user_that_is_missing_or_odd(uui):
    call = RecordedCall(seconds=2.0, user_to_user=uui)
    call.run()
    compare(call.live(), judge(call.recording(), Policy()))


class Script:
    """A partner that does as told, and answers what the SBC asks of it."""

    def __init__(self, invite: bytes, policy: Policy, limits: Limits | None = None) -> None:
        self.exchange = RecordedExchange(policy, limits)
        self.line = self.exchange.line()
        self.policy = policy
        self.sdp = SDP
        self.answered = 0
        self.exchange.wait(0.01)
        self.line.send(invite)
        for _ in range(12):
            self._acknowledge_provisional()
            self.exchange.wait(0.01)
        answers = [m for m in self.line.messages if isinstance(m, Response) and "INVITE" in (m.headers.first("CSeq") or "")]
        finals = [m for m in answers if m.status >= 200]
        self.placed: Placed | None = None
        if finals and finals[0].status == 200:
            self.placed = _placed(self.line, invite, finals[0])

    def _acknowledge_provisional(self) -> None:
        for message in list(self.line.messages):
            if isinstance(message, Response) and message.headers.first("RSeq") and not getattr(self, "pracked", False):
                self.pracked = True
                placed = _placed(self.line, self.exchange.octets[0].data, message)
                self.line.send(placed.request("PRACK", cseq=2, rack=f"{message.headers.first('RSeq')} 1 INVITE"))

    def request(self, method: str, body: str = "", **changed: str) -> None:
        if self.placed is not None:
            self.line.send(self.placed.request(method, body, **changed))  # type: ignore[arg-type]

    def answer_all(self) -> None:
        asked = self.line.asked()
        for request in asked[self.answered :]:
            body = self.sdp.encode() if request.method == "INVITE" else b""
            extra = (("Content-Type", "application/sdp"), ("Contact", "<sip:ann@192.0.2.1:5071;transport=tls>")) if body else ()
            self.line.send(build_response(request, None, 200, None, extra, body).to_bytes())
        self.answered = len(asked)


def _placed(line: RecordedLine, invite: bytes, answer: Response) -> Placed:
    placed = Placed.__new__(Placed)
    placed.line, placed.ok, placed.sequence, placed.to = line, answer, 2, answer.headers.first("To") or ""
    placed.invite = next(m for m in _framed(invite) if isinstance(m, Request))
    return placed


def _framed(octets: bytes) -> list[object]:
    from sbc_sim.sip.stream import MessageStream

    return list(MessageStream().feed(octets))


def _ack(script: Script) -> None:
    script.request("ACK", cseq=1)


def _talk(packets: int, lost: frozenset[int]) -> Step:
    return lambda script: script.exchange.talk(packets, lost)


def _rekey(script: Script) -> None:
    key = script.exchange.rekey(7)
    script.sdp = SDP.split("inline:")[0].replace("77 1", "77 2") + f"inline:{key}\r\n"
    script.request("INVITE", script.sdp)
    script.request("ACK", cseq=script.placed.sequence if script.placed else 1)


def _hold(direction: str) -> Step:
    def step(script: Script) -> None:
        script.request("INVITE", script.sdp.replace("77 1", "77 2") + f"a={direction}\r\n")
        script.exchange.wait(0.1)
        script.request("ACK", cseq=script.placed.sequence if script.placed else 1)

    return step


def _api(script: Script) -> None:
    calls = [trace.call.id for trace in script.exchange.live()]
    if calls:
        script.exchange.took(script.exchange.switchboard.hang_up(calls[0], script.exchange.now))
        script.answer_all()


def _plain(script: Script) -> None:
    script.exchange.talk(20, plain=True)


steps = st.lists(
    st.one_of(
        st.just(_ack),
        st.builds(_talk, st.sampled_from([5, 60, 80]), st.frozensets(st.integers(0, 79), max_size=6)),
        st.sampled_from([0.02, 0.7, 6.0, 40.0, 70.0, 200.0]).map(lambda s: lambda script: script.exchange.wait(s)),
        st.just(_rekey),
        st.sampled_from(["sendonly", "inactive", "sendrecv"]).map(_hold),
        st.just(lambda script: script.request("UPDATE")),
        st.just(lambda script: script.request("INFO", "5")),
        st.just(lambda script: script.request("OPTIONS")),
        st.just(lambda script: script.request("REFER", refer_to="<sip:x@y>")),
        st.just(lambda script: script.request("BYE", reason='Q.850;cause=16;text="bye"')),
        st.just(lambda script: script.request("BYE", reason="???")),
        st.just(lambda script: script.request("INFO", cseq=1)),
        st.just(lambda script: script.request("NOTIFY")),
        st.just(lambda script: script.request("INFO", content_length="-3")),
        st.just(lambda script: script.request("ACK", cseq=9)),
        st.just(lambda script: script.request("FOO")),
        st.just(_api),
        st.just(_plain),
        st.just(Script.answer_all),
    ),
    max_size=8,
)
invites = st.sampled_from(
    [
        {},
        {"require": "100rel"},
        {"session_expires": "90", "supported": "timer"},
        {"session_expires": "90;refresher=uas", "allow": "INVITE, ACK, BYE, UPDATE"},
        {"session_expires": "100;refresher=uas"},
        {"session_expires": "10"},
        {"require": "novel"},
        {"expires": "1"},
        {"sdp": ""},
        {"sdp": SDP.replace("RTP/SAVP", "RTP/AVP")},
        {"sdp": SDP.replace(" 0 101", " 8")},
        {"sdp": SDP.replace("a=crypto", "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:short\r\na=crypto")},
        {"max_forwards": "0"},
        {"max_forwards": "x"},
        {"cseq": "1 FOO"},
        {"contact": "nobody <"},
        {"p_asserted_identity": "x"},
        {"user_to_user": "zz"},
        {"remove": ("User-to-User",)},
        {"remove": ("To",)},
        {"remove": ("From",)},
        {"remove": ("Call-ID",)},
        {"content_length": "abc"},
    ]
)


def play(changed: dict[str, object], first_ack: bool, doings: list[Step]) -> Script:
    """Let a partner call, do all that, and hang up in the end."""
    script = Script(an_invite(**changed), Policy())  # type: ignore[arg-type]
    if first_ack:
        _ack(script)
    for step in doings:
        script.exchange.wait(0.013)
        step(script)
        script.answer_all()
    script.exchange.wait(0.3)
    script.request("BYE")
    script.exchange.wait(40.0)
    script.answer_all()
    script.exchange.wait(40.0)
    script.line.send(b"\r\n\r\n")
    return script


@given(invites, st.booleans() | st.just(True), steps)
@settings(max_examples=60, deadline=None)
def test_any_call_is_judged_as_it_was_live(changed, first_ack, doings):
    script = play(changed, first_ack, doings)
    compare(script.exchange.live(), judge(script.exchange.recording(), script.policy, Limits()))


TIMER = {"supported": "timer", "allow": "INVITE, ACK, BYE, UPDATE"}


def _wait(seconds: float) -> Step:
    return lambda script: script.exchange.wait(seconds)


def _lasting(seconds: float) -> Step:
    """Talk a little now and then, so that silence ends nothing, and answer what is asked."""

    def step(script: Script) -> None:
        end = script.exchange.now + seconds
        while script.exchange.now < end:
            script.exchange.talk(3)
            script.exchange.wait(9.9)
            script.answer_all()

    return step


def _shut_down(script: Script) -> None:
    script.exchange.took(script.exchange.switchboard.shutdown(script.exchange.now))
    script.answer_all()


@pytest.mark.parametrize(
    ("changed", "first_ack", "doings", "limits", "end"),
    [
        ({}, False, [_wait(34)], Limits(ring_seconds=0.05), "no-ack"),
        ({}, True, [_talk(60, frozenset()), _wait(70)], Limits(ring_seconds=0.05), "media-timeout"),
        ({}, True, [_lasting(30)], Limits(ring_seconds=0.05, call_seconds=20), "max-duration"),
        ({}, True, [_shut_down], Limits(ring_seconds=0.05), "shutdown"),
        ({}, True, [_api], Limits(ring_seconds=60.0), "api"),
        ({"session_expires": "90", **TIMER}, True, [_lasting(200)], Limits(ring_seconds=0.05), "session-expired"),
        ({"session_expires": "90;refresher=uas", **TIMER}, True, [_lasting(200)], Limits(ring_seconds=0.05), "normal"),
        ({"session_expires": "90;refresher=uas", "supported": "timer"}, True, [_lasting(200)], Limits(ring_seconds=0.05), "normal"),
        ({"require": "100rel"}, True, [_lasting(20)], Limits(ring_seconds=0.05), "normal"),
    ],
    ids=["no ACK", "silence", "longest", "shutdown", "ringing", "no refresh", "refreshed by UPDATE", "refreshed by INVITE", "100rel"],
)
def test_however_a_call_ends_it_is_judged_as_it_was_live(changed, first_ack, doings, limits, end):
    script = Script(an_invite(**changed), Policy(), limits)
    if first_ack:
        _ack(script)
    for step in doings:
        step(script)
        script.answer_all()
    script.request("BYE")
    script.exchange.wait(40.0)
    live = script.exchange.live()
    assert [trace.call.end_reason for trace in live] == [end]
    compare(live, judge(script.exchange.recording(), Policy(), limits))
