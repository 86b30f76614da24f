from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pylibsrtp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbc_sim.rtp import srtp
from sbc_sim.rtp.leg import SrtpKey
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import LONGEST_CLEAR, PROFILES, SUITES, TAG_OCTETS, Refusal, SrtpReceiver, SrtpSender

REPORT = bytes.fromhex("80c90001deadbeef")


def key(suite: str = SUITES[0], fill: int = 1) -> SrtpKey:
    return SrtpKey(suite, bytes([fill]) * PROFILES[suite][1])


def packet(sequence: int, ssrc: int = 7, payload: bytes = b"\x55" * 160) -> bytes:
    return build(RtpPacket(0, sequence, sequence * 160, ssrc, payload))


@pytest.fixture(params=["direct", "public"], autouse=True)
def binding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Every test runs on both ways into libsrtp: they must not differ in anything that can be seen."""
    if request.param == "public":
        monkeypatch.setattr(srtp, "_BINDING", None)
    return request.param


def pair(suite: str = SUITES[0]) -> tuple[SrtpSender, SrtpReceiver]:
    return SrtpSender(key(suite)), SrtpReceiver(key(suite))


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_opens_what_it_protects_and_appends_its_tag(suite: str) -> None:
    sender, receiver = pair(suite)
    protected = sender.protect(packet(1))
    assert isinstance(protected, bytes)
    assert len(protected) == len(packet(1)) + TAG_OCTETS[suite]
    assert b"\x55" * 4 not in protected
    assert receiver.open(protected) == packet(1)


@pytest.mark.parametrize("first", [0, 1, 32767, 32768, 65534, 65535])
def test_the_first_packet_opens_from_any_sequence_number_and_the_wrap_is_followed(first: int) -> None:
    sender, receiver = pair()
    for number in range(first, first + 70):
        assert receiver.open(sender.protect(packet(number))) == packet(number)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 65535), st.permutations(range(20)))
def test_packets_that_arrive_in_any_order_around_a_wrap_open(offset: int, order: list[int]) -> None:
    sender, receiver = pair()
    first = 65536 - 30 + offset % 20
    assert receiver.open(sender.protect(packet(first))) == packet(first)
    protected = [sender.protect(packet(first + 1 + n)) for n in range(20)]
    for n in order:
        assert receiver.open(protected[n]) == packet(first + 1 + n)


def test_the_rollover_counter_survives_several_wraps() -> None:
    sender, receiver = pair()
    for number in range(0, 200_000, 1000):
        assert receiver.open(sender.protect(packet(number))) == packet(number)


def test_a_packet_that_comes_again_is_refused_as_replayed() -> None:
    sender, receiver = pair()
    protected = sender.protect(packet(5))
    receiver.open(protected)
    assert receiver.open(protected) is Refusal.REPLAYED


def test_the_replay_window_holds_128_packets_and_no_more() -> None:
    sender, receiver = pair()
    protected = {number: sender.protect(packet(number)) for number in (100, 101, 102, 229)}
    receiver.open(protected[100])
    receiver.open(protected[229])
    assert receiver.open(protected[102]) == packet(102)
    assert receiver.open(protected[101]) is Refusal.TOO_OLD


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("place", [0, 2, 8, 20, -1])
def test_one_changed_bit_anywhere_is_an_authentication_failure(suite: str, place: int) -> None:
    sender, receiver = pair(suite)
    protected = bytearray(sender.protect(packet(1)))
    protected[place] ^= 1 if place else 0x20
    assert receiver.open(bytes(protected)) in (Refusal.AUTHENTICATION, Refusal.BAD)
    if place:
        assert receiver.open(bytes(protected)) is Refusal.AUTHENTICATION


def test_another_key_is_an_authentication_failure_and_leaves_the_stream_as_it_was() -> None:
    sender, receiver = pair()
    foreign = SrtpSender(key(fill=2)).protect(packet(900))
    assert receiver.open(foreign) is Refusal.AUTHENTICATION
    assert receiver.open(sender.protect(packet(1))) == packet(1)


@pytest.mark.parametrize("wrong", [suite for suite in SUITES if suite != SUITES[0]])
def test_another_suite_does_not_open(wrong: str) -> None:
    sender = SrtpSender(SrtpKey(wrong, bytes(PROFILES[wrong][1])))
    receiver = SrtpReceiver(SrtpKey(SUITES[0], bytes(30)))
    assert receiver.open(sender.protect(packet(1))) is Refusal.AUTHENTICATION


@pytest.mark.parametrize("suite", SUITES)
def test_srtcp_carries_the_e_bit_a_rising_index_and_never_a_short_tag(suite: str) -> None:
    sender, receiver = pair(suite)
    tag = 16 if "GCM" in suite else 10
    for index in (1, 2, 3):
        protected = sender.protect_rtcp(REPORT)
        assert isinstance(protected, bytes)
        assert len(protected) == len(REPORT) + 4 + tag
        # With AES-CM the index stands before the tag (RFC 3711 3.4), with GCM it is the end of the packet (RFC 7714 9.2).
        word = protected[-4:] if "GCM" in suite else protected[len(REPORT) : len(REPORT) + 4]
        assert int.from_bytes(word, "big") == 0x80000000 | index
        assert receiver.open_rtcp(protected) == REPORT
        assert receiver.open_rtcp(protected) is Refusal.REPLAYED


def test_srtcp_with_a_wrong_key_is_an_authentication_failure() -> None:
    protected = SrtpSender(key(fill=2)).protect_rtcp(REPORT)
    assert SrtpReceiver(key()).open_rtcp(protected) is Refusal.AUTHENTICATION


def test_a_number_is_never_protected_twice_because_that_would_tell_both_texts() -> None:
    sender, _ = pair()
    assert isinstance(sender.protect(packet(5)), bytes)
    assert sender.protect(packet(5, payload=b"other audio")) is Refusal.REPLAYED


def test_a_forgotten_ssrc_begins_anew_and_an_unknown_one_is_ignored() -> None:
    sender, receiver = pair()
    protected = sender.protect(packet(5))
    receiver.open(protected)
    receiver.forget(7)
    receiver.forget(12345)
    assert receiver.open(protected) == packet(5)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_key_of_the_wrong_length_is_refused_with_both_lengths(suite: str, change: int) -> None:
    octets = PROFILES[suite][1]
    with pytest.raises(ValueError, match=f"takes {octets} octets of key and salt, got {octets + change}"):
        SrtpReceiver(SrtpKey(suite, bytes(octets + change)))


def test_an_unknown_suite_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"AES_256_CM_HMAC_SHA1_80.*AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32"):
        SrtpSender(SrtpKey("AES_256_CM_HMAC_SHA1_80", bytes(46)))


def test_the_longest_packet_is_protected_and_one_octet_more_is_refused() -> None:
    sender, receiver = pair()
    longest = packet(1, payload=bytes(LONGEST_CLEAR - 12))
    assert receiver.open(sender.protect(longest)) == longest
    assert sender.protect(packet(2, payload=bytes(LONGEST_CLEAR - 11))) is Refusal.BAD
    assert receiver.open(bytes([0x80]) + bytes(1500)) is Refusal.BAD


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=1600))
def test_any_datagram_is_opened_or_refused_without_an_exception(datagram: bytes) -> None:
    receiver = SrtpReceiver(key())
    assert isinstance(receiver.open(datagram), Refusal)
    assert isinstance(receiver.open_rtcp(datagram), Refusal)


def test_many_sessions_do_not_mix_their_packets() -> None:
    pairs = [(SrtpSender(key(fill=n)), SrtpReceiver(key(fill=n))) for n in range(1, 20)]
    protected = [sender.protect(packet(3, payload=bytes([n]) * 100)) for n, (sender, _) in enumerate(pairs)]
    for n, (_, receiver) in enumerate(pairs):
        assert receiver.open(protected[n]) == packet(3, payload=bytes([n]) * 100)


def test_sessions_in_several_threads_do_not_disturb_each_other() -> None:
    def talk(fill: int) -> int:
        sender, receiver = SrtpSender(key(fill=fill)), SrtpReceiver(key(fill=fill))
        return sum(receiver.open(sender.protect(packet(n))) == packet(n) for n in range(2000))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(talk, range(1, 5))) == [2000] * 4


def test_a_binding_with_other_functions_is_not_called_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lib:
        srtp_protect = srtp_unprotect = srtp_protect_rtcp = srtp_unprotect_rtcp = staticmethod(lambda *arguments: 0)

    class Ffi:
        @staticmethod
        def typeof(function: object) -> object:
            return SimpleNamespace(cname="srtp_err_status_t(*)(struct srtp_ctx_t_ *, const uint8_t *, size_t, uint8_t *, size_t *)")

    assert srtp._known_binding() is not None
    monkeypatch.setattr(pylibsrtp, "_binding", SimpleNamespace(lib=Lib, ffi=Ffi))
    assert srtp._known_binding() is None
