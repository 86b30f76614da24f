"""A real call through `sbc-sim serve`, copied by HEP to sip-doctor, which is told nothing else and draws the call from it."""

import json
import re
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from sipdoctor import hep as receiver

from tests.end_to_end.clients.conversation import PATIENCE, Conversation, wait_until
from tests.end_to_end.server import ROOT, Server, serving

pytestmark = pytest.mark.timeout(180)
WORDS = ["call", "--seconds", "1", "--from", "+15550111", "--to", "+15550100"]


def place(server: Server, folder: Path) -> dict:
    """Call as `sbc-sim call` does; returns what it tells of its call."""
    target = f"tls:127.0.0.1:{server.sip_port}"
    words = [sys.executable, "-m", "sbc_sim", *WORDS, target, "--ca", str(server.ca), "--json"]
    caller = Conversation("caller", words, folder, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"})
    assert caller.process.wait(PATIENCE) == 0, caller.last_words()
    wait_until(lambda: caller.said.rstrip().endswith("}"), "the caller tells all")
    call = json.loads(caller.said[caller.said.index("{") :])["calls"][0]
    caller.end()
    return call


def first_line(octets: bytes) -> str:
    line = octets.split(b"\r\n")[0].decode()
    return " ".join(line.split()[1:]) if line.startswith("SIP/2.0") else line.split()[0]


@pytest.mark.parametrize("redaction", ["none", "share"])
def test_each_message_of_a_call_is_copied_with_its_addresses_and_time(tmp_path, redaction):
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as homer:
        homer.bind(("127.0.0.1", 0))
        homer.settimeout(PATIENCE)
        target = f"127.0.0.1:{homer.getsockname()[1]}"
        began = time.time()
        with serving(tmp_path, HEP__TARGET=target, HEP__REDACTION=redaction, HEP__PASSWORD="homers-key") as server:
            call = place(server, tmp_path)
            packets = [homer.recv(65536) for _ in range(7)]
            assert server.metric("sbc_sim_hep_packets_total") == 7.0
        ended = time.time()
    read = [receiver.decode(packet) for packet in packets]
    assert [first_line(one.payload) for one in read] == ["INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK"]
    ours = ("127.0.0.1", server.sip_port)
    for one, inbound in zip(read, [True, False, False, False, True, True, False], strict=True):
        assert ((one.dst, one.dport) if inbound else (one.src, one.sport)) == ours
        assert began - 0.1 < one.ts < ended + 0.1
    assert [one.ts for one in read] == sorted(one.ts for one in read)
    assert all(call["sipCallId"].encode() in packet for packet in packets), "each carries its correlation id"
    assert all(b"homers-key" in packet for packet in packets)
    key = re.search(rb"inline:(\S+)", read[0].payload)
    assert key is not None
    assert (b"MASKED" in key[1]) is (redaction == "share"), key[1]


def test_sip_doctor_draws_the_whole_call_from_the_copies_alone(tmp_path):
    port = _free_port()
    words = [
        sys.executable,
        "-m",
        "sipdoctor",
        "live",
        "-i",
        "none",
        "--hep",
        str(port),
        "-l",
        "-v",
        "--no-color",
        "--json-log",
        "calls.json",
    ]
    doctor = Conversation("sip-doctor", words, tmp_path, {"PYTHONUNBUFFERED": "1"})
    try:
        wait_until(lambda: f"UDP {port}" in doctor.said, "sip-doctor listens", said=doctor.last_words)
        with serving(tmp_path, HEP__TARGET=f"127.0.0.1:{port}") as server:
            call = place(server, tmp_path)
            wait_until(
                lambda: (tmp_path / "calls.json").exists() and (tmp_path / "calls.json").read_text().endswith("}\n"), "a call is told"
            )
    finally:
        doctor.end()
    told = json.loads((tmp_path / "calls.json").read_text().splitlines()[0])
    assert call["sipCallId"] in json.dumps(told)
    for word in ("INVITE", "180", "200", "ACK", "BYE"):
        assert word in doctor.said


def _free_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
