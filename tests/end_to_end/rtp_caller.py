"""A partner by hand whose packets are known one by one: it leaves some out, and sends some that no key opens."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sbc_sim.commands.uui import ECHO_PAYLOAD
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.srtp import SrtpSender
from tests.end_to_end import raw_sip
from tests.end_to_end.clients.conversation import PATIENCE
from tests.support.srtp_peer import frame, make_key

SSRC = 0x5EC0DE
FIRST_SEQUENCE = 65_530
"""The numbers wrap soon."""


class RtpCaller:
    """One call: its signalling on TLS, its media on a socket."""

    def __init__(self, raw: raw_sip.RawSip, name: str) -> None:
        self.raw = raw
        self.name = name
        self.call_id = f"{name}@partner.example"
        self.key = make_key(7)
        self.sender, self.stranger = SrtpSender(self.key), SrtpSender(make_key(8))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.settimeout(PATIENCE)
        self.port = self.udp.getsockname()[1]
        self.payloads: list[bytes] = []
        """Of the packets that were sent under the right key."""
        self.server_port = 0
        self._to_tag = ""
        self._cseq = 0

    def invite(self) -> None:
        """INVITE, 200, ACK; a second time it is a re-INVITE that changes nothing."""
        self._cseq += 1
        inline = base64.b64encode(self.key.key_salt).decode()
        sdp = (
            f"v=0\r\no=partner 1 {self._cseq} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.port} RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{inline}\r\na=ptime:20\r\na=sendrecv\r\n"
        )
        uui = f"User-to-User: {ECHO_PAYLOAD.encode().hex()};encoding=hex"
        self.raw.send(raw_sip.request("INVITE", self.name, (uui, "Content-Type: application/sdp"), sdp, self._cseq, self._to_tag))
        answer = self.raw.final()
        assert answer is not None
        assert answer.status == 200, answer.head
        media = re.search(rb"m=audio (\d+)", answer.body)
        assert media is not None
        self.server_port = int(media.group(1))
        self._to_tag = re.search(r";tag=[^\s;]+", answer.header("To") or "").group()  # type: ignore[union-attr]
        self.raw.send(raw_sip.request("ACK", self.name, cseq=self._cseq, to_tag=self._to_tag))

    def send(self, number: int, *, wrong_key: bool = False, plain: bool = False) -> None:
        """Send packet `number`; one under the right key is waited for, so the ones before it have been read too."""
        packet = build(RtpPacket(0, FIRST_SEQUENCE + number & 0xFFFF, 160 * number, SSRC, frame(number)))
        datagram = packet if plain else (self.stranger if wrong_key else self.sender).protect(packet)
        assert isinstance(datagram, bytes)
        self.udp.sendto(datagram, ("127.0.0.1", self.server_port))
        if not wrong_key and not plain:
            self.payloads.append(frame(number))
            while 192 <= self.udp.recv(2048)[1] < 224:
                pass  # RTCP of the server

    def hang_up(self) -> None:
        """BYE."""
        self.raw.send(raw_sip.request("BYE", self.name, cseq=self._cseq + 1, to_tag=self._to_tag))
        answer = self.raw.final()
        assert answer is not None
        assert answer.status == 200


@contextmanager
def calling(port: int, ca: Path, name: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[RtpCaller]:
    """A call that is up until the block ends, over this version of TLS."""
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        caller = RtpCaller(raw_sip.RawSip(plain, context), name)
        with caller.udp:
            caller.invite()
            yield caller
            caller.hang_up()
            caller.raw.close()
