"""Keys that a playing leg presses (RFC 4733): what goes out, and that our own reader and a leg of the SBC understand it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from sbc_sim.partner.voice import SILENCE, Voice
from sbc_sim.rtp.dtmf import DIGITS, DtmfReader, Key, event_payloads
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.leg import LegDescription, SrtpKey
from sbc_sim.rtp.play import PlayLeg

OURS, THEIRS = (SrtpKey("AES_CM_128_HMAC_SHA1_80", bytes([n] * 30)) for n in (1, 2))
PARTNER = LegDescription("p", ("203.0.113.5", 31000), None, THEIRS, OURS, dtmf_payload_type=101, ssrc=7, first_timestamp=4000)
SBC = LegDescription("s", ("192.0.2.1", 24000), None, OURS, THEIRS, dtmf_payload_type=101, ssrc=9)


def heard_of(voice, seconds=2.0, description=PARTNER):
    """What the SBC's leg has heard of it."""
    playing, listening = PlayLeg(description, 0.0, voice), EchoLeg(SBC, 0.0)
    for step in range(int(seconds * 100)):
        for datagram in playing.due(step / 100):
            listening.receive_rtp(datagram, ("192.0.2.1", 24000), step / 100)
    return playing, listening.report()


def test_each_key_of_a_telephone_is_understood():
    voice = Voice()
    voice.press(DIGITS)
    _, report = heard_of(voice, seconds=6.0)
    assert "".join(event.digit for event in report.dtmf) == DIGITS
    assert {event.duration_ms for event in report.dtmf} == {160}
    assert report.wrong_payload == report.lost == 0


def test_an_event_ends_three_times_and_grows_until_then():
    payloads = list(event_payloads(Key("5", 100)))
    assert [int.from_bytes(p[2:], "big") for p in payloads] == [160, 320, 480, 640, 800, 800, 800]
    assert [p[1] >> 7 for p in payloads] == [0, 0, 0, 0, 1, 1, 1]
    assert {p[0] for p in payloads} == {5}


def test_audio_goes_on_after_a_key_and_the_packets_between_are_no_part_of_the_echo():
    voice = Voice()
    voice.speak(0.2)
    voice.press("0")
    playing, report = heard_of(islice(voice, 80))
    assert [event.digit for event in report.dtmf] == ["0"]
    assert playing.proof().sent == 79
    assert report.packets_received == 79 + 10


def test_without_telephone_events_in_the_answer_keys_are_passed_over():
    voice = Voice()
    voice.press("123")
    _, report = heard_of(voice, description=replace(PARTNER, dtmf_payload_type=None))
    assert report.dtmf == ()
    assert report.packets_received == 200 // 2


def test_a_lost_first_packet_and_two_lost_ends_do_not_lose_the_key():
    reader = DtmfReader()
    for payload in list(event_payloads(Key("9")))[1:-2]:
        reader.take(4000, payload, 1.0)
    assert [(event.digit, event.duration_ms) for event in reader.events] == [("9", 160)]


def test_speech_is_followed_by_silence():
    voice = Voice()
    voice.speak(0.1)
    frames = list(islice(voice, 100))
    assert SILENCE not in frames[:5]
    assert set(frames[5:]) == {SILENCE}
    assert voice.quiet


def test_what_is_on_no_telephone_cannot_be_pressed():
    with pytest.raises(ValueError, match="on no telephone"):
        Voice().press("1e")
