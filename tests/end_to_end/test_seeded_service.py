"""`sip.seed`: what is chance otherwise follows from it, so that traces of two runs can be compared. Keys never do."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from sbc_sim.commands.uui import ECHO_PAYLOAD
from tests.end_to_end import raw_sip
from tests.end_to_end.server import serving

UUI = f"{ECHO_PAYLOAD.encode().hex()};encoding=hex"
AGENT = "sip:2000@localhost"


def call(folder: Path, seed: str) -> tuple[str, bytes, str]:
    """To tag and SSRC of a new simulator's first call, and its SRTP key."""
    folder.mkdir()
    with (
        serving(folder, SIP__SEED=seed) as server,
        raw_sip.connected(server.sip_port, server.ca) as raw,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
    ):
        media.bind(("127.0.0.1", 0))
        media.settimeout(20)
        raw.send(raw_sip.invite("same", UUI, media.getsockname()[1], AGENT))
        answer = raw.final()
        assert answer is not None
        assert answer.status == 200, answer.head
        tag = re.search(r";tag=[^\s;]+", answer.header("To") or "")
        key = re.search(rb"inline:(\S+)", answer.body)
        assert tag is not None
        assert key is not None
        raw.send(raw_sip.request("ACK", "same", to_tag=tag.group(), uri=AGENT))
        return tag.group(), media.recv(2048)[8:12], key.group(1).decode()


def test_two_runs_with_one_seed_have_the_same_tags_and_ssrcs_and_never_the_same_key(tmp_path: Path) -> None:
    first, again, other = call(tmp_path / "first", "one"), call(tmp_path / "again", "one"), call(tmp_path / "other", "two")
    assert first[:2] == again[:2]
    assert first[0] != other[0]
    assert first[1] != other[1]
    assert len({first[2], again[2], other[2]}) == 3
