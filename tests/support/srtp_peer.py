"""A peer with keys of its own that talks real SRTP to a leg, without a socket between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sbc_sim.rtp.leg import LegDescription, SrtpKey
from sbc_sim.rtp.packet import RtpPacket, build, parse
from sbc_sim.rtp.srtp import PROFILES, SrtpReceiver, SrtpSender

SDP_ADDRESS = ("192.0.2.10", 40000)
SUITE = "AES_CM_128_HMAC_SHA1_80"
START = 1_700_000_000.0


def make_key(fill: int, suite: str = SUITE) -> SrtpKey:
    return SrtpKey(suite, bytes((fill + n) % 256 for n in range(PROFILES[suite][1])))


def frame(number: int, octets: int = 160) -> bytes:
    """Audio that is never silent and differs for each number."""
    return bytes(0x10 + (number * 31 + n * 7) % 0x60 for n in range(octets))


@dataclass
class Peer:
    """The other end of a leg: its sequence, timestamp and clock go on with each packet."""

    suite: str = SUITE
    ssrc: int = 0xCAFE
    sequence: int = 1000
    timestamp: int = 50_000
    now: float = START
    source: tuple[str, int] = SDP_ADDRESS
    send_key: SrtpKey = field(init=False)
    receive_key: SrtpKey = field(init=False)

    def __post_init__(self) -> None:
        self.send_key, self.receive_key = make_key(1, self.suite), make_key(99, self.suite)
        self.sender, self.receiver = SrtpSender(self.send_key), SrtpReceiver(self.receive_key)

    def description(self, **changes: Any) -> LegDescription:
        """The leg as the answer would describe it."""
        leg = LegDescription(
            call="call-1",
            remote=SDP_ADDRESS,
            remote_rtcp=(SDP_ADDRESS[0], SDP_ADDRESS[1] + 1),
            receive_key=self.send_key,
            send_key=self.receive_key,
            dtmf_payload_type=101,
            ssrc=0xBEEF,
            first_sequence=7,
            first_timestamp=11_000,
            cname="echo@sbc",
        )
        return replace(leg, **changes)

    def rekey(self, fill: int) -> None:
        """Take a new sending key."""
        self.send_key = make_key(fill, self.suite)
        self.sender = SrtpSender(self.send_key)

    def protect(self, packet: RtpPacket) -> bytes:
        protected = self.sender.protect(build(packet))
        assert isinstance(protected, bytes)
        return protected

    def packet(self, payload: bytes | None = None, *, payload_type: int = 0, marker: bool = False, step: int | None = None) -> bytes:
        """The next packet, protected; numbers and clock move on."""
        payload = frame(self.sequence) if payload is None else payload
        protected = self.protect(RtpPacket(payload_type, self.sequence, self.timestamp, self.ssrc, payload, marker))
        self.sequence = (self.sequence + 1) & 0xFFFF
        samples = len(payload) if step is None else step
        self.timestamp = (self.timestamp + samples) & 0xFFFFFFFF
        self.now += samples / 8000
        return protected

    def open(self, datagram: bytes | None) -> RtpPacket:
        """Open what came back."""
        assert datagram is not None
        clear = self.receiver.open(datagram)
        assert isinstance(clear, bytes), clear
        packet = parse(clear)
        assert packet is not None
        return packet

    def say(self, leg: Any, **options: Any) -> RtpPacket | None:
        """Send the next packet to a leg and open its answer."""
        now = self.now
        answer = leg.receive_rtp(self.packet(**options), self.source, now)
        return None if answer is None else self.open(answer)

    def talk(self, leg: Any, count: int) -> list[RtpPacket]:
        """Send so many packets and open the answers."""
        return [answer for answer in (self.say(leg) for _ in range(count)) if answer is not None]
