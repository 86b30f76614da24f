"""The commands of README and of the quick start, run one after the other as somebody would who reads them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.server import ROOT, Server

pytestmark = pytest.mark.slow

PAGES = ("README.md", "docs/quickstart.md")
WAITING = ("serve", "calls ls --follow", "rehearse", "answer")
"""These go on until somebody calls or stops them; `serve` is what the others ask, and each has tests of its own."""
ELSEWHERE = ("doctor", "config show", "calls escalate")
"""What these say depends on the machine, or needs a call that is up."""
NO_HEADER = 'uui lint "7b22...;encoding=hex"'
"""The dots stand for more."""


def commands() -> list[str]:
    """Every command in a block of code, once, in the order of the pages; comments are cut off."""
    blocks = [
        block for page in PAGES for block in re.findall(r"^```\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    ]
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line.removeprefix("sbc-sim ") for line in lines if line.startswith("sbc-sim ")))


def run(words: str, server: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    environment |= {
        "SBC_SIM_API": f"http://127.0.0.1:{server.http_port}",
        "PYTHONPATH": str(ROOT),
        "SSLKEYLOGFILE": str(folder / "keys.log"),
    }
    words = words.replace("127.0.0.1:5061", f"127.0.0.1:{server.sip_port}")
    command = [sys.executable, "-m", "sbc_sim", *shlex.split(words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110)


def test_the_commands_do_what_the_pages_say(running_server: Server, tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    shutil.copy(running_server.ca, tmp_path / "certs" / "ca.pem")
    done = []
    for words in commands():
        if words.startswith((*WAITING, *ELSEWHERE)):
            continue
        for capture in tmp_path.glob("*.pcapng"):
            capture.rename(tmp_path / "trace.pcapng")
        ended = run(words, running_server, tmp_path)
        assert ended.returncode == (1 if words == NO_HEADER else 0), f"sbc-sim {words}\n{ended.stdout}\n{ended.stderr}"
        done.append(words.split()[0])
    assert {"call", "calls", "explain", "uui", "judge", "compare"} <= set(done)
    assert {path.suffix for path in tmp_path.iterdir()} >= {".pcapng", ".html", ".zip"}
