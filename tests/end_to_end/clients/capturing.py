"""tshark as it is used on a partner's machine: it listens on loopback while something happens."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.clients.conversation import wait_until

NAME = "tshark that captures on loopback"


def missing() -> str | None:
    """What stands in the way of capturing: no tshark, or no right to."""
    if shutil.which("tshark") is None:
        return "tshark"
    allowed = subprocess.run(["tshark", "-D"], capture_output=True, text=True, check=False)
    return None if allowed.returncode == 0 and "lo" in allowed.stdout else "a right to capture on lo"


@contextmanager
def captured(file: Path, tcp_port: int) -> Iterator[None]:
    """Capture the TCP port and all UDP of loopback into a file while the block runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark:
        mark.bind(("127.0.0.1", 0))
        port = mark.getsockname()[1]
        command = ["tshark", "-q", "-n", "-i", "lo", "-f", f"tcp port {tcp_port} or udp", "-w", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _until_kept(mark, port, file, b"tshark has begun")
            yield
            _until_kept(mark, port, file, b"the call is over")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _until_kept(mark: socket.socket, port: int, file: Path, words: bytes) -> None:
    """Say words to nobody until they are in the file: what was before them is there too."""
    words += b" at port %d" % port  # other tests that capture at the same time say the same

    def kept() -> bool:
        mark.sendto(words, ("127.0.0.1", port))
        return file.exists() and words in file.read_bytes()

    wait_until(kept, f"the capture holds {words!r}", patience=30)
