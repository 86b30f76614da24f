"""The partner's trace against ours: what changed on the way."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

import pytest

from sbc_sim.offline.changes import Weight, changes_between, first_difference, weigh_change
from sbc_sim.offline.compare import ComparedCall, Comparison, compare, comparison_data
from sbc_sim.offline.comparison_text import comparison_text
from sbc_sim.sip.message import Message, read_message
from sbc_sim.traces.recording import Octets, Recording
from tests.support.recorded import RecordedCall

Edit = tuple[bytes, bytes]
UUI = b"7b226f72674964223a226563686f2d746573742d6f7267222c227363727432446f6d61696e223a226166762d7773732d6563686f3a37343432227d"


@pytest.fixture(scope="module")
def call() -> RecordedCall:
    call = RecordedCall(seconds=1.5)
    call.run()
    return call


def their_end(call: RecordedCall, *edits: Edit, method: bytes = b"INVITE", ahead: float = 0.0, way: float = 0.02) -> Recording:
    """What the partner saw: messages to the SBC a little earlier, those from it a little later, some of them still unchanged."""

    def seen(piece: Octets) -> Octets:
        data = piece.data
        if data.startswith(method):
            for old, new in edits:
                assert old in data
                data = data.replace(old, new)
            length = len(data.split(b"\r\n\r\n", 1)[1])
            data = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % length, data)
        return replace(piece, at=piece.at + ahead + (-way if piece.from_client else way), data=data)

    recording = call.recording()
    return replace(recording, octets=tuple(map(seen, recording.octets)))


def only(comparison: Comparison) -> ComparedCall:
    (call,) = comparison.calls
    return call


def changes(call: ComparedCall, summary: str = "INVITE") -> dict[str, tuple[str, Weight]]:
    message = next(m for m in call.messages if m.summary == summary)
    return {change.header: (change.what, change.weight) for change in message.changes}


def test_nothing_changed_is_told_as_nothing(call):
    comparison = compare(their_end(call), call.live()[0])
    one = only(comparison)
    assert (one.worst, one.matched_by) == (None, "Call-ID and From tag")
    assert [m.seen_by for m in one.messages] == ["both"] * len(call.octets)
    assert "nothing changed" in comparison_text(comparison)


def test_clocks_are_compared_by_the_quickest_message_each_way(call):
    one = only(compare(their_end(call, ahead=-7.5, way=0.03), call.live()[0]))
    assert one.clock_offset == pytest.approx(7.5)
    assert one.one_way == pytest.approx(0.03)
    assert all(m.delay == pytest.approx(0.03) for m in one.messages)


def test_a_user_to_user_that_was_cut_breaks_its_rules(call):
    one = only(compare(their_end(call, (UUI, UUI[:-4] + b"2c2261223a317d")), call.live()[0]))
    assert changes(one)["User-to-User"] == ("changed", Weight.MATTERS), "our end got JSON that is whole: nothing is broken"
    cut = replace_uui(call, UUI[:-40])
    one = only(compare(call.recording(), cut))
    assert changes(one)["User-to-User"] == ("changed", Weight.BREAKS)
    change = next(c for c in one.messages[0].changes if c.header == "User-to-User")
    assert "cut after 78 of 118 characters" in change.why
    assert change.position == 78
    assert "SBC-UUI-024" in change.rules
    text = comparison_text(compare(call.recording(), cut))
    assert "^ character 79" in text
    assert "breaks SBC-UUI-024" in text


def replace_uui(call: RecordedCall, value: bytes, parameters: bytes = b";encoding=hex") -> Recording:
    recording = call.recording()
    octets = tuple(replace(o, data=o.data.replace(UUI + b";encoding=hex", value + parameters)) for o in recording.octets)
    return replace(recording, octets=octets)


def test_an_encoding_parameter_that_was_dropped_breaks_its_rule(call):
    one = only(compare(call.recording(), replace_uui(call, UUI, b"")))
    change = next(c for c in one.messages[0].changes if c.header == "User-to-User")
    assert change.weight is Weight.BREAKS
    assert change.rules == ("SBC-UUI-016",)
    assert ";encoding=hex is gone" in change.why


def test_another_case_of_hex_digits_is_harmless(call):
    one = only(compare(call.recording(), replace_uui(call, UUI.upper())))
    assert changes(one)["User-to-User"] == ("changed", Weight.HARMLESS)
    assert one.worst is Weight.HARMLESS


def test_a_user_to_user_that_was_removed_breaks_its_rule(call):
    recording = call.recording()
    octets = tuple(replace(o, data=re.sub(rb"User-to-User: [^\r]*\r\n", b"", o.data)) for o in recording.octets)
    one = only(compare(recording, replace(recording, octets=octets)))
    change = next(c for c in one.messages[0].changes if c.header == "User-to-User")
    assert (change.what, change.weight, change.rules) == ("removed", Weight.BREAKS, ("SBC-UUI-001",))


@pytest.mark.parametrize(
    ("edit", "header", "expected"),
    [
        ((b"Max-Forwards: 70", b"Max-Forwards: 71"), "Max-Forwards", ("changed", Weight.HARMLESS)),
        ((b"Contact:", b"m:"), "Contact", ("renamed", Weight.HARMLESS)),
        ((b"Max-Forwards: 70\r\n", b"Max-Forwards: 70\r\nX-Trunk: 7\r\n"), "X-Trunk", ("removed", Weight.MATTERS)),
        ((b"User-Agent: sbc-sim\r\n", b""), "User-Agent", ("added", Weight.HARMLESS)),
        ((b"INVITE sip:echo@", b"INVITE sip:other@"), "Request-URI", ("changed", Weight.MATTERS)),
    ],
)
def test_headers_that_changed_are_weighed(call, edit, header, expected):
    assert changes(only(compare(their_end(call, edit), call.live()[0])))[header] == expected


def test_a_via_that_a_proxy_added_is_one_more_and_harmless(call):
    via = b"Via: SIP/2.0/TLS proxy.example;branch=z9hG4bKproxy\r\nVia:"
    recording = call.recording()
    octets = tuple(replace(o, data=o.data.replace(b"Via:", via, 1)) if o.data.startswith(b"INVITE") else o for o in recording.octets)
    one = only(compare(recording, replace(recording, octets=octets)))
    assert changes(one) == {"Via": ("added", Weight.HARMLESS)}


def test_headers_in_another_order_are_told_once_and_harmless(call):
    recording = call.recording()

    def swapped(data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        lines[2], lines[3] = lines[3], lines[2]
        return b"\r\n".join(lines)

    octets = tuple(replace(o, data=swapped(o.data)) if o.data.startswith(b"INVITE") else o for o in recording.octets)
    moved = list(changes(only(compare(recording, replace(recording, octets=octets)))).values())
    assert moved == [("moved", Weight.HARMLESS)]


def test_lines_of_the_description_that_changed_are_shown_and_keys_stay_masked(call):
    theirs = their_end(call, (b"a=ptime:20\r\n", b""), (b"inline:", b"inline:AAAA"))
    comparison = compare(theirs, call.live()[0])
    text = comparison_text(comparison)
    assert "+ a=ptime:20" in text
    assert "inline:[" in text
    assert not re.search(r"inline:[A-Za-z0-9+/]{20}", text)


def test_a_key_that_changed_is_told_though_both_look_alike_masked(call):
    recording = call.recording()
    key = re.search(rb"inline:(\S{40})", recording.octets[0].data)
    assert key is not None
    octets = tuple(replace(o, data=o.data.replace(key[1], key[1][::-1])) for o in recording.octets)
    assert "differs within what is masked" in comparison_text(compare(recording, replace(recording, octets=octets)))


def test_messages_that_one_side_alone_saw_are_told(call):
    recording = call.recording()
    without_ack = tuple(o for o in recording.octets if not o.data.startswith(b"ACK"))
    one = only(compare(recording, replace(recording, octets=without_ack)))
    ack = next(m for m in one.messages if m.summary == "ACK")
    assert (ack.seen_by, ack.why) == ("theirs", "it left their end and is not in the other trace")
    without_bye = tuple(o for o in recording.octets if b"CSeq: 2 BYE" not in o.data)
    one = only(compare(replace(recording, octets=without_bye), recording))
    seen = {m.summary: m.why for m in one.messages if m.seen_by == "ours"}
    assert seen == {
        "BYE": "it came to the SBC, but nobody sent it: made on the way",
        "200 OK (BYE)": "it left the SBC and is not in the other trace",
    }


def test_a_message_that_came_twice_is_one_with_a_repeat(call):
    recording = call.recording()
    twice = tuple(o for piece in recording.octets for o in ([piece, piece] if piece.data.startswith(b"SIP/2.0 200") else [piece]))
    one = only(compare(replace(recording, octets=twice), recording))
    assert {m.summary: m.repeats for m in one.messages if any(m.repeats)} == {"200 OK (INVITE)": (1, 0), "200 OK (BYE)": (1, 0)}


def test_behind_a_back_to_back_user_agent_calls_are_matched_by_their_content(call):
    recording = call.recording()
    call_id = re.search(rb"Call-ID: (\S+)", recording.octets[0].data)
    assert call_id is not None
    edits = ((call_id[1], b"another@b2bua"), (b"CSeq: 1 ", b"CSeq: 101 "), (b"CSeq: 2 ", b"CSeq: 102 "))
    octets = tuple(replace(o, data=functools.reduce(lambda data, edit: data.replace(*edit), edits, o.data)) for o in recording.octets)
    one = only(compare(replace(recording, octets=octets), call.live()[0]))
    assert one.matched_by == "User-to-User"
    assert all(m.seen_by == "both" for m in one.messages)
    assert changes(one)["Call-ID"] == ("changed", Weight.MATTERS)


def test_calls_without_a_counterpart_are_told(call):
    other = RecordedCall(seconds=1.2, user_to_user="00;encoding=hex")
    other.sbc.chance._seed = other.partner.chance._seed = "another"
    other.run()
    recording = other.recording()
    both = replace(recording, octets=(*recording.octets, *call.recording().octets))
    comparison = compare(both, call.live()[0])
    assert len(comparison.calls) == 1
    assert any("1 more call" in note for note in comparison.notes)
    assert compare(Recording((), ()), call.live()[0]).notes[0] == "theirs: there is no call in this trace."


def test_times_that_are_none_are_not_compared(call):
    recording = call.recording()
    octets = tuple(replace(o, at=o.at - recording.octets[0].at) for o in recording.octets)
    one = only(compare(replace(recording, octets=octets), call.live()[0]))
    assert (one.clock_offset, one.one_way) == (None, None)


def test_the_data_says_all_that_the_text_says(call):
    data = comparison_data(compare(call.recording(), replace_uui(call, UUI[:-40])))
    message = data["calls"][0]["messages"][0]
    assert (data["calls"][0]["worst"], message["summary"], message["direction"]) == ("breaks", "INVITE", "toSbc")
    assert {"SBC-UUI-024"} <= {broken["rule"] for broken in message["broken"]}


def a_message(*headers: str) -> Message:
    message = read_message(("INVITE sip:x@y SIP/2.0\r\n" + "".join(f"{h}\r\n" for h in headers) + "\r\n").encode()).message
    assert message is not None
    return message


def test_the_same_values_on_other_lines_are_no_change():
    (change,) = changes_between(a_message("Supported: a, b"), a_message("Supported: a", "Supported: b"))
    assert (change.what, change.weight) == ("renamed", Weight.HARMLESS)


def test_blanks_and_case_are_weighed():
    assert weigh_change("from", "<sip:A@B>;tag=x", "<sip:a@b>;tag=x")[0] is Weight.HARMLESS
    assert weigh_change("subject", "a b", "a  b")[0] is Weight.HARMLESS
    assert weigh_change("subject", "a", "b")[0] is Weight.MATTERS
    assert (first_difference("abc", "abd"), first_difference("ab", "abc")) == (2, 2)
