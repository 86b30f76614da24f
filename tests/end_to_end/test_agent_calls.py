"""Calls to the agent: the greeting is heard sample by sample, a key pressed by RFC 4733 reaches it, and it gives the call back with BYE."""

from __future__ import annotations

import array
import audioop
import base64
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.calls.prompts import Prompts
from sbc_sim.rtp.audio import linear_of
from sbc_sim.rtp.leg import SrtpKey
from sbc_sim.rtp.packet import RtpPacket, build, parse
from sbc_sim.rtp.srtp import SrtpReceiver, SrtpSender
from tests.end_to_end import raw_sip
from tests.end_to_end.clients.audio import speech, write_wav
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, calling
from tests.end_to_end.clients.conversation import PATIENCE
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.server import Server, serving
from tests.support.srtp_peer import SUITE, make_key

ANOTHER_ORG = b'{"orgId":"00D5i000000ABCD","scrt2Domain":"acme.my.salesforce-scrt.com"}'.hex()
SILENCE = bytes([0xFF]) * 160
SCENARIO = """\
about: Says something of its own and escalates on 0.
steps:
  hello:
    say: hello.wav
    text: Some words of my own.
    when:
      digit 0: {escalate: bye, why: the caller pressed 0}
      silence 100 s: end
"""


class AgentCaller:
    """A partner by hand: hears each packet of the agent, and answers each with one of silence."""

    def __init__(self, raw: raw_sip.RawSip, udp: socket.socket, name: str) -> None:
        self.raw, self.udp, self.name = raw, udp, name
        self.sender = SrtpSender(make_key(7))
        self.sequence = 100
        self.heard: list[RtpPacket] = []
        self.reads = b""

    def invite(self) -> None:
        """INVITE for another org than the echo's, 200, ACK."""
        port, inline = self.udp.getsockname()[1], base64.b64encode(make_key(7).key_salt).decode()
        sdp = (
            "v=0\r\no=partner 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/SAVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            f"a=crypto:1 {SUITE} inline:{inline}\r\na=ptime:20\r\na=sendrecv\r\n"
        )
        headers = (f"User-to-User: {ANOTHER_ORG};encoding=hex", "Content-Type: application/sdp")
        self.raw.send(raw_sip.request("INVITE", self.name, headers, sdp))
        answer = self.raw.final()
        assert answer is not None
        assert answer.status == 200, answer.head
        media, key = re.search(rb"m=audio (\d+)", answer.body), re.search(rb"inline:(\S+)", answer.body)
        assert media is not None
        assert key is not None
        self.target = ("127.0.0.1", int(media[1]))
        self.receiver = SrtpReceiver(SrtpKey(SUITE, base64.b64decode(key[1])))
        self.to_tag = re.search(r";tag=[^\s;]+", answer.header("To") or "").group()  # type: ignore[union-attr]
        self.raw.send(raw_sip.request("ACK", self.name, to_tag=self.to_tag))

    def send(self, payload: bytes, timestamp: int, payload_type: int = 0) -> None:
        datagram = self.sender.protect(build(RtpPacket(payload_type, self.sequence, timestamp, 0xA1, payload)))
        assert isinstance(datagram, bytes)
        self.udp.sendto(datagram, self.target)
        self.sequence += 1

    def hear(self) -> bytes:
        """Wait for the agent's next packet, and answer it; give its audio."""
        while 192 <= (datagram := self.udp.recv(2048))[1] < 224:
            pass  # RTCP
        clear = self.receiver.open(datagram)
        assert isinstance(clear, bytes), clear
        packet = parse(clear)
        assert packet is not None
        self.heard.append(packet)
        self.send(SILENCE, 160 * len(self.heard))
        return packet.payload

    def press(self, code: int) -> None:
        """One key: packets of its length so far, and its end three times."""
        for flags, duration in ((10, 160), (10, 320), (0x8A, 480), (0x8A, 480), (0x8A, 480)):
            self.send(bytes([code, flags]) + duration.to_bytes(2, "big"), 160 * len(self.heard), payload_type=101)

    def bye_of_the_server(self) -> str:
        """Wait for the server's BYE, answer it 200, and give it."""
        text = self.raw._rest
        while b"\r\n\r\n" not in text.partition(b"BYE sip:")[2]:
            octets = self.raw._socket.recv(65536)
            assert octets, "closed without BYE"
            text += octets
        bye = ("BYE sip:" + text.partition(b"BYE sip:")[2].decode()).partition("\r\n\r\n")[0]
        same = [line for line in bye.split("\r\n") if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
        self.raw.send(("SIP/2.0 200 OK\r\n" + "\r\n".join(same) + "\r\nContent-Length: 0\r\n\r\n").encode())
        return bye


@contextmanager
def calling_the_agent(server: Server, name: str) -> Iterator[AgentCaller]:
    with raw_sip.connected(server.sip_port, server.ca) as raw, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(PATIENCE)
        caller = AgentCaller(raw, udp, name)
        caller.invite()
        yield caller


@pytest.fixture(scope="module")
def own_scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server whose agent follows a scenario with a prompt of one's own."""
    folder = tmp_path_factory.mktemp("agent")
    write_wav(folder / "hello.wav", speech(0.5, seed=11))
    (folder / "mine.yaml").write_text(SCENARIO)
    with serving(folder, SCENARIOS__MINE=str(folder / "mine.yaml"), AGENT__SCENARIO="mine") as server:
        yield server, folder


def rule(server: Server, call: str, name: str) -> dict[str, Any]:
    findings = server.get(f"/api/v1/calls/{call}/verdict")["findings"]
    return next(finding for finding in findings if finding["rule"] == name)


def test_the_greeting_is_heard_sample_by_sample_and_a_key_gets_the_call_back(own_scenario: tuple[Server, Path]) -> None:
    server, folder = own_scenario
    greeting = Prompts(folder).get("hello.wav").pcmu
    with calling_the_agent(server, "greeting") as caller:
        said = b""
        while greeting not in said:
            said += caller.hear()
            assert len(said) < 20 * len(greeting), "the greeting is not heard"
        for _ in range(60):
            assert caller.hear() == SILENCE
        caller.press(0)
        bye = caller.bye_of_the_server()
        assert [packet.sequence for packet in caller.heard] == [
            (caller.heard[0].sequence + n) & 0xFFFF for n in range(len(caller.heard))
        ], "no packet is left out"
        told = server.wait_for_call("greeting@partner.example", "ended")
    assert "the caller pressed 0" in bye
    assert (told["endedBy"], told["endReason"], told["scenario"]) == ("sbc", "escalated", "agent")
    assert told["media"]["echoedPackets"] == 0
    assert rule(server, told["id"], "SBC-MEDIA-021")["status"] == "pass"
    assert rule(server, told["id"], "SBC-MEDIA-001")["status"] == "skip"


def test_when_the_caller_hangs_up_the_agent_has_not_escalated(own_scenario: tuple[Server, Path]) -> None:
    server, _ = own_scenario
    with calling_the_agent(server, "hang-up") as caller:
        caller.hear()
        caller.raw.send(raw_sip.request("BYE", "hang-up", cseq=2, to_tag=caller.to_tag))
        answer = caller.raw.final()
        assert answer is not None
        assert answer.status == 200
        told = server.wait_for_call("hang-up@partner.example", "ended")
    assert (told["endedBy"], told["endReason"]) == ("partner", "normal")
    journey = server.get(f"/api/v1/calls/{told['id']}/journey")
    assert journey["escalation"] is None
    assert journey["agent"][-1]["outcome"] == "partner"
    assert "the partner ended the call with BYE, and nothing was escalated" in journey["agent"][-1]["words"]


def share_heard(prompt: bytes, heard: array.array[int]) -> float:
    """Share of the prompt's loud pieces of 10 ms that stand in a recording sample by sample.

    Quiet pieces would fit anywhere; those with a zero are left out, for decoders differ in what they make of it.
    """
    pieces = [linear_of("PCMU")(prompt[start : start + 80], 2) for start in range(0, len(prompt) - 79, 80)]
    loud = [piece for piece in pieces if audioop.rms(piece, 2) > 500 and 0 not in array.array("h", piece)]
    recording = heard.tobytes()
    return sum(piece in recording for piece in loud) / len(loud)


@pytest.mark.partners
@pytest.mark.timeout(240)
def test_baresip_hears_the_greeting_presses_zero_and_is_given_back(running_server: Server, saying: Saying, tmp_path: Path) -> None:
    client = WheelBaresip()
    require(client.name, client.missing())
    wish = CallWish(client.host, running_server.sip_port, running_server.ca, saying.wav, number="2000")
    prompts = Prompts()
    greeting, handover = (prompts.get(name).pcmu for name in ("greeting", "handover"))
    with calling(client, wish, tmp_path) as call:
        call.wait_answered()
        call.wait_heard(len(greeting) / 8000 + 1.5)
        call.tell("digit", "0")
        call.conversation.wait_for(r"(?m)^BYE sip:")
        call.wait_closed()
        heard = call.heard()
        sip_call_id = call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)
    assert share_heard(greeting, heard) >= 0.8, call.trace()
    assert share_heard(handover, heard) >= 0.7, "what stands in the jitter buffer when the BYE comes is lost"
    told = running_server.wait_for_call(sip_call_id, "ended")
    assert (told["endedBy"], told["endReason"], told["scenario"]) == ("sbc", "escalated", "agent")
    assert rule(running_server, told["id"], "SBC-MEDIA-021")["status"] == "pass"
