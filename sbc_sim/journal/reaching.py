"""By which HTTP address another replica is reached from here, if by any: a token must never go to a stranger's port on our own loopback."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from sbc_sim.journal.replica import Replica

_BOOT, _NETWORK = Path("/proc/sys/kernel/random/boot_id"), "/proc/self/ns/net"


@cache
def loopback() -> str:
    """What tells our loopback from those of other machines and containers: this boot and its network namespace, else the host name."""
    try:
        words = f"{_BOOT.read_text().strip()} {os.readlink(_NETWORK)}"
    except OSError:
        words = socket.gethostname()
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def address_of(replica: Replica) -> str:
    """Give the address of its HTTP interface as it is reached from here; empty: none leads there.

    As it told in `about`: `door` leads to it alone, on the `loopback` named there; `http` is its own, `common` may be that of several
    workers.
    """
    about = replica.about
    near = about.get("loopback") == loopback()
    if near and about.get("door"):
        return str(about["door"])
    told = [str(about[key]) for key in ("http", "common") if about.get(key)]
    return next((address for address in told if near or not _is_loopback(address)), "")


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # another name
