"""TLS as a real tshark captures it between two openssl programs: what we read is what was said, and what tshark itself decrypts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from sbc_sim.traces.reading import read_trace
from sbc_sim.traces.recording import Recording
from tests.end_to_end.clients import capturing, openssl, tshark
from tests.end_to_end.clients.conversation import Conversation
from tests.end_to_end.conftest import require

pytestmark = [pytest.mark.partners, pytest.mark.timeout(180)]

REQUEST = "OPTIONS sip:sbc.example.com SIP/2.0\nCall-ID: {}\nContent-Length: 0\n\n"
ANSWER = "INFO sip:partner.example.com SIP/2.0\nCall-ID: {}\nContent-Length: 0\n\n"
"""A request too: s_server takes a line that begins with S for a command."""


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    require(openssl.NAME, openssl.missing())
    require(capturing.NAME, capturing.missing())


@dataclass
class Ends:
    """s_client and s_server that are connected, and what was typed into them."""

    client: Conversation
    server: Conversation
    said: dict[bool, str]

    def say(self, from_client: bool, text: str) -> None:
        """Type at one end, and wait until the other shows the last line of it that says anything."""
        source, target = (self.client, self.server) if from_client else (self.server, self.client)
        source.send(text.encode())
        self.said[from_client] += text
        target.wait_for(rf"^{text.splitlines()[0]}\n{text.splitlines()[1]}$".replace(".", r"\."))

    def update_keys(self, number: int) -> None:
        """Change the keys of both directions: a KeyUpdate of the client that asks for one in return (RFC 8446 section 4.6.3)."""
        self.client.send(b"K\n")
        self.client.wait_for(rf"(?s)(?:KEYUPDATE.*?){{{number}}}")
        self.say(True, REQUEST.format(f"updated-{number}"))
        self.say(False, ANSWER.format(f"updated-{number}"))


def serving(folder: Path, authority: trustme.CA, *options: str) -> Conversation:
    leaf = authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.RSA)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "server.pem", "-key", "server.pem"]
    return Conversation("s_server", [*command, "-keylogfile", str(folder / "keys.log"), *options], folder)


@contextmanager
def connected(server: Conversation, port: int, folder: Path, *options: str) -> Iterator[Ends]:
    """Connect, until the block ends."""
    home = folder / f"client-{len(list(folder.glob('client-*')))}"
    home.mkdir()
    client = Conversation("s_client", ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], home)
    try:
        client.wait_for(r"^SSL-Session:|^---\n(?:Post|read R BLOCK)|Verification|Verify return code")
        yield Ends(client, server, {True: "", False: ""})
    finally:
        client.end()


def heard(recording: Recording, from_client: bool, flow: int = 1) -> str:
    pieces = [piece.data for piece in recording.octets if piece.from_client == from_client and piece.flow == flow]
    return b"".join(pieces).decode()


def followed(file: Path, keys: Path, port: int, stream: int = 0) -> dict[bool, str]:
    """What tshark decrypts of a connection, for each side."""
    options = ["-o", f"tls.keylog_file:{keys}", "-d", f"tcp.port=={port},tls", "-q", "-z", f"follow,tls,raw,{stream}"]
    sides = {True: b"", False: b""}
    lines = tshark.tshark(file, *options)
    by_server = f"Node 0: 127.0.0.1:{port}" in lines  # tshark's first node is whoever it heard first
    for line in lines:
        digits = line.strip()
        if digits and all(digit in "0123456789abcdef" for digit in digits):
            sides[line.startswith("\t") == by_server] += bytes.fromhex(digits)
    return {side: octets.decode() for side, octets in sides.items()}


@pytest.mark.parametrize(
    ("version", "options"),
    [
        ("TLSv1.3", ["-ciphersuites", "TLS_AES_128_GCM_SHA256"]),
        ("TLSv1.3", ["-ciphersuites", "TLS_AES_256_GCM_SHA384"]),
        ("TLSv1.3", ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]),
        ("TLSv1.2", ["-cipher", "ECDHE-RSA-AES256-GCM-SHA384"]),
        ("TLSv1.2", ["-cipher", "ECDHE-RSA-CHACHA20-POLY1305"]),
        ("TLSv1.2", ["-cipher", "ECDHE-RSA-AES128-SHA256"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_we_read_what_openssl_said_and_what_tshark_decrypts(
    version: str, options: list[str], authority: trustme.CA, tmp_path: Path
) -> None:
    server = serving(tmp_path, authority)
    port = int(server.wait_for(r"^ACCEPT \S*:(\d+)$")[1])
    file, keys = tmp_path / "call.pcapng", tmp_path / "keys.log"
    try:
        flag = f"-{version.lower().replace('v', '').replace('.', '_')}"
        with capturing.captured(file, port), connected(server, port, tmp_path, flag, *options) as ends:
            ends.say(True, REQUEST.format("one"))
            ends.say(False, ANSWER.format("one"))
            if version == "TLSv1.3":
                for number in (1, 2, 3):
                    ends.update_keys(number)
    finally:
        server.end()
    recording = read_trace(file.read_bytes(), keys.read_text())
    (flow,) = recording.flows
    assert flow.tls is not None
    assert (flow.tls.version, flow.tls.cipher, flow.tls.decrypted, flow.tls.why_not) == (version, options[1], True, "")
    told = followed(file, keys, port)
    for from_client in (True, False):
        assert heard(recording, from_client) == ends.said[from_client]
        assert heard(recording, from_client) == told[from_client]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_resumed_session_of_openssl_is_read(version: str, authority: trustme.CA, tmp_path: Path) -> None:
    server = serving(tmp_path, authority)
    port = int(server.wait_for(r"^ACCEPT \S*:(\d+)$")[1])
    file, session = tmp_path / "call.pcapng", tmp_path / "session.pem"
    try:
        with capturing.captured(file, port):
            with connected(server, port, tmp_path, version, "-sess_out", str(session)) as first:
                first.say(True, REQUEST.format("first"))
                first.say(False, ANSWER.format("first"))
            with connected(server, port, tmp_path, version, "-sess_in", str(session)) as second:
                second.client.wait_for(r"^Reused, TLS")
                second.say(True, REQUEST.format("second"))
                second.say(False, ANSWER.format("second"))
    finally:
        server.end()
    recording = read_trace(file.read_bytes(), (tmp_path / "keys.log").read_text())
    for number, ends in ((1, first), (2, second)):
        assert [heard(recording, side, number) for side in (True, False)] == [ends.said[True], ends.said[False]]
