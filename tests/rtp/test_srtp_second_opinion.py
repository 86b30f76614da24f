"""A second SRTP, written here from RFC 3711 and RFC 7714 on the bare AES of `cryptography`, examines libsrtp.

libsrtp keeps its session keys and keystream to itself, so the RFCs' test vectors can't be put to it directly. What is shown: this small
implementation gives the vectors of RFC 3711 B.2 and B.3 and of RFC 7714 16.1.1; and libsrtp's packets, SRTP and SRTCP, are octet by octet
those of this implementation, for every suite, before and after a rollover.
"""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sbc_sim.rtp.leg import SrtpKey
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import PROFILES, SUITES, SrtpReceiver, SrtpSender

RTP_KEY, RTP_AUTH, RTP_SALT, RTCP_KEY, RTCP_AUTH, RTCP_SALT = range(6)


def keystream(key: bytes, counter: bytes, octets: int) -> bytes:
    """AES in counter mode (RFC 3711 section 4.1.1)."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(bytes(octets)) + encryptor.finalize()


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def derive(master_key: bytes, master_salt: bytes, label: int, octets: int) -> bytes:
    """Key derivation with rate 0 (section 4.3.1): the label stands seven octets from the end of a fourteen-octet salt."""
    salt = bytearray(master_salt.ljust(14, b"\0"))
    salt[7] ^= label
    return keystream(master_key, bytes(salt) + b"\0\0", octets)


def test_the_keystream_is_that_of_rfc_3711_b_2() -> None:
    stream = keystream(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"), 0xFF02 * 16)
    blocks = {0: "e03ead0935c95e80e166b16dd92b4eb4", 1: "d23513162b02d0f72a43a2fe4a5f97ab", 2: "41e95b3bb0a2e8dd477901e4fca894c0"}
    blocks |= {0xFEFF: "ec8cdf7398607cb0f2d21675ea9ea1e4", 0xFF00: "362b7c3c6773516318a077d7fc5073ae"}
    blocks |= {0xFF01: "6a2cc3787889374fbeb4c81b17ba6c44"}
    for number, expected in blocks.items():
        assert stream[16 * number : 16 * number + 16].hex() == expected


def test_the_session_keys_are_those_of_rfc_3711_b_3() -> None:
    key, salt = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139"), bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
    assert derive(key, salt, RTP_KEY, 16).hex() == "c61e7a93744f39ee10734afe3ff7a087"
    assert derive(key, salt, RTP_SALT, 14).hex() == "30cbbc08863d8c85d49db34a9ae1"
    assert derive(key, salt, RTP_AUTH, 94).hex() == (
        "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdd"
        "dc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2"
    )


def gcm_nonce(salt: bytes, ssrc: int, index: int) -> bytes:
    """RFC 7714 sections 8.1 and 9.1: two zero octets, SSRC, 48-bit index, all xored with the salt."""
    return xor(salt, b"\0\0" + ssrc.to_bytes(4, "big") + index.to_bytes(6, "big"))


def test_a_gcm_packet_is_that_of_rfc_7714_16_1_1() -> None:
    header = bytes.fromhex("8040f17b8041f8d35501a0b2")
    salt, text = b"Quid pro quo", b"Gallia est omnis divisa in partes tres"
    sealed = AESGCM(bytes(range(16))).encrypt(gcm_nonce(salt, 0x5501A0B2, 0xF17B), text, header)
    assert sealed.hex() == "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"


class SecondSrtp:
    """The sender's half of SRTP and SRTCP, slow and plain."""

    def __init__(self, key: SrtpKey) -> None:
        self.gcm = "GCM" in key.suite
        salt_octets = 12 if self.gcm else 14
        master, salt = key.key_salt[:-salt_octets], key.key_salt[-salt_octets:]
        self.tag_octets = 4 if key.suite.endswith("_32") else 10
        self.keys = {label: derive(master, salt, label, len(master)) for label in (RTP_KEY, RTCP_KEY)}
        self.keys |= {label: derive(master, salt, label, salt_octets) for label in (RTP_SALT, RTCP_SALT)}
        self.keys |= {label: derive(master, salt, label, 20) for label in (RTP_AUTH, RTCP_AUTH)}

    def _cipher(self, labels: tuple[int, int], ssrc: int, index: int, text: bytes) -> bytes:
        key, salt = self.keys[labels[0]], self.keys[labels[1]]
        start = int.from_bytes(salt, "big") << 16 ^ ssrc << 64 ^ index << 16
        return xor(text, keystream(key, start.to_bytes(16, "big"), len(text)))

    def protect(self, packet: bytes, index: int) -> bytes:
        header, payload, ssrc = packet[:12], packet[12:], int.from_bytes(packet[8:12], "big")
        if self.gcm:
            return header + AESGCM(self.keys[RTP_KEY]).encrypt(gcm_nonce(self.keys[RTP_SALT], ssrc, index), payload, header)
        text = header + self._cipher((RTP_KEY, RTP_SALT), ssrc, index, payload)
        tag = hmac.digest(self.keys[RTP_AUTH], text + (index >> 16).to_bytes(4, "big"), hashlib.sha1)
        return text + tag[: self.tag_octets]

    def protect_rtcp(self, packet: bytes, index: int) -> bytes:
        header, body, ssrc = packet[:8], packet[8:], int.from_bytes(packet[4:8], "big")
        word = (0x80000000 | index).to_bytes(4, "big")
        if self.gcm:
            return header + AESGCM(self.keys[RTCP_KEY]).encrypt(gcm_nonce(self.keys[RTCP_SALT], ssrc, index), body, header + word) + word
        text = header + self._cipher((RTCP_KEY, RTCP_SALT), ssrc, index, body) + word
        return text + hmac.digest(self.keys[RTCP_AUTH], text, hashlib.sha1)[:10]


def key(suite: str) -> SrtpKey:
    return SrtpKey(suite, hashlib.sha512(suite.encode()).digest()[: PROFILES[suite][1]])


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("first", [0, 1, 30_000, 65_400])
def test_both_protect_rtp_alike_over_a_rollover_and_open_each_other(suite: str, first: int) -> None:
    sender, receiver, second = SrtpSender(key(suite)), SrtpReceiver(key(suite)), SecondSrtp(key(suite))
    for index in range(first, first + 70_000, 997):
        packet = build(RtpPacket(0, index, index * 160, 0xDEADBEEF, bytes([index % 251]) * 160, marker=index % 2 == 0))
        protected = second.protect(packet, index)
        assert sender.protect(packet) == protected
        assert receiver.open(protected) == packet


@pytest.mark.parametrize("suite", SUITES)
def test_both_protect_rtcp_alike_and_open_each_other(suite: str) -> None:
    sender, receiver, second = SrtpSender(key(suite)), SrtpReceiver(key(suite)), SecondSrtp(key(suite))
    for index in range(1, 6):
        report = bytes.fromhex("80c90001deadbeef") + bytes.fromhex("81ca0003deadbeef0103613a62000000")
        protected = second.protect_rtcp(report, index)
        assert sender.protect_rtcp(report) == protected
        assert receiver.open_rtcp(protected) == report
