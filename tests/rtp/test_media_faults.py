from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.rtp.agent import AgentLeg
from sbc_sim.rtp.faults import MOST_WAITING, BadNetwork, faulty
from sbc_sim.rtp.leg import MediaConduct, Prompt
from sbc_sim.rtp.legs import make_leg
from sbc_sim.rtp.packet import parse
from sbc_sim.rtp.recording import Recording
from sbc_sim.rtp.srtp import SrtpReceiver

START = 1_700_000_000.0
SHARES = ("loss", "reorder", "duplicate")

fault = st.one_of(
    st.tuples(st.sampled_from(SHARES), st.floats(0.01, 0.9)),
    st.tuples(st.just("burst"), st.integers(1, 9).map(float)),
    st.tuples(st.just("jitter"), st.floats(1.0, 300.0)),
    st.tuples(st.just("delay"), st.floats(1.0, 900.0)),
)
fault_sets = st.lists(fault, min_size=1, max_size=4, unique_by=lambda one: one[0]).map(tuple)


def through(network: BadNetwork, count: int, step: float = 0.02) -> list[tuple[int, float]]:
    """What comes out of a network for numbered packets, and when; asked every packet time, as the plane asks."""
    out: list[tuple[int, float]] = []
    for number in range(count):
        now = START + number * step
        out += [(int(packet), now) for packet, _ in network.due(now)]
        if network.take(b"%d" % number, b"", now):
            out.append((number, now))
    end = START + count * step + 10.0
    return out + [(int(packet), end) for packet, _ in network.due(end)]


@settings(max_examples=60, deadline=None)
@given(fault_sets, st.integers(-(2**60), 2**60), st.integers(1, 300))
def test_the_same_seed_strikes_the_same_packets_in_every_run(faults: Any, seed: int, count: int) -> None:
    first, again = (through(BadNetwork(dict(faults), seed), count) for _ in range(2))
    assert first == again


@settings(max_examples=60, deadline=None)
@given(fault_sets, st.integers(0, 2**32), st.integers(1, 300))
def test_nothing_is_invented_and_nothing_is_lost_or_doubled_that_no_fault_loses_or_doubles(faults: Any, seed: int, count: int) -> None:
    named = dict(faults)
    out = [number for number, _ in through(BadNetwork(named, seed), count)]
    assert set(out) <= set(range(count))
    if not named.keys() & {"loss", "burst"}:
        assert set(out) == set(range(count))
    if "duplicate" not in named:
        assert len(out) == len(set(out))
    if not named.keys() & {"reorder", "duplicate"}:
        assert out == sorted(out)


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 900.0), st.floats(1.0, 300.0), st.integers(0, 2**32))
def test_delay_and_jitter_keep_within_their_bounds(delay: float, jitter: float, seed: int) -> None:
    network = BadNetwork({"delay": delay, "jitter": jitter}, seed)
    sent = {}
    for number in range(400):
        now = START + number * 0.005
        sent[number] = now
        network.take(b"%d" % number, b"", now)
        for packet, _ in network.due(now):
            late = now - sent[int(packet)]
            assert delay / 1000 - 1e-6 <= late <= (delay + jitter) / 1000 + 0.0051


def test_a_fault_beside_another_leaves_the_packets_that_the_other_strikes() -> None:
    alone = {number for number, _ in through(BadNetwork({"loss": 0.2}, 7), 500)}
    beside = {number for number, _ in through(BadNetwork({"loss": 0.2, "duplicate": 0.3, "jitter": 40.0}, 7), 500)}
    assert alone == beside


@pytest.mark.parametrize(("faults", "least", "most"), [({"loss": 0.05}, 0.03, 0.07), ({"burst": 5.0}, 0.05, 0.14)])
def test_as_much_is_lost_as_was_asked_for(faults: dict[str, float], least: float, most: float) -> None:
    out = through(BadNetwork(faults, 1), 5000)
    assert least < 1 - len(out) / 5000 < most


def test_a_burst_takes_packets_in_a_row() -> None:
    kept = {number for number, _ in through(BadNetwork({"burst": 5.0}, 3), 2000)}
    gaps, run = [], 0
    for number in range(2000):
        if number in kept:
            gaps += [run] if run else []
            run = 0
        else:
            run += 1
    assert gaps
    assert all(gap >= 5 for gap in gaps)
    assert gaps.count(5) > len(gaps) / 2


def test_what_waits_is_bounded() -> None:
    network = BadNetwork({"delay": 5000.0}, 1)
    for number in range(MOST_WAITING + 50):
        network.take(b"%d" % number, b"", START)
    assert len(network.due(START + 6)) == MOST_WAITING


def test_a_packet_that_nothing_overtakes_goes_out_all_the_same() -> None:
    network = BadNetwork({"reorder": 1.0}, 1)
    assert not network.take(b"1", b"", START)
    assert network.due(START + 0.02) == []
    assert network.due(START + 0.2) == [(b"1", b"")]


# --- as legs -----------------------------------------------------------------------------------------------------------


def with_faults(peer: Any, *faults: tuple[str, float], kind: str = "echo", seed: int = 5) -> Any:
    return make_leg(peer.description(conduct=MediaConduct(kind, faults, seed)), START)


def echoes(peer: Any, leg: Any, count: int) -> list[int]:
    """Payload numbers that come back, in the order in which they do."""
    said, back = {}, []
    for _ in range(count):
        number, now = peer.sequence, peer.now
        datagram = peer.packet()
        said[number] = True
        answer = leg.receive_rtp(datagram, peer.source, now)
        for packet in [*([answer] if answer else []), *leg.due(now + 0.01)]:
            opened = peer.receiver.open(packet)
            if isinstance(opened, bytes):
                clear = parse(opened)
                assert clear is not None
                back.append(clear.sequence)
    return back


def test_a_leg_without_faults_is_the_plain_kind(peer: Any) -> None:
    assert type(with_faults(peer)).__name__ == "EchoLeg"


def test_an_echo_that_loses_packets_shows_the_gaps_by_its_numbers_and_counts_what_it_sent(peer: Any) -> None:
    leg = with_faults(peer, ("loss", 0.2))
    back = echoes(peer, leg, 300)
    assert 200 < len(back) < 280
    assert back == sorted(back)
    report = leg.report()
    assert (report.packets_received, report.echoed_packets, report.packets_sent) == (300, 300, 300)


def test_two_echoes_with_the_same_seed_lose_the_same_packets(make_peer: Any) -> None:
    one, other = make_peer(), make_peer()
    faults = (("loss", 0.1), ("jitter", 50.0), ("duplicate", 0.1))
    assert echoes(one, with_faults(one, *faults), 200) == echoes(other, with_faults(other, *faults), 200)


def test_packets_overtake_each_other_on_the_way(peer: Any) -> None:
    back = echoes(peer, with_faults(peer, ("reorder", 0.3)), 200)
    assert back != sorted(back)
    assert len(back) == len(set(back)) >= 199


def test_a_packet_that_comes_twice_is_a_replay_to_the_partner(peer: Any) -> None:
    leg = with_faults(peer, ("duplicate", 1.0))
    first = leg.receive_rtp(peer.packet(), peer.source, START)
    assert [first] == leg.due(START)


def test_one_way_audio_goes_dead_towards_the_partner_while_we_still_hear(peer: Any) -> None:
    leg = with_faults(peer, ("one-way", 1.0))
    assert echoes(peer, leg, 50) == []
    assert leg.report().packets_received == 50


def test_one_way_audio_the_other_way_is_not_heard_at_all(peer: Any) -> None:
    leg = with_faults(peer, ("one-way", 2.0))
    assert echoes(peer, leg, 50) == []
    assert leg.report().packets_received == 0
    now = peer.now
    ours, answer = leg.claim_rtp(peer.packet(), peer.source, now)
    assert (ours, answer) == (True, None)
    assert leg.report().packets_received == 0


def test_a_wrong_key_opens_nothing_at_the_partner_neither_rtp_nor_rtcp(peer: Any) -> None:
    leg = with_faults(peer, ("wrong-key", 1.0))
    for _ in range(20):
        now = peer.now
        answer = leg.receive_rtp(peer.packet(), peer.source, now)
        assert answer is not None
        assert not isinstance(peer.receiver.open(answer), bytes)
    (report,) = leg.goodbye(peer.now)
    assert not isinstance(peer.receiver.open_rtcp(report), bytes)


def test_a_change_of_the_session_keeps_the_wrong_key_and_its_numbers(peer: Any) -> None:
    leg = with_faults(peer, ("wrong-key", 1.0))
    wrong = leg.description.send_key
    leg.change(peer.description(conduct=leg.description.conduct))
    assert leg.description.send_key == wrong != peer.receive_key
    assert isinstance(SrtpReceiver(wrong).open(leg.receive_rtp(peer.packet(), peer.source, START)), bytes)


def test_an_agent_speaks_over_a_bad_network_too(peer: Any) -> None:
    leg = with_faults(peer, ("loss", 0.3), kind="agent")
    assert isinstance(leg, AgentLeg)
    leg.say(Prompt("hello", b"\x20" * 16000), START)
    out = [packet for step in range(200) for packet in leg.due(START + step * 0.01)]
    assert 50 < len(out) < 90
    assert [event.value for event in leg.take_events()] == []


def test_a_delayed_echo_is_paced_and_a_lossy_one_needs_no_timer(peer: Any) -> None:
    assert with_faults(peer, ("delay", 100.0)).paced
    assert not with_faults(peer, ("loss", 0.1)).paced
    assert with_faults(peer, ("loss", 0.1), kind="agent").paced


def test_a_recording_holds_what_left_and_when(peer: Any) -> None:
    leg = with_faults(peer, ("loss", 0.3), ("delay", 100.0))
    recording = Recording(1 << 20)
    leg.record_to(recording)
    left = echoes(peer, leg, 100)
    kept = recording.sent.clip().packets
    assert len(kept) == len(left) < 90
    assert kept[0][0] >= START + 0.1


def test_each_kind_of_leg_is_made_faulty_once(peer: Any) -> None:
    assert faulty(AgentLeg) is faulty(AgentLeg)
