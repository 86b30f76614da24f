"""The router of mux mode on real legs and real SRTP, without a socket: what it sends is written down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.net.media_mux import MOST_STREAMS, TRIALS_PER_DATAGRAM, TRIALS_PER_SECOND, MuxRouter
from sbc_sim.rtp import rtcp
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.packet import RtpPacket, build
from tests.support.srtp_peer import Peer

START = 1_700_000_000.0


class Mux:
    """A router with legs, each with a peer of its own key and address."""

    def __init__(self, count: int = 2, **changes: Any) -> None:
        self.sent: list[tuple[bytes, tuple[str, int], Endpoint]] = []
        self.router = MuxRouter(lambda datagram, destination, leg: self.sent.append((datagram, destination, leg)))
        self.peers: list[Peer] = []
        self.legs: list[EchoLeg] = []
        for n in range(count):
            peer = Peer(ssrc=1000 + n, source=("192.0.2.10", 40_000 + 2 * n))
            peer.rekey(n)
            self.peers.append(peer)
            self.legs.append(EchoLeg(self.described(n, **changes), START))
            self.router.add(self.legs[n])

    def described(self, n: int, **changes: Any) -> Any:
        remote = ("192.0.2.10", 40_000 + 2 * n)
        return self.peers[n].description(**{"call": str(n), "remote": remote, "remote_rtcp": None, "ssrc": 5000 + n} | changes)

    def say(self, n: int, source: tuple[str, int] | None = None) -> Endpoint | None:
        """Have a peer send a packet; the leg that answered it."""
        before, now = len(self.sent), self.peers[n].now
        self.router.receive(self.peers[n].packet(), source or self.peers[n].source, now)
        return self.sent[-1][2] if len(self.sent) > before else None


def test_each_leg_gets_the_packets_of_its_own_peer() -> None:
    mux = Mux(5)
    for _ in range(10):
        for n in range(5):
            assert mux.say(n) is mux.legs[n]
    assert [leg.report().echoed_packets for leg in mux.legs] == [10] * 5
    assert [leg.report().auth_failures for leg in mux.legs] == [0] * 5


def test_peers_that_send_from_one_address_are_told_apart_by_their_keys() -> None:
    shared = ("192.0.2.10", 40_000)
    mux = Mux(4, remote=shared)
    assert [mux.say(n, shared) for n in (2, 0, 3, 1, 0)] == [mux.legs[n] for n in (2, 0, 3, 1, 0)]


def test_peers_with_one_address_and_one_ssrc_are_told_apart_until_the_first_is_known() -> None:
    mux = Mux(2)
    mux.peers[1].ssrc = mux.peers[0].ssrc
    assert mux.say(0) is mux.legs[0]
    assert mux.say(1) is mux.legs[1]


def test_a_peer_behind_an_address_that_no_sdp_named_is_found_by_its_key() -> None:
    mux = Mux(3)
    assert mux.say(1, ("10.0.0.1", 777)) is mux.legs[1]
    assert mux.legs[1].report().remote == ("10.0.0.1", 777)
    assert mux.sent[0][1] == ("192.0.2.10", 40_002)


def test_with_latching_the_answer_goes_to_the_real_address() -> None:
    mux = Mux(3, latch=True)
    mux.say(1, ("10.0.0.1", 777))
    assert mux.sent[0][1] == ("10.0.0.1", 777)


def test_among_more_legs_than_may_be_tried_at_once_each_is_found_in_the_end() -> None:
    mux = Mux(3 * TRIALS_PER_DATAGRAM)
    last = len(mux.legs) - 1
    found = [mux.say(last, ("10.0.0.1", 777)) for _ in range(6)]
    assert mux.legs[last] in found


def test_reports_find_their_leg_before_and_after_its_media() -> None:
    mux = Mux(3)

    def report(n: int, source: tuple[str, int]) -> None:
        peer = mux.peers[n]
        mux.router.receive(peer.sender.protect_rtcp(rtcp.build_report(rtcp.Report(peer.ssrc))), source, START)

    report(1, mux.peers[1].source)
    report(2, ("10.0.0.1", 778))
    mux.say(0)
    report(0, mux.peers[0].source)
    report(1, mux.peers[1].source)
    assert [leg.report().rtcp_received for leg in mux.legs] == [1, 2, 1]


def test_a_wrong_key_from_an_address_of_the_sdp_is_counted_at_its_leg() -> None:
    mux = Mux(3)
    mux.peers[1].rekey(200)
    for _ in range(5):
        assert mux.say(1) is None
    assert [leg.report().auth_failures for leg in mux.legs] == [0, 5, 0]


@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (build(RtpPacket(0, 1, 1, 1, b"\x55" * 160)), "plain_rtp"),
        (bytes.fromhex("000100002112a442") + bytes(12), "stun"),
        (bytes.fromhex("16feff") + bytes(30), "dtls"),
        (bytes.fromhex("80cc0003000000ff") + b"PING" + bytes(4), "rtcp_plain"),
        (b"", "malformed"),
        (b"hello", "malformed"),
    ],
)
def test_what_is_no_srtp_is_counted_at_the_leg_whose_address_it_comes_from(datagram: bytes, counter: str) -> None:
    mux = Mux(2)
    mux.router.receive(datagram, mux.peers[1].source, START)
    mux.router.receive(datagram, ("10.0.0.1", 9), START)
    assert getattr(mux.legs[1].report(), counter) == 1
    assert getattr(mux.legs[0].report(), counter) == 0
    assert mux.router.without_leg == 1


def test_a_known_stream_that_turns_to_clear_rtp_is_counted_at_its_leg() -> None:
    mux = Mux(2)
    mux.say(0)
    mux.router.receive(build(RtpPacket(0, 9, 9, mux.peers[0].ssrc, b"\x55" * 160)), mux.peers[0].source, START)
    assert mux.legs[0].report().plain_rtp == 1


def test_a_new_key_and_a_new_address_are_followed() -> None:
    mux = Mux(2)
    mux.say(0)
    mux.peers[0].rekey(100)
    mux.legs[0].change(mux.described(0, remote=("192.0.2.77", 9000)))
    mux.router.add(mux.legs[0])
    assert mux.say(0, ("192.0.2.77", 9000)) is mux.legs[0]
    assert mux.say(1, mux.peers[0].source) is mux.legs[1]
    assert mux.sent[1][1] == ("192.0.2.77", 9000)


def test_a_leg_that_is_gone_gets_nothing_and_leaves_nothing_behind() -> None:
    mux = Mux(2)
    mux.say(0)
    mux.say(1)
    mux.router.remove(mux.legs[0])
    assert mux.say(0) is None
    assert mux.say(1) is mux.legs[1]
    assert mux.router.without_leg == 1
    mux.router.remove(mux.legs[1])
    assert not mux.router._streams
    assert not mux.router._streams_of
    assert not mux.router._named
    assert not mux.router._addresses_of


def test_a_later_call_from_the_same_socket_and_ssrc_goes_to_its_own_leg() -> None:
    mux = Mux(2, remote=("192.0.2.10", 40_000))
    mux.peers[1].ssrc = mux.peers[0].ssrc
    assert mux.say(0, ("192.0.2.10", 40_000)) is mux.legs[0]
    mux.router.remove(mux.legs[0])
    assert mux.say(1, ("192.0.2.10", 40_000)) is mux.legs[1]


def test_the_streams_that_are_remembered_for_a_leg_are_bounded() -> None:
    mux = Mux(1)
    for ssrc in range(5 * MOST_STREAMS):
        mux.peers[0].ssrc = ssrc
        assert mux.say(0) is mux.legs[0]
    assert len(mux.router._streams) == MOST_STREAMS


def test_garbage_of_strangers_costs_a_bounded_number_of_trials_per_second() -> None:
    mux = Mux(100)
    garbage = build(RtpPacket(0, 1, 1, 1, b"\x99" * 170))
    for n in range(20_000):
        mux.router.receive(garbage, ("10.0.0.1", n % 60_000), START + n / 20_000)
    assert mux.router.without_leg == 20_000
    tried = 20_000 - mux.router.over_budget
    assert 0 < tried * TRIALS_PER_DATAGRAM <= 2 * TRIALS_PER_SECOND
    assert mux.say(7) is mux.legs[7]


def test_after_the_flood_strangers_are_tried_again() -> None:
    mux = Mux(5)
    for n in range(5000):
        mux.router.receive(build(RtpPacket(0, 1, 1, n, b"\x99" * 170)), ("10.0.0.1", 1), START)
    assert mux.say(1, ("10.0.0.2", 2)) is None
    mux.peers[1].now = START + 2
    assert mux.say(1, ("10.0.0.2", 2)) is mux.legs[1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), max_size=10))
def test_any_datagrams_from_anywhere_are_counted_and_disturb_no_leg(datagrams: list[tuple[bytes, bool]]) -> None:
    mux = Mux(2)
    mux.say(0)
    for datagram, known in datagrams:
        mux.router.receive(datagram, mux.peers[0].source if known else ("10.0.0.1", 5), START)
    assert mux.say(0) is mux.legs[0]
    assert mux.say(1) is mux.legs[1]
    assert len(mux.sent) == 3
