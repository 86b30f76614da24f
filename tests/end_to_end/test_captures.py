"""The capture of a real call in a real tshark with no option that sets anything: SIP, RTP, loss, jitter, audio, TLS and findings."""

from __future__ import annotations

import array
import audioop
import base64
import io
import json
import os
import re
import ssl
import stat
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sbc_sim.exports.capture import Capture, MediaRecording
from sbc_sim.exports.pcapng import INTERFACES, capture_pcapng
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.rtp.packet import RtpPacket, build
from sbc_sim.rtp.recording import Clip
from tests.end_to_end import raw_sip
from tests.end_to_end.clients import tshark
from tests.end_to_end.clients.audio import compare
from tests.end_to_end.clients.baresip_debian import DebianBaresip
from tests.end_to_end.clients.baresip_wheel import WheelBaresip
from tests.end_to_end.clients.call import CallWish, RealClient
from tests.end_to_end.clients.call import calling as client_calling
from tests.end_to_end.clients.conversation import PATIENCE
from tests.end_to_end.clients.linphone import Linphone
from tests.end_to_end.conftest import Saying, require
from tests.end_to_end.rtp_caller import FIRST_SEQUENCE, SSRC, calling
from tests.end_to_end.server import ROOT, Server, serving
from tests.support.srtp_peer import frame, make_key

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]

LOST = (11, 12, 30)
COUNT = 50
ENOUGH = 0.8
"""Of what a real client said has to be in the audio as a copy: its timing on a busy machine is its own."""


@pytest.fixture(scope="module", autouse=True)
def _tshark() -> None:
    require(tshark.NAME, tshark.missing())


def fetched(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=PATIENCE) as answer:
        octets: bytes = answer.read()
        return octets


@dataclass
class Kept:
    """A call that was made, and where its capture lies."""

    server: Server
    call: dict[str, Any]
    file: Path
    payloads: list[bytes]
    port: int
    server_port: int
    folder: Path

    def level(self, name: str) -> Path:
        """The same call at another level of redaction."""
        file = self.folder / f"{name}.pcapng"
        file.write_bytes(fetched(self.server, f"/api/v1/calls/{self.call['id']}/capture.pcapng?redaction={name}"))
        return file


VARIANTS = {"ports, TLS 1.3": ("ports", ssl.TLSVersion.TLSv1_3), "mux, TLS 1.2": ("mux", ssl.TLSVersion.TLSv1_2)}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A call of fifty packets, of which three are never sent, and six datagrams that no key opens."""
    mode, version = request.param
    folder = tmp_path_factory.mktemp("capture")
    settings = {"MEDIA__MODE": mode, "CAPTURE__KEY_LOG_FILE": str(folder / "keys.log")}
    with serving(folder, **settings) as server:
        with calling(server.sip_port, server.ca, f"kept-{mode}", version) as caller:
            for number in range(COUNT):
                if number == 20:
                    caller.send(900, plain=True)
                    for wrong in range(5):
                        caller.send(901 + wrong, wrong_key=True)
                if number not in LOST:
                    caller.send(number)
                time.sleep(0.01)  # a rhythm, so that there is a jitter; nothing depends on how exact it is
        call = server.wait_for_call(caller.call_id, "ended")
        file = folder / "none.pcapng"
        file.write_bytes(fetched(server, f"/api/v1/calls/{call['id']}/capture.pcapng"))
        yield Kept(server, call, file, caller.payloads, caller.port, caller.server_port, folder)


def test_sip_is_readable_with_no_option_given(kept: Kept) -> None:
    told = tshark.fields(kept.file, 'sip && frame.interface_name == "SIP decrypted"', "sip.Method", "sip.Status-Code")
    assert told == [["INVITE", ""], ["", "100"], ["", "180"], ["", "200"], ["ACK", ""], ["BYE", ""], ["", "200"]]
    assert tshark.interfaces(kept.file) == [name for name, _ in INTERFACES]


@pytest.mark.parametrize("level", ["none", "share", "strict"])
def test_the_expert_information_finds_nothing_malformed_and_no_fault_of_ours(kept: Kept, level: str) -> None:
    columns = ("_ws.expert.message", "_ws.expert.severity", "frame.interface_name")
    told = tshark.fields(kept.level(level), "_ws.expert.severity >= 0x600000 || _ws.malformed", *columns)  # 0x600000: a warning
    rest = [row for row in told if row[2] != "RTP decrypted"]  # there the call has losses, which Wireshark tells
    assert [row for row in rest if not (level == "share" and row[0].endswith("Country Code contains non-decimal digits"))] == []  # stars


def test_the_rtp_streams_have_the_loss_and_jitter_that_the_call_has(kept: Kept) -> None:
    found = {int(stream["ssrc"], 16): stream for stream in tshark.streams(kept.file)}
    assert len(found) == 2
    received = found[SSRC]
    assert (received["packets"], received["lost"]) == (str(COUNT - len(LOST)), str(len(LOST)))
    assert (received["sourcePort"], received["destinationPort"]) == (str(kept.port), str(kept.server_port))
    assert received["payload"] == "g711U"
    report = kept.server.get(f"/api/v1/calls/{kept.call['id']}/media")["report"]
    assert float(received["maxJitter"]) == pytest.approx(report["maxJitterMs"], abs=0.2)
    sent = next(stream for ssrc, stream in found.items() if ssrc != SSRC)
    assert (sent["packets"], sent["sourcePort"], sent["destinationPort"]) == (received["packets"], str(kept.server_port), str(kept.port))


def test_the_audio_is_octet_by_octet_what_was_sent_and_what_came_back(kept: Kept) -> None:
    rows = tshark.fields(kept.file, "rtp", "rtp.ssrc", "rtp.seq", "rtp.payload", "_ws.col.Protocol")
    heard = [row for row in rows if int(row[0], 16) == SSRC]
    assert [bytes.fromhex(row[2]) for row in heard] == kept.payloads
    assert [bytes.fromhex(row[2]) for row in rows if int(row[0], 16) != SSRC] == kept.payloads
    missing = {FIRST_SEQUENCE + number & 0xFFFF for number in LOST}
    assert not missing & {int(row[1]) for row in heard}
    assert {row[3] for row in rows} == {"RTP"}


def test_tls_is_decrypted_by_the_secrets_in_the_file_alone(kept: Kept) -> None:
    told = "\n".join(tshark.tshark(kept.file, "-q", "-z", "follow,tls,ascii,0"))
    for expected in ("INVITE sip:5550100@localhost", "SIP/2.0 200 OK", f"Call-ID: {kept.call['sipCallId']}", "BYE sip:5550100@localhost"):
        assert expected in told
    hellos = tshark.fields(kept.file, 'tls.handshake.type == 1 && frame.interface_name == "TLS as it came"', "tcp.dstport")
    assert hellos == [[str(kept.server.sip_port)]]


def test_refused_datagrams_are_there_with_the_reason_and_do_not_disturb_the_stream(kept: Kept) -> None:
    comments = [row[0] for row in tshark.fields(kept.file, "frame.comment", "frame.comment")]
    refused = [comment for comment in comments if comment.startswith("refused:")]
    assert len(refused) == 6
    assert sum("plain RTP, not encrypted" in comment for comment in refused) == 1
    assert sum("wrong key or suite" in comment for comment in refused) == 5


def test_findings_are_comments_of_the_packets_that_they_are_about(kept: Kept) -> None:
    verdict = kept.server.get(f"/api/v1/calls/{kept.call['id']}/verdict")
    told = {finding["rule"]: finding["status"] for finding in verdict["findings"] if finding["status"] in ("warn", "fail")}
    assert "SBC-MEDIA-006" in told  # three of fifty are lost
    rows = tshark.fields(kept.file, "frame.comment", "frame.comment", "frame.interface_name", "rtp.ssrc")
    about_loss = [row for row in rows if "SBC-MEDIA-006" in row[0]]
    assert [(row[1], int(row[2], 16)) for row in about_loss] == [("RTP decrypted", SSRC)]
    texts = " ".join(row[0] for row in rows) + kept.file.read_bytes().decode("utf-8", "ignore")
    assert {rule for rule in told if rule in texts} == set(told)


def test_wireshark_itself_which_reads_a_file_twice_sees_the_same(kept: Kept) -> None:
    columns = ("-T", "fields", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info")
    once, twice = (
        [line for line in tshark.tshark(kept.file, *passes, *columns) if line.startswith(("RTP", "SIP", "SRTP"))]
        for passes in ((), ("-2",))
    )
    assert len(once) > 2 * len(kept.payloads)
    assert once == twice


def test_after_a_re_invite_the_audio_is_still_readable(running_server: Server, tmp_path: Path) -> None:
    with calling(running_server.sip_port, running_server.ca, "invited-again") as caller:
        for number in range(30):
            if number in (10, 20):
                caller.invite()
            caller.send(number)
    call = running_server.wait_for_call(caller.call_id, "ended")
    file = tmp_path / "again.pcapng"
    file.write_bytes(fetched(running_server, f"/api/v1/calls/{call['id']}/capture.pcapng"))
    rows = tshark.fields(file, "rtp", "rtp.ssrc", "rtp.payload")
    assert [bytes.fromhex(row[1]) for row in rows if int(row[0], 16) == SSRC] == caller.payloads
    assert len(tshark.fields(file, "sip.Method == INVITE", "frame.number")) == 3
    assert not tshark.fields(file, "srtp.enc_payload", "frame.number")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("client", [DebianBaresip(), WheelBaresip(), Linphone()], ids=lambda client: client.name)
def test_the_call_of_a_real_client_is_readable_and_its_wav_is_what_it_said(
    client: RealClient, running_server: Server, saying: Saying, tmp_path: Path
) -> None:
    require(client.name, client.missing())
    with client_calling(client, CallWish(client.host, running_server.sip_port, running_server.ca, saying.wav), tmp_path) as call:
        call.wait_answered()
        call.wait_heard(saying.seconds + 1.5)
        call.hang_up()
    sip_call_id = call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)
    told = running_server.wait_for_call(sip_call_id, "ended")
    file = tmp_path / "real.pcapng"
    file.write_bytes(fetched(running_server, f"/api/v1/calls/{told['id']}/capture.pcapng"))
    methods = [row[0] for row in tshark.fields(file, 'sip.Method && frame.interface_name == "SIP decrypted"', "sip.Method")]
    assert methods == ["INVITE", "ACK", "BYE"]
    media = running_server.get(f"/api/v1/calls/{told['id']}/media")["report"]
    received = next(stream for stream in tshark.streams(file) if int(stream["ssrc"], 16) == media["ssrc"])
    assert (received["packets"], received["lost"]) == (str(media["packetsReceived"]), str(media["lost"]))
    with wave.open(io.BytesIO(fetched(running_server, f"/api/v1/calls/{told['id']}/audio.wav"))) as audio:
        frames = audio.readframes(audio.getnframes())
    for channel in (audioop.tomono(frames, 2, 1, 0), audioop.tomono(frames, 2, 0, 1)):
        assert compare(saying.samples, array.array("h", channel)).fraction >= ENOUGH


@pytest.mark.timeout(240)
def test_at_share_the_number_by_which_baresip_is_named_in_rtcp_is_masked(running_server: Server, saying: Saying, tmp_path: Path) -> None:
    client = DebianBaresip()
    require(client.name, client.missing())
    with client_calling(client, CallWish(client.host, running_server.sip_port, running_server.ca, saying.wav), tmp_path) as call:
        call.wait_answered()
        sip_call_id = call.conversation.wait_for(r"(?i)^Call-ID: *(\S+)").group(1)
        path = f"/api/v1/calls/{running_server.wait_for_call(sip_call_id, 'answered')['id']}"
        deadline = time.monotonic() + PATIENCE
        while not ((running_server.get(f"{path}/media")["report"] or {}).get("peerCname")) and time.monotonic() < deadline:
            time.sleep(0.2)
        call.hang_up()
    running_server.wait_for_call(sip_call_id, "ended")
    for level, shown in (("none", True), ("share", False)):
        file = tmp_path / f"{level}.pcapng"
        file.write_bytes(fetched(running_server, f"{path}/capture.pcapng?redaction={level}"))
        names = [row[0] for row in tshark.fields(file, "rtcp.sdes.text", "rtcp.sdes.text")]
        assert names
        assert any(re.search(r"\d{6}", name) for name in names) is shown, names


def test_a_call_over_ipv6_is_as_readable(tmp_path: Path) -> None:
    far, own = ("2001:db8::7", 40000), ("2001:db8::5", 31000)
    crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
    sdp = "\r\n".join(["v=0", "o=- 1 1 IN IP6 2001:db8::7", "s=-", "c=IN IP6 2001:db8::7", "t=0 0", "m=audio 40000 RTP/SAVP 0", crypto, ""])
    invite = raw_sip.request("INVITE", "six", ("Content-Type: application/sdp",), sdp)
    began = 1_700_000_000.0
    store = MemoryStore()
    store.append(Entry(began, Kind.CALL_STARTED, "six", {"connection": 1, "peer": "[2001:db8::7]:50000"}))
    store.append(Entry(began, Kind.MESSAGE, "six", {"connection": 1, "direction": "in", "summary": "INVITE"}, invite))
    packets = [build(RtpPacket(0, n, 160 * n, SSRC, frame(n))) for n in range(20) if n != 7]
    clip = Clip(tuple((began + 0.02 * n, far, packet) for n, packet in enumerate(packets, 1)))
    trace = store.trace("six")
    assert trace is not None
    file = tmp_path / "six.pcapng"
    file.write_bytes(capture_pcapng(trace, Capture(media=MediaRecording(own[0], own[1], own[1] + 1, clip))))
    rows = tshark.fields(file, "rtp", "ipv6.src", "ipv6.dst", "rtp.payload")
    assert rows == [[far[0], own[0], packet[12:].hex()] for packet in packets]
    assert [(stream["source"], stream["lost"]) for stream in tshark.streams(file)] == [(far[0], "1")]
    assert tshark.fields(file, "sip", "sip.Method", "tcp.dstport") == [["INVITE", "5060"]]


def test_both_sides_write_their_secrets_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "server.log"))
    with serving(tmp_path) as server:
        command = [sys.executable, "-m", "sbc_sim", "call", f"tls:127.0.0.1:{server.sip_port}", "--ca", str(server.ca), "--seconds", "1"]
        environment = {**os.environ, "SSLKEYLOGFILE": str(tmp_path / "call.log")}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    written = [set((tmp_path / name).read_text().splitlines()) for name in ("server.log", "call.log")]
    assert any(line.startswith("CLIENT_TRAFFIC_SECRET_0 ") for line in written[0])
    assert written[0] == written[1]


def test_rtcp_is_readable(kept: Kept) -> None:
    rows = tshark.fields(kept.file, "rtcp", "rtcp.pt", "_ws.col.Protocol")
    assert any("203" in row[0] for row in rows), "the BYE at our end"
    assert {row[1] for row in rows} == {"RTCP"}


def test_at_share_there_are_neither_tls_octets_nor_secrets_but_the_call_is_readable(kept: Kept) -> None:
    file = kept.level("share")
    octets = file.read_bytes()
    assert not tshark.fields(file, "tls", "frame.number")
    for line in (kept.folder / "keys.log").read_text().splitlines():
        assert line.split()[2].encode() not in octets
    keys = [base64.b64decode(key) for key in re.findall(rb"inline:([A-Za-z0-9+/]+)", kept.file.read_bytes())]
    assert make_key(7).key_salt in keys, "the wire as it was holds the key"
    assert b"inline:" in octets
    assert not [key for key in keys if base64.b64encode(key) in octets]
    assert len(tshark.fields(file, "sip", "frame.number")) == 7
    found = {int(stream["ssrc"], 16): stream for stream in tshark.streams(file)}
    assert found[SSRC]["lost"] == str(len(LOST))


def test_at_strict_the_audio_is_silence_of_the_same_length(kept: Kept) -> None:
    rows = tshark.fields(kept.level("strict"), "rtp", "rtp.payload")
    assert len(rows) == 2 * len(kept.payloads)
    assert {row[0] for row in rows} == {"ff" * 160}


def test_the_key_log_file_is_private_and_has_the_lines_of_the_capture(kept: Kept) -> None:
    file = kept.folder / "keys.log"
    assert f"TLS secrets are appended to {file}" in " ".join(kept.server.conversation.said.split())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_bytes().splitlines()
    octets = kept.file.read_bytes()
    assert lines
    assert all(line in octets for line in lines)


def test_the_wav_holds_what_was_said_left_and_right(kept: Kept) -> None:
    with wave.open(io.BytesIO(fetched(kept.server, f"/api/v1/calls/{kept.call['id']}/audio.wav"))) as audio:
        assert (audio.getnchannels(), audio.getframerate(), audio.getsampwidth()) == (2, 8000, 2)
        frames = audio.readframes(audio.getnframes())
    for channel in (audioop.tomono(frames, 2, 1, 0), audioop.tomono(frames, 2, 0, 1)):
        first = audioop.ulaw2lin(b"".join(kept.payloads[:10]), 2)  # ten packets in a row: none is lost before number 11
        assert first in channel


def test_the_metrics_tell_what_is_kept(kept: Kept) -> None:
    assert kept.server.metric("sbc_sim_capture_bytes") > 2 * 172 * len(kept.payloads)
    assert kept.server.metric("sbc_sim_capture_evictions_total") == 0
    assert kept.server.metric("sbc_sim_capture_omissions_total") == 0


def test_the_series_have_the_packets_and_the_loss(kept: Kept) -> None:
    series = json.loads(fetched(kept.server, f"/api/v1/calls/{kept.call['id']}/media/series"))
    assert series["source"] == "capture"
    assert (sum(series["received"]), sum(series["sent"]), sum(series["lost"])) == (COUNT - len(LOST), COUNT - len(LOST), len(LOST))
