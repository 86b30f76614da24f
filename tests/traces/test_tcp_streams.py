"""TCP in traces: whatever happens to segments on their way into a capture, the octets come out as they were said."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.traces.limits import Limits
from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Recording
from tests.support.capture_files import ACK, CLIENT, FIN, PSH, RST, SERVER, Conversation, Frame, pcap

LINE = b"OPTIONS sip:sbc.example.com SIP/2.0\r\n"


def message(number: int, size: int = 200) -> bytes:
    body = bytes([65 + number % 26]) * size
    return LINE + b"Call-ID: %d\r\nContent-Length: %d\r\n\r\n" % (number, size) + body


TALK = tuple((number % 3 != 2, message(number, 50 * number)) for number in range(12))


def heard(recording: Recording, from_client: bool = True, flow: int = 1) -> bytes:
    return b"".join(piece.data for piece in recording.octets if piece.from_client == from_client and piece.flow == flow)


def said(from_client: bool = True) -> bytes:
    return b"".join(data for side, data in TALK if side == from_client)


def read(frames: list[Frame], **limits: int) -> Recording:
    return read_trace(pcap(frames), limits=Limits(**limits))


@pytest.mark.parametrize("sequences", [[1000, 5000], [2**32 - 700, 2**32 - 1], [0, 2**31 - 100], [2**32 - 1, 0]])
@pytest.mark.parametrize("segment", [1, 13, 1448])
def test_sequence_numbers_may_wrap_wherever_they_like(sequences: list[int], segment: int) -> None:
    recording = read(Conversation(sequences=list(sequences), segment=segment).whole(TALK))
    (flow,) = recording.flows
    assert (heard(recording), heard(recording, False)) == (said(), said(False))
    assert (flow.transport, flow.client, flow.server, flow.end, recording.notes) == ("tcp", CLIENT, SERVER, "fin", ())


def shuffled(frames: list[Frame], seed: int) -> list[Frame]:
    """Disorder, repetition and repetition in other sizes, within a window as networks make them; the times go on."""
    chance = random.Random(seed)
    moved = [frame for _, frame in sorted(enumerate(frames), key=lambda pair: pair[0] + chance.uniform(0, 4))]
    repeated = [copy for frame in moved for copy in [frame] * chance.choice([1, 1, 1, 2])]
    return [Frame(1_700_000_000 + place * 0.001, frame.data) for place, frame in enumerate(repeated)]


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([7, 100, 1448]))
def test_disorder_and_repetition_change_nothing(seed: int, segment: int) -> None:
    conversation = Conversation(sequences=[seed % 2**32, 2**32 - 50], segment=segment)
    opening, rest = list(conversation.opening()), [frame for side, data in TALK for frame in conversation.say(side, data)]
    recording = read([*opening, *shuffled(rest, seed)])
    assert (heard(recording), heard(recording, False)) == (said(), said(False))
    assert recording.notes == ()


def test_octets_have_the_time_of_the_packet_that_completed_them_in_order() -> None:
    conversation = Conversation()
    opening = list(conversation.opening())
    first, second, third = [frame for n in range(3) for frame in conversation.say(True, message(n))]
    recording = read([*opening, first, Frame(third.at, third.data), Frame(third.at + 5, second.data)])
    assert [round(piece.at - first.at, 3) for piece in recording.octets] == [0.0, 5.002, 5.002]


def test_overlapping_repetitions_give_each_octet_once_and_the_first_wins() -> None:
    conversation = Conversation()
    frames = list(conversation.opening())
    data = message(0, 100)
    frames += [conversation.frame(True, PSH | ACK, data[:60]), conversation.frame(True, PSH | ACK, b"X" * 40 + data[40:90], 1001 + 0)]
    frames += [conversation.frame(True, PSH | ACK, data[30:], 1031)]
    recording = read(frames)
    assert heard(recording) == data


def test_keep_alive_probes_of_tcp_are_no_octets() -> None:
    conversation = Conversation()
    frames = [*conversation.opening(), *conversation.say(True, message(0))]
    frames += [conversation.frame(True, ACK, probe, conversation.sequences[0] - 1) for probe in (b"", b"\0")]
    frames += conversation.say(True, message(1))
    assert heard(read(frames)) == message(0) + message(1)


def test_a_hole_is_told_and_the_messages_behind_it_are_read_from_their_start_lines() -> None:
    conversation = Conversation(segment=300)
    opening = list(conversation.opening())
    frames = [frame for n in range(9) for frame in conversation.say(True, message(n, 500))]
    recording = read([*opening, *frames[:4], *frames[5:]])
    messages = [message(n, 500) for n in range(9)]
    assert heard(recording) == b"".join(messages[:2] + messages[3:])
    (note,) = [note for note in recording.notes if "has holes in the capture (1)" in note]
    assert "octets of messages that are not whole were left out" in note


def test_what_is_acknowledged_but_not_captured_is_waited_for_no_longer_than_a_second() -> None:
    conversation = Conversation()
    frames = list(conversation.opening())
    lost = list(conversation.say(True, message(0)))
    assert lost
    frames += conversation.say(True, message(1))
    frames += conversation.say(False, message(2))  # acknowledges
    conversation.at += 2
    frames += conversation.say(True, message(3))
    recording = read([*frames, conversation.frame(True, RST)])
    assert heard(recording) == message(1) + message(3)
    assert round(recording.octets[0].at - frames[3].at, 6) == 0.0, "with its own time, not that of the end"


def test_a_capture_that_begins_in_the_middle_begins_with_the_next_start_line() -> None:
    conversation = Conversation(segment=100)
    frames = conversation.whole(((True, message(1, 500)), (True, message(2)), (False, message(3))))
    recording = read(frames[6:])
    assert heard(recording) == message(2)
    assert heard(recording, False) == message(3)
    assert any("begins within a message" in note for note in recording.notes)


def test_a_late_syn_is_no_new_connection() -> None:
    conversation = Conversation()
    frames = conversation.whole(TALK)
    recording = read([*frames[1:4], frames[0], *frames[4:]])
    assert len(recording.flows) == 1
    assert heard(recording) == said()


@pytest.mark.parametrize("ending", ["fin", "rst", ""])
def test_ports_that_are_used_again_are_another_connection(ending: str) -> None:
    first, second = Conversation(), Conversation(sequences=[900_000, 70], at=1_700_000_100.0)
    frames = [*first.opening(), *first.say(True, message(1))]
    if ending:
        frames.append(first.frame(True, (FIN if ending == "fin" else RST) | ACK))
    recording = read([*frames, *second.opening(), *second.say(True, message(2))])
    assert [flow.end for flow in recording.flows] == [ending, ""]
    assert [heard(recording, flow=number) for number in (1, 2)] == [message(1), message(2)]


def test_the_end_of_a_connection_is_told_with_its_time() -> None:
    conversation = Conversation()
    frames = [*conversation.opening(), *conversation.say(True, message(1)), conversation.frame(False, RST | ACK)]
    (flow,) = read(frames).flows
    assert (flow.end, flow.ended_at, flow.began_at) == ("rst", pytest.approx(frames[-1].at), pytest.approx(frames[0].at))


def test_the_client_is_who_sent_the_syn_even_where_the_server_speaks_first() -> None:
    conversation = Conversation()
    frames = [*conversation.opening(), *conversation.say(False, message(1)), *conversation.say(True, message(2))]
    for recording in (read(frames), read(frames[1:])):
        assert (recording.flows[0].client, heard(recording)) == (CLIENT, message(2))
    assert read(frames[2:]).flows[0].client == SERVER, "without any SYN, who speaks first"


def test_keep_alives_before_the_first_message_do_not_hide_it() -> None:
    recording = read(Conversation().whole([(True, b"\r\n\r\n"), (False, b"\r\n")] * 1500 + [(True, message(1))]))
    assert heard(recording).endswith(message(1))


def test_other_protocols_are_left_out_and_take_no_room() -> None:
    noise = [frame for n in range(5) for frame in Conversation(client=("10.9.9.9", 2000 + n)).whole([(True, b"\x00binary" * 500)] * 4)]
    recording = read([*noise, *Conversation().whole(TALK)], octets=40_000)
    assert len(recording.flows) == 1
    assert heard(recording) == said()
    assert recording.notes == ()


def test_flows_are_numbered_by_their_first_packets_and_octets_are_in_order_of_time() -> None:
    conversations = [Conversation(client=("10.0.0.1", 1000 + n), at=1_700_000_000.0 + n * 0.0001) for n in range(5)]
    frames = sorted((frame for conversation in conversations for frame in conversation.whole(TALK)), key=lambda frame: frame.at)
    recording = read(frames)
    assert [flow.client[1] for flow in recording.flows] == [1000, 1001, 1002, 1003, 1004]
    assert all(earlier.at <= later.at for earlier, later in pairwise(recording.octets))
    assert all(heard(recording, flow=flow.number) == said() for flow in recording.flows)


def test_waiting_octets_are_bounded() -> None:
    conversation = Conversation()
    frames = [*conversation.opening(), *conversation.say(True, message(0))]
    conversation.sequences[0] += 10_000  # never captured
    frames += [frame for n in range(400) for frame in conversation.say(True, message(n, 1000))]
    recording = read(frames, pending=20_000)
    assert len(heard(recording)) == len(message(0)) + sum(len(message(n, 1000)) for n in range(400))
