"""The agent's leg: prompts sample by sample, silence between them, speech by its level, keys."""

from __future__ import annotations

import audioop
import itertools
from dataclasses import replace
from typing import Any

import pytest

from sbc_sim.rtp.agent import MOST_EVENTS, AgentLeg
from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import Direction, LegEvent, LegEventKind, MediaConduct, Prompt
from sbc_sim.rtp.legs import make_leg
from sbc_sim.rtp.mute import MuteLeg
from sbc_sim.rtp.packet import RtpPacket
from tests.support.srtp_peer import START

LOUD = list(itertools.islice(tone(3), 200))
QUIET = bytes([0xFF]) * 160
PROMPT = Prompt("greeting", b"".join(LOUD[:10]))


class Line:
    """An agent's leg, its peer, and their clock."""

    def __init__(self, peer: Any, **changes: Any) -> None:
        self.peer = peer
        self.leg = AgentLeg(peer.description(**changes), START)
        self.now = START
        self.heard: list[RtpPacket] = []
        self.events: list[LegEvent] = []

    def run(self, seconds: float, frames: Any = ()) -> None:
        """Let time pass in steps of the plane's timer; the peer sends a frame every 20 ms while there are some."""
        frames = iter(frames)
        for step in range(round(seconds * 100)):
            if step % 2 == 0 and (frame := next(frames, None)) is not None:
                assert self.leg.receive_rtp(self.peer.packet(frame), self.peer.source, self.now) is None
            for datagram in self.leg.due(self.now):
                self.heard.append(self.peer.open(datagram))
            self.events += self.leg.take_events()
            self.now += 0.01

    def press(self, code: int, event: int) -> None:
        """Send the packets of one key press (RFC 4733): one with the marker, one longer, three times the end."""
        for flags, duration in ((10, 160), (10, 320), (0x8A, 480), (0x8A, 480), (0x8A, 480)):
            payload = bytes([code, flags]) + duration.to_bytes(2, "big")
            self.peer.timestamp = event
            self.leg.receive_rtp(self.peer.packet(payload, payload_type=101, step=0), self.peer.source, self.now)
        self.peer.timestamp = event + 480

    @property
    def kinds(self) -> list[LegEventKind]:
        return [event.kind for event in self.events]


def test_without_a_prompt_it_sends_silence_without_a_gap(peer: Any) -> None:
    line = Line(peer)
    line.run(1.0)
    assert len(line.heard) in (50, 51)
    assert {packet.payload for packet in line.heard} == {QUIET}
    assert [packet.sequence for packet in line.heard] == [7 + n for n in range(len(line.heard))]
    assert [packet.timestamp for packet in line.heard] == [11_000 + 160 * n for n in range(len(line.heard))]
    assert [packet.marker for packet in line.heard] == [True] + [False] * (len(line.heard) - 1)


def test_a_prompt_is_heard_sample_by_sample_and_its_end_is_told_when_its_last_packet_was_played(peer: Any) -> None:
    line = Line(peer)
    line.run(0.1)
    line.leg.say(PROMPT, line.now)
    line.run(0.19)
    assert line.events == []
    line.run(0.3)
    said = b"".join(packet.payload for packet in line.heard if packet.payload != QUIET)
    assert said == PROMPT.pcmu
    assert line.events == [LegEvent(LegEventKind.PROMPT_OVER, "greeting")]


def test_a_prompt_that_ends_within_a_packet_is_filled_with_silence(peer: Any) -> None:
    line = Line(peer)
    line.leg.say(Prompt("short", LOUD[0] + LOUD[1][:40]), line.now)
    line.run(0.1)
    assert [packet.payload for packet in line.heard[:3]] == [LOUD[0], LOUD[1][:40] + QUIET[40:], QUIET]


def test_say_none_is_silence_at_once_and_the_prompt_is_not_told_to_be_over(peer: Any) -> None:
    line = Line(peer)
    line.leg.say(PROMPT, line.now)
    line.run(0.1)
    line.leg.say(None, line.now)
    before = len(line.heard)
    line.run(0.5)
    assert {packet.payload for packet in line.heard[before:]} == {QUIET}
    assert line.events == []


def test_another_prompt_takes_the_place_of_the_one_that_plays(peer: Any) -> None:
    line = Line(peer)
    line.leg.say(PROMPT, line.now)
    line.run(0.1)
    line.leg.say(Prompt("other", LOUD[50]), line.now)
    before = len(line.heard)
    line.run(0.1)
    assert line.heard[before].payload == LOUD[50]
    assert line.events == [LegEvent(LegEventKind.PROMPT_OVER, "other")]


def test_to_a_partner_with_pcma_it_speaks_pcma(peer: Any) -> None:
    line = Line(peer, codec="PCMA", payload_type=8)
    line.leg.say(PROMPT, line.now)
    line.run(0.4)
    assert {packet.payload_type for packet in line.heard} == {8}
    said = b"".join(packet.payload for packet in line.heard[:10])
    assert audioop.alaw2lin(said, 2) == audioop.alaw2lin(audioop.lin2alaw(audioop.ulaw2lin(PROMPT.pcmu, 2), 2), 2)
    assert audioop.max(audioop.alaw2lin(line.heard[-1].payload, 2), 2) <= 8, "silence in PCMA, not the code of PCMU"


@pytest.mark.parametrize("ptime", [10, 30, 60])
def test_packets_have_the_length_that_was_agreed_on(peer: Any, ptime: int) -> None:
    line = Line(peer, ptime_ms=ptime)
    line.leg.say(PROMPT, line.now)
    line.run(0.6)
    assert {len(packet.payload) for packet in line.heard} == {ptime * 8}
    assert b"".join(packet.payload for packet in line.heard).startswith(PROMPT.pcmu)


def test_on_hold_nothing_is_sent_and_the_prompt_goes_on_afterwards(peer: Any) -> None:
    line = Line(peer)
    line.leg.say(PROMPT, line.now)
    line.run(0.1)
    before = len(line.heard)
    line.leg.change(replace(line.leg.description, direction=Direction.RECVONLY))
    line.run(3.0)
    assert len(line.heard) == before
    line.leg.change(replace(line.leg.description, direction=Direction.SENDRECV))
    line.run(0.5)
    assert line.heard[before].marker
    assert line.heard[before].timestamp - line.heard[before - 1].timestamp > 2.9 * 8000
    assert b"".join(packet.payload for packet in line.heard if packet.payload != QUIET) == PROMPT.pcmu
    assert line.kinds == [LegEventKind.PROMPT_OVER]


def test_speech_begins_after_60_ms_and_ends_after_the_pause_with_its_length(peer: Any) -> None:
    line = Line(peer)
    line.run(0.5, [QUIET] * 25)
    line.run(1.0, LOUD[:50])
    assert line.kinds == [LegEventKind.SPEECH_BEGAN]
    line.run(0.6, [QUIET] * 30)
    assert line.kinds == [LegEventKind.SPEECH_BEGAN]
    line.run(0.2, [QUIET] * 10)
    assert line.kinds == [LegEventKind.SPEECH_BEGAN, LegEventKind.SPEECH_ENDED]
    assert int(line.events[-1].value) == pytest.approx(1000, abs=40)


def test_with_silence_suppression_speech_ends_although_no_packet_comes(peer: Any) -> None:
    line = Line(peer)
    line.run(0.5, LOUD[:25])
    line.run(1.0)
    assert line.kinds == [LegEventKind.SPEECH_BEGAN, LegEventKind.SPEECH_ENDED]


def test_a_pause_for_breath_does_not_end_what_is_said(peer: Any) -> None:
    line = Line(peer)
    line.run(2.0, [*LOUD[:25], *[QUIET] * 25, *LOUD[:50]])
    assert line.kinds == [LegEventKind.SPEECH_BEGAN]


def test_a_click_is_no_speech(peer: Any) -> None:
    line = Line(peer)
    line.run(1.0, [QUIET, LOUD[0], LOUD[1], *[QUIET] * 20, LOUD[2], *[QUIET] * 20])
    assert line.events == []


def test_what_is_softer_than_the_threshold_is_no_speech_and_goes_on_a_little_below_it(peer: Any) -> None:
    def at(dbfs: float) -> bytes:
        amplitude = round(32768 * 10 ** (dbfs / 20))
        return audioop.lin2ulaw(b"".join((amplitude * sign).to_bytes(2, "little", signed=True) for sign in (1, -1)) * 80, 2)

    line = Line(peer, conduct=MediaConduct("agent", speech_dbfs=-30.0, pause_ms=300))
    line.run(1.0, [at(-32)] * 50)
    assert line.events == []
    line.run(2.0, [*[at(-28)] * 10, *[at(-34)] * 90])
    assert line.kinds == [LegEventKind.SPEECH_BEGAN]
    line.run(1.0, [at(-40)] * 50)
    assert line.kinds == [LegEventKind.SPEECH_BEGAN, LegEventKind.SPEECH_ENDED]


def test_each_key_is_told_once_as_soon_as_it_is_pressed(peer: Any) -> None:
    line = Line(peer)
    line.run(0.1)
    for number, code in enumerate((0, 0, 11)):
        line.press(code, 100_000 + 4_000 * number)
        line.run(0.05)
    assert line.events == [LegEvent(LegEventKind.DIGIT, digit) for digit in "00#"]


def test_keys_are_heard_after_the_report_keeps_no_more_of_them(peer: Any) -> None:
    line = Line(peer)
    for number in range(140):
        line.press(number % 10, 100_000 + 4_000 * number)
        line.run(0.02)
    assert len(line.leg.report().dtmf) == 128
    assert [event.value for event in line.events[-3:]] == ["7", "8", "9"]
    assert len(line.events) == 140


def test_events_that_nobody_takes_do_not_pile_up(peer: Any) -> None:
    line = Line(peer)
    for _ in range(MOST_EVENTS + 20):
        line.leg.say(Prompt("nothing", b""), line.now)
        line.leg.due(line.now)
        line.now += 0.02
    assert len(line.leg.take_events()) == MOST_EVENTS
    assert line.leg.take_events() == []


def test_it_talks_and_listens_at_the_same_time(peer: Any) -> None:
    line = Line(peer)
    line.leg.say(PROMPT, line.now)
    line.run(0.4, LOUD[:20])
    assert set(line.kinds) == {LegEventKind.PROMPT_OVER, LegEventKind.SPEECH_BEGAN}
    report = line.leg.report()
    assert (report.packets_received, report.echoed_packets) == (20, 0)
    assert report.packets_sent == len(line.heard)


def test_the_description_chooses_the_leg(peer: Any) -> None:
    for kind, leg in (("echo", EchoLeg), ("agent", AgentLeg), ("mute", MuteLeg)):
        assert type(make_leg(peer.description(conduct=MediaConduct(kind)), START)) is leg
    with pytest.raises(ValueError, match="'parrot': echo, agent, mute"):
        make_leg(peer.description(conduct=MediaConduct("parrot")), START)


def test_a_mute_leg_hears_and_says_nothing(peer: Any) -> None:
    leg = MuteLeg(peer.description(), START)
    assert peer.talk(leg, 10) == []
    assert (leg.report().packets_received, leg.report().packets_sent) == (10, 0)
