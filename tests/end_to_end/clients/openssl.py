"""`openssl s_client`: raw SIP over somebody else's TLS, certificates and old versions at will."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.clients.conversation import Conversation

NAME = "openssl"


def missing() -> str | None:
    """What is not installed, in words; None when all is there."""
    return None if shutil.which("openssl") else "openssl"


def connect(port: int, ca: Path, folder: Path, options: Sequence[str] = ()) -> Conversation:
    """Start s_client toward this port of this machine; it fails by itself on a certificate that `ca` did not sign for localhost.

    -ign_eof keeps the connection when there is nothing more to say, and keeps a line that begins with Q or R from being
    a command to s_client.
    """
    home = folder / f"openssl-{len(list(folder.glob('openssl-*')))}"
    home.mkdir()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(ca), "-servername", "localhost"]
    command += ["-verify_hostname", "localhost", "-verify_return_error", "-ign_eof", *options]
    return Conversation("s_client", command, home)
