"""Make docs/images/ladder.svg, the README's picture: a real call over TLS and SRTP to a simulator of its own, which draws it.

    python docs/make_ladder.py [FILE]

Everything goes by the commands that people use: `serve`, `call`, `calls export`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PICTURE = Path(__file__).parent / "images" / "ladder.svg"
SBC_SIM = [sys.executable, "-W", "ignore", "-m", "sbc_sim"]
FREE = ("--sip-listen", "127.0.0.1:0", "--media-listen", "127.0.0.1", "--media-ports", "0", "--http-listen", "127.0.0.1:0")
PATIENCE = 60
"""Seconds that a busy machine may take."""


def main(picture: Path) -> None:
    """Place the call, draw it."""
    with TemporaryDirectory() as name, serving(Path(name)) as ports:
        folder = Path(name)
        call = ["call", f"tls:127.0.0.1:{ports['sip']}", "--ca", str(folder / "ca.pem"), "--to", "+15550100", "--seconds", "3"]
        subprocess.run([*SBC_SIM, *call], check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)
        export = ["calls", "export", "last", "--svg", str(picture), "--force", "--api", f"http://127.0.0.1:{ports['http']}"]
        subprocess.run([*SBC_SIM, *export], check=True, timeout=PATIENCE)


@contextmanager
def serving(folder: Path) -> Iterator[dict[str, int]]:
    """Serve on free ports until the block ends; gives the ports."""
    ports = folder / "ports.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SBC_SIM_")}
    command = [*SBC_SIM, "serve", *FREE, "--log-level", "warning", "--tls-dir", str(folder), "--ports-file", str(ports)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(server, ports)
        yield json.loads(ports.read_text())
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)


def wait_for(server: subprocess.Popen[bytes], ports: Path) -> None:
    """Return once the file with the ports is there. Raises SystemExit when the server ends before."""
    while not ports.exists():
        try:
            raise SystemExit(f"serve ended with {server.wait(0.05)}")
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
