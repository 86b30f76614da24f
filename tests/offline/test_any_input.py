"""Whatever a trace holds, it is judged and compared without an error: a recording may come from anybody."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sbc_sim.exports.ladder_text import ladder_text
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.offline import judge as judging
from sbc_sim.offline.compare import compare, comparison_data
from sbc_sim.offline.comparison_text import comparison_text
from sbc_sim.offline.judge import judge
from sbc_sim.offline.telling import judged_data
from sbc_sim.rules.policy import Policy
from sbc_sim.traces.recording import Datagram, Flow, Octets, Recording, TlsSeen
from tests.support.recorded import RecordedCall, a_flow
from tests.support.sip import a_request, an_invite

CALL = RecordedCall(seconds=1.5)
CALL.run()
GOOD = CALL.recording()
times = st.floats(allow_nan=True, allow_infinity=True) | st.floats(1.6e9, 1.8e9)
hosts = st.sampled_from(["192.0.2.1", "203.0.113.5", "", "::1", "x" * 300, "\x1b[31m", "no address"])
addresses = st.tuples(hosts, st.sampled_from([0, 5060, 5061, 31000, 65535, -1, 10**9]))
words = st.text(st.characters(max_codepoint=0x2FF), max_size=20)
maybe = st.none() | words
tls = st.none() | st.builds(TlsSeen, words, words, maybe, maybe, maybe, st.booleans(), st.booleans(), words)
flows = st.builds(
    Flow,
    st.integers(1, 3),
    st.sampled_from(["tls", "tcp", "udp", "text", "other"]),
    addresses,
    addresses,
    times,
    tls,
    st.none() | times,
    st.sampled_from(["", "fin", "rst"]),
)
pieces = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([o.data for o in GOOD.octets]),
    st.sampled_from([an_invite(), a_request("BYE", cseq="x"), a_request("ACK")]),
    st.sampled_from([b"SIP/2.0 200 OK\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n"]),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A piece, perhaps with a part cut out or overwritten."""
    piece = bytearray(draw(pieces))
    for _ in range(draw(st.integers(0, 3))):
        if piece:
            start = draw(st.integers(0, len(piece) - 1))
            piece[start : start + draw(st.integers(0, 30))] = draw(st.binary(max_size=8))
    return bytes(piece)


octets = st.lists(st.builds(Octets, times, st.integers(1, 3), st.booleans(), damaged()), max_size=12)
packets = st.binary(max_size=100) | st.sampled_from([d.data for d in GOOD.datagrams])
datagrams = st.lists(st.builds(Datagram, times, addresses, addresses, packets, st.booleans()), max_size=12)
recordings = st.builds(
    lambda flows, octets, datagrams: Recording(tuple(flows), tuple(octets), tuple(datagrams)),
    st.lists(flows, max_size=3, unique_by=lambda flow: flow.number),
    octets,
    datagrams,
)


@given(recordings)
@settings(max_examples=60, deadline=None)
@example(Recording((a_flow(),), (Octets(0.0, 1, True, an_invite()), Octets(1e300, 1, False, b"SIP/2.0 200 OK\r\n\r\n"))))
def test_any_recording_is_judged(recording):
    judged = judge(recording, Policy())
    assert not [note for note in judged.notes if "bug of sbc-sim" in note], judged.notes
    for trace in judged.calls:
        assert ladder_text(trace)
    json.dumps(judged_data(judged))


@given(recordings, recordings)
@settings(max_examples=40, deadline=None)
def test_any_two_recordings_are_compared(theirs, ours):
    comparison = compare(theirs, ours)
    json.dumps(comparison_data(comparison))
    text = comparison_text(comparison, 100, everything=True)
    assert all(character.isprintable() or character == "\n" for character in text)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_real_call_with_damage_is_judged(data):
    kept = [piece for piece in GOOD.octets if data.draw(st.integers(0, 9))] or [GOOD.octets[0]]
    place = data.draw(st.integers(0, len(kept) - 1))
    piece = bytearray(kept[place].data)
    start = data.draw(st.integers(0, len(piece) - 1))
    piece[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=12))
    kept[place] = replace(kept[place], data=bytes(piece))
    judged = judge(replace(GOOD, octets=tuple(kept)), Policy())
    assert not [note for note in judged.notes if "bug of sbc-sim" in note], judged.notes
    comparison_text(compare(replace(GOOD, octets=tuple(kept)), GOOD))


def test_a_bug_of_ours_costs_the_call_that_meets_it_and_is_told(monkeypatch):
    class Broken(MemoryStore):
        def append(self, entry):  # type: ignore[no-untyped-def]
            raise KeyError("broken")

    monkeypatch.setattr(judging, "MemoryStore", Broken)
    judged = judge(GOOD, Policy())
    assert judged.calls == ()
    assert "which is a bug of sbc-sim (KeyError" in judged.notes[0]


def test_very_many_calls_are_bounded(monkeypatch):
    monkeypatch.setattr(judging, "MOST_CALLS", 10)
    octets = tuple(Octets(1.0 + n / 1000, 1, True, an_invite()) for n in range(judging.MOST_CALLS + 20))
    judged = judge(Recording((a_flow(),), octets), Policy())
    assert len(judged.calls) == judging.MOST_CALLS
    assert any("Only the first 10 of 30 calls" in note for note in judged.notes)


@pytest.mark.parametrize("seconds", [86_400.0 * 365])
def test_a_year_of_silence_costs_no_year_of_alarms(seconds):
    last = replace(GOOD.octets[-1], at=GOOD.octets[0].at + seconds)
    judged = judge(replace(GOOD, octets=(*GOOD.octets[:5], last), datagrams=()), Policy())
    assert judged.calls[0].call.end_reason == "max-duration"
