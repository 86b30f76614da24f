"""What is judged from a trace that shows less than a live call, or another far end."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sbc_sim.calls.limits import Limits
from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.exports.redacted import Redaction
from sbc_sim.exports.report_html import report_html
from sbc_sim.journal.entries import Kind
from sbc_sim.offline.judge import Judged, judge
from sbc_sim.offline.telling import judged_data
from sbc_sim.rtp.leg import SrtpKey
from sbc_sim.rtp.packet import Kind as Kinds
from sbc_sim.rtp.packet import classify
from sbc_sim.rtp.srtp import SrtpReceiver
from sbc_sim.rules import media, tls
from sbc_sim.rules.policy import Policy
from sbc_sim.sdp.answer import Capabilities, negotiate
from sbc_sim.sip.body import sdp_body
from sbc_sim.sip.message import Request, Response, read_message
from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Datagram, Flow, Octets, Recording, TlsSeen
from tests.support.recorded import PARTNER, SBC, RecordedCall, RecordedExchange, a_flow, statuses
from tests.support.sip import SDP, a_request, an_invite

EVERYTHING = Capabilities(Policy().suites, Policy().codecs)


@pytest.fixture(scope="module")
def call() -> RecordedCall:
    """A call of three seconds that passes, with everything that passed between both sides."""
    call = RecordedCall(seconds=3.0)
    call.run()
    return call


def told(judged: Judged) -> str:
    return " ".join(judged.notes)


def by_status(judged: Judged, status: str) -> set[str]:
    (trace,) = judged.calls
    return {rule for rule, seen in statuses(trace).items() if seen == status}


def detail(judged: Judged, rule: str) -> str:
    findings = judged.calls[0].call.verdict["findings"]  # type: ignore[index]
    return next(str(finding["detail"]) for finding in findings if finding["rule"] == rule)


def with_transport(recording: Recording, transport: str, **more: object) -> Recording:
    flows = tuple(replace(flow, transport=transport, tls=None, **more) for flow in recording.flows)  # type: ignore[arg-type]
    return replace(recording, flows=flows)


def until(recording: Recording, at: float) -> Recording:
    return replace(
        recording,
        octets=tuple(o for o in recording.octets if o.at < at),
        datagrams=tuple(d for d in recording.datagrams if d.at < at),
    )


# --- what the trace shows ------------------------------------------------------------------------------------------------------------


def test_the_trace_that_comes_out_holds_the_recorded_messages_of_both_sides(call):
    recording = call.recording()
    (trace,) = judge(recording, Policy()).calls
    messages = [entry for entry in trace.entries if entry.kind is Kind.MESSAGE]
    assert [m.raw for m in messages] == [o.data for o in recording.octets]
    assert [m.data["direction"] == "in" for m in messages] == [o.from_client for o in recording.octets]
    assert [m.at for m in messages] == pytest.approx([o.at for o in recording.octets])
    assert trace.opened is not None
    assert trace.opened.data["tls"]["version"] == "TLSv1.3"


def test_ladder_and_report_are_made_of_it_as_of_any_call(call):
    (trace,) = judge(call.recording(), Policy()).calls
    ladder = ladder_text(trace)
    assert "verdict: PASS" in ladder
    assert "200 OK (INVITE) with SDP" in ladder
    assert "<svg" in report_html(trace, None, Redaction.SHARE)


def test_the_far_ends_answers_are_shown_and_not_what_ours_would_have_been(call):
    recording = call.recording()
    octets = tuple(replace(o, data=o.data.replace(b"Server: sbc-sim", b"Server: EDGE/7")) for o in recording.octets)
    (trace,) = judge(replace(recording, octets=octets), Policy()).calls
    assert sum(b"Server: EDGE/7" in entry.raw for entry in trace.entries) == 4
    assert not any(b"Server: sbc-sim" in entry.raw for entry in trace.entries)


def test_without_rtp_in_the_trace_nothing_is_said_of_the_media(call):
    judged = judge(replace(call.recording(), datagrams=()), Policy())
    assert by_status(judged, "skip") >= set(media.JUDGES)
    assert detail(judged, "SBC-MEDIA-001") == "No RTP in the trace."
    assert not by_status(judged, "fail") | by_status(judged, "warn")
    assert "no RTP" in told(judged)


def test_with_the_rtp_of_others_the_silence_of_a_call_is_seen(call):
    recording = call.recording()
    other = Datagram(recording.datagrams[0].at, ("198.51.100.9", 9), (SBC[0], 40_000), bytes(20))
    judged = judge(replace(recording, datagrams=(other,)), Policy())
    assert "SBC-MEDIA-002" in by_status(judged, "fail")


def test_one_direction_of_the_media_is_enough_and_is_told(call):
    recording = call.recording()
    inbound = tuple(d for d in recording.datagrams if d.destination[0] == SBC[0])
    judged = judge(replace(recording, datagrams=inbound), Policy())
    assert "SBC-MEDIA-001" in by_status(judged, "pass")
    assert "what the SBC sent is not in the trace" in told(judged)


def test_an_echo_that_did_not_come_back_is_counted_as_the_trace_shows_it(call):
    recording = call.recording()
    back = [d for d in recording.datagrams if d.source[0] == SBC[0]]
    judged = judge(replace(recording, datagrams=tuple(d for d in recording.datagrams if d not in back[5:])), Policy())
    assert "SBC-MEDIA-001" in by_status(judged, "fail")


def test_an_invite_alone_gets_no_answer_address_or_date_that_is_not_in_the_trace() -> None:
    judged = judge(read_trace(an_invite(SDP.replace("RTP/SAVP", "RTP/AVP"))), Policy())
    (one,) = judged_data(judged)["calls"]
    assert (one["endedBy"], one["endStatus"], one["endReason"]) == (None, None, "would be refused with 488")
    assert (one["peer"], one["startedAt"], one["endedAt"]) == (None, None, None)
    assert "would be refused with 488 by SBC-SRTP-" in one["ladder"]
    assert "rejected with" not in one["ladder"]
    assert "1970" not in one["ladder"]
    assert ":0\n" not in one["ladder"]
    assert detail(judged, "SBC-NET-002").startswith("Not in the trace")


@pytest.mark.parametrize(("transport", "words"), [("tcp", "SIP over TCP without TLS"), ("text", "SIP text"), ("udp", "SIP over UDP")])
def test_of_tls_that_is_not_in_the_trace_nothing_is_said(call, transport, words):
    judged = judge(with_transport(call.recording(), transport), Policy())
    assert by_status(judged, "skip") >= set(tls.RULES)
    assert words in detail(judged, "SBC-TLS-004")
    assert not by_status(judged, "fail") | by_status(judged, "warn")


def test_a_text_without_addresses_is_not_blamed_for_its_source(call):
    recording = with_transport(call.recording(), "text", client=("", 0), server=("", 0))
    judged = judge(recording, Policy(allow_from=("198.51.100.0/24",)))
    assert "SBC-NET-001" in by_status(judged, "skip")
    assert judged.calls[0].call.state == "ended"


def test_facts_of_the_handshake_are_judged():
    call = RecordedCall(seconds=1.5)
    call.run()
    seen = TlsSeen("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", "10.0.0.1", "CN=device", decrypted=True)
    recording = call.recording()
    judged = judge(replace(recording, flows=(replace(recording.flows[0], tls=seen),)), Policy())
    assert statuses(judged.calls[0])["SBC-TLS-003"] == "fail"
    assert statuses(judged.calls[0])["SBC-TLS-008"] == "warn"


def test_addresses_behind_nat_are_found_by_their_ports(call):
    recording = call.recording()
    seen_as = {SBC[0]: "10.9.9.9"}

    def moved(address: tuple[str, int]) -> tuple[str, int]:
        return seen_as.get(address[0], address[0]), address[1]

    datagrams = tuple(replace(d, source=moved(d.source), destination=moved(d.destination)) for d in recording.datagrams)
    judged = judge(replace(recording, datagrams=datagrams), Policy())
    assert not by_status(judged, "fail") | by_status(judged, "warn")
    assert "SBC-MEDIA-001" in by_status(judged, "pass")


# --- traces that are not whole -------------------------------------------------------------------------------------------------------


def test_an_invite_alone_is_judged_and_the_rest_skipped():
    judged = judge(read_trace(an_invite(remove=("User-to-User",))), Policy())
    (trace,) = judged.calls
    assert statuses(trace)["SBC-UUI-001"] == "fail"
    assert trace.call.verdict is not None
    judged = judge(read_trace(an_invite()), Policy())
    (trace,) = judged.calls
    assert not by_status(judged, "fail") | by_status(judged, "warn")
    assert by_status(judged, "skip") >= {"SBC-DLG-001", "SBC-MEDIA-001", "SBC-DLG-013"}
    assert trace.call.state == "ringing"
    assert "the call is ringing" in ladder_text(trace)


def test_a_trace_that_ends_mid_call_is_judged_as_far_as_it_goes(call):
    recording = call.recording()
    judged = judge(until(recording, recording.octets[0].at + 2.0), Policy())
    (trace,) = judged.calls
    assert trace.call.state == "answered"
    assert not by_status(judged, "fail")
    assert statuses(trace)["SBC-DLG-002"] == "unknown"
    assert statuses(trace)["SBC-MEDIA-006"] == "pass"


def test_of_a_trace_that_begins_mid_call_it_is_told_that_the_invite_is_missing(call):
    recording = call.recording()
    later = replace(recording, octets=tuple(o for o in recording.octets if o.at > recording.octets[0].at + 1))
    judged = judge(later, Policy())
    (trace,) = judged.calls
    assert trace.call.verdict is None
    assert (trace.call.state, trace.call.ended_by, trace.call.peer) == ("ended", "partner", "192.0.2.1:40001")
    assert [e.raw for e in trace.entries if e.kind is Kind.MESSAGE] == [o.data for o in later.octets]
    assert "BYE" in ladder_text(trace)
    assert "its INVITE is not in the trace" in told(judged)


def returned(recording: Recording) -> Recording:
    """The call as though its caller were the simulator that gives a call back."""
    octets = tuple(
        replace(o, data=o.data.replace(b"User-Agent: sbc-sim\r\n", b"User-Agent: sbc-sim (call back)\r\n")) for o in recording.octets
    )
    assert octets != recording.octets
    return replace(recording, octets=octets)


def test_a_call_back_is_shown_and_not_judged_as_a_call_of_the_partner(call):
    judged = judge(returned(call.recording()), Policy())
    (trace,) = judged.calls
    assert (trace.call.direction, trace.call.verdict) == ("outbound", None)
    assert "the SBC sent its INVITE" in told(judged)
    assert "INVITE" in ladder_text(trace)


def test_an_invite_from_the_address_that_is_named_as_the_sbc_is_a_call_back(call):
    judged = judge(call.recording(), Policy(), sbc=(PARTNER[0], 5061))
    assert [trace.call.direction for trace in judged.calls] == ["outbound"]
    assert judge(call.recording(), Policy(), sbc=(SBC[0], 0)).calls[0].call.verdict is not None


def test_a_far_end_that_refuses_where_ours_would_not_is_told():
    invite = an_invite()
    refusal = read_message(invite).message
    assert isinstance(refusal, Request)
    answer = b"SIP/2.0 403 Forbidden\r\n" + b"".join(
        line + b"\r\n" for line in invite.split(b"\r\n") if line.split(b":")[0] in (b"Via", b"From", b"Call-ID", b"CSeq")
    )
    answer += b"To: <sip:+15550100@sbc.example>;tag=x1\r\nWarning: 399 sbc 'no such trunk'\r\nContent-Length: 0\r\n\r\n"
    ack = a_request("ACK", call_id=refusal.headers.first("Call-ID") or "", From=refusal.headers.first("From") or "")
    octets = (Octets(10.0, 1, True, invite), Octets(10.2, 1, False, answer), Octets(10.3, 1, True, ack))
    judged = judge(Recording((a_flow(began_at=9.0),), octets), Policy())
    (trace,) = judged.calls
    assert (trace.call.state, trace.call.end_status) == ("rejected", 403)
    assert not by_status(judged, "fail") | by_status(judged, "warn")
    assert "the SBC refused the call with 403 Forbidden (Warning: 399 sbc 'no such trunk'); ours would have taken it" in told(judged)


def test_a_far_end_that_accepts_where_ours_would_not_is_told(call):
    judged = judge(call.recording(), Policy(served_users=("other",)))
    (trace,) = judged.calls
    assert trace.call.state == "rejected"
    assert "INVITE 1: the SBC answered 200 OK; ours would have answered 404 Not Found" in told(judged)
    assert len([e for e in trace.entries if e.kind is Kind.MESSAGE]) == len(call.octets), "what came after is shown all the same"


def test_a_far_end_that_takes_another_suite_of_the_offer_is_followed():
    call = RecordedCall(seconds=2.0, policy=Policy(suites=("AEAD_AES_128_GCM",)), offer=Policy())
    call.run()
    judged = judge(call.recording(), Policy())
    assert by_status(judged, "fail") == set()
    assert "the SBC took AEAD_AES_128_GCM, ours would have taken AES_CM_128_HMAC_SHA1_80" in told(judged)


def test_a_200_that_is_not_in_the_trace_is_inferred_from_what_follows(call):
    recording = call.recording()
    judged = judge(replace(recording, octets=tuple(o for o in recording.octets if o.from_client)), Policy())
    (trace,) = judged.calls
    assert trace.call.state == "ended"
    assert not by_status(judged, "fail")
    assert "200 is not in the trace" in told(judged)


# --- several legs --------------------------------------------------------------------------------------------------------------------


def two_legs(call: RecordedCall) -> Recording:
    """The same call, first from a phone to a proxy, then from there to the SBC."""
    proxy = (PARTNER[0], 5060)
    phone = Flow(2, "tcp", ("192.0.2.77", 50_000), proxy, 0.0)
    recording = call.recording()
    copies = tuple(replace(o, flow=2, at=o.at - 0.001 if o.from_client else o.at + 0.001) for o in recording.octets)
    octets = tuple(sorted((*recording.octets, *copies), key=lambda o: o.at))
    return replace(recording, flows=(*recording.flows, phone), octets=octets)


def test_each_leg_is_judged_and_one_can_be_chosen(call):
    recording = two_legs(call)
    judged = judge(recording, Policy())
    assert [trace.call.peer for trace in judged.calls] == ["192.0.2.77:50000", "192.0.2.1:40001"]
    assert "Choose one with --sbc" in told(judged)
    judged = judge(recording, Policy(), sbc=SBC)
    assert [trace.call.peer for trace in judged.calls] == ["192.0.2.1:40001"]
    judged = judge(recording, Policy(), sbc=("", 5060))
    assert [trace.call.peer for trace in judged.calls] == ["192.0.2.77:50000"]
    judged = judge(recording, Policy(), sbc=("198.51.100.1", 0))
    assert judged.calls == ()
    assert "lead to" in told(judged)


def test_a_call_is_chosen_by_its_call_id():
    call = RecordedCall(seconds=1.2, calls=3)
    call.run()
    wanted = call.live()[1].call.sip_call_id
    judged = judge(call.recording(), Policy(), call_id=wanted)
    assert [trace.call.sip_call_id for trace in judged.calls] == [wanted]


# --- text, and what pasting does -----------------------------------------------------------------------------------------------------


def test_a_pasted_message_may_have_lost_its_line_ends_and_its_length():
    text = an_invite(SDP).replace(b"\r\n", b"\n")
    judged = judge(read_trace(text), Policy())
    assert not by_status(judged, "fail") | by_status(judged, "warn"), judged.notes
    judged = judge(read_trace(an_invite(SDP, remove=("Content-Length",))), Policy())
    assert not by_status(judged, "fail") | by_status(judged, "warn"), judged.notes


def test_a_tls_alert_is_explained():
    seen = TlsSeen("TLSv1.3", "", alert="unknown_ca", alert_from_client=True)
    judged = judge(Recording((replace(a_flow(), tls=seen),), ()), Policy())
    assert judged.calls == ()
    assert "Alert unknown_ca (48) from the client means" in told(judged)


def test_the_data_for_programs_masks_keys_and_shows_what_people_need(call):
    data = judged_data(judge(call.recording(), Policy()))
    (one,) = data["calls"]
    assert one["verdict"]["status"] == "pass"
    assert one["sipCallId"] == call.live()[0].call.sip_call_id
    assert "verdict: PASS" in one["ladder"]
    assert len(one["findings"]) > 100


def test_responses_of_the_far_end_with_control_characters_reach_no_terminal_raw(call):
    recording = call.recording()
    octets = tuple(replace(o, data=o.data.replace(b"200 OK", b"200 O\x1b[31mK")) for o in recording.octets)
    judged = judge(replace(recording, octets=octets), Policy())
    assert "\x1b" not in ladder_text(judged.calls[0])
    assert "\x1b" not in "".join(judged_data(judged)["notes"])
    assert isinstance(read_message(octets[3].data).message, Response)


def test_a_far_end_that_goes_on_where_ours_would_hang_up_is_told():
    script = RecordedExchange(limits=Limits(ring_seconds=0.05, media_timeout_seconds=500))
    line = script.line()
    line.send(an_invite())
    script.wait(0.1)
    ok = next(m for m in line.messages if isinstance(m, Response) and m.status == 200)
    call_id, tag = ok.headers.first("Call-ID") or "", ok.headers.first("From") or ""
    within = {"call_id": call_id, "from": tag, "to": ok.headers.first("To") or ""}
    line.send(a_request("ACK", **{**within, "cseq": "1 ACK"}))
    script.talk(60)
    script.wait(200)
    line.send(a_request("BYE", **{**within, "cseq": "2 BYE"}))
    judged = judge(script.recording(), Policy())
    assert by_status(judged, "fail") == {"SBC-MEDIA-018"}
    assert "s after the INVITE (no SRTP for 60 s); the SBC did not" in told(judged)
    assert "would have answered" not in told(judged)


# --- captures of our own ---------------------------------------------------------------------------------------------------------------


def opened(recording: Recording) -> Recording:
    """The same with its media in clear, as our own captures hold it."""
    suite = "AES_CM_128_HMAC_SHA1_80"
    messages = [read_message(piece.data).message for piece in recording.octets]
    offer, answer = (negotiate(sdp_body(message) or b"", EVERYTHING) for message in (messages[0], messages[3]) if message is not None)
    assert offer.crypto is not None
    assert answer.crypto is not None
    keys = {SBC[0]: SrtpReceiver(SrtpKey(suite, offer.crypto.key_salt)), PARTNER[0]: SrtpReceiver(SrtpKey(suite, answer.crypto.key_salt))}
    clear = []
    for datagram in recording.datagrams:
        receiver = keys[datagram.destination[0]]
        packet = (receiver.open_rtcp if classify(datagram.data) is Kinds.RTCP else receiver.open)(datagram.data)
        assert isinstance(packet, bytes)
        clear.append(replace(datagram, data=packet, clear=True))
    return replace(recording, datagrams=tuple(clear))


def test_media_that_was_decrypted_by_the_capturing_side_is_judged_like_srtp(call):
    judged = judge(opened(call.recording()), Policy())
    assert statuses(judged.calls[0]) == statuses(call.live()[0])


def test_clear_rtp_on_the_wire_is_blamed():
    call = RecordedCall(seconds=2.0)
    call.run()
    recording = opened(call.recording())
    judged = judge(replace(recording, datagrams=tuple(replace(d, clear=False) for d in recording.datagrams)), Policy())
    assert "SBC-SRTP-010" in by_status(judged, "fail")


def test_what_a_capture_of_ours_leaves_out_is_not_loss():
    call = RecordedCall(seconds=8.0)
    call.run()
    recording = opened(call.recording())
    began = recording.octets[0].at
    kept = tuple(d for d in recording.datagrams if not began + 2.5 < d.at < began + 6)
    judged = judge(replace(recording, datagrams=kept), Policy())
    assert not by_status(judged, "fail") | by_status(judged, "warn")
    assert re.fullmatch(r"The capture leaves out about 1\d\d packets: .*", detail(judged, "SBC-MEDIA-006"))


def test_of_what_was_masked_nothing_is_said():
    masked = an_invite(**{"from": "<sip:+15****11@h>;tag=1", "user_to_user": "2a" * 40 + ";encoding=hex"})
    judged = judge(read_trace(masked), Policy())
    assert by_status(judged, "skip") >= {"SBC-HDR-001", "SBC-HDR-002", "SBC-UUI-023", "SBC-UUI-029"}
    assert not by_status(judged, "fail") | by_status(judged, "warn")
