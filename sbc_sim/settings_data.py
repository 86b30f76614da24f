"""One folder for all that outlives a restart, as a container's volume is, and what holds when it cannot be written.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from sbc_sim.settings_values import Section

JOURNAL = "sbc-sim.db"
CERTIFICATES = "certs"
_SHARED_MEMORY = Path("/dev/shm")
"""Containers have it, and it can be written even where the root is read-only and nothing is mounted on /tmp."""


class Data(Section):
    """Where things are kept."""

    dir: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = Field(
        None,
        description="Folder for what outlives a restart; the image says /data. The calls (store.url) and the certificates (tls.dir) lie "
        "there unless they are set themselves; when it cannot be written nothing is kept, with a warning.",
    )


def defaults_below(folder: Path) -> Mapping[str, str]:
    """Give the defaults of `store.url` and `tls.dir` that follow from `data.dir`: below it, or in a place that is forgotten."""
    if not obstacle(folder):
        return {"store.url": f"sqlite:{folder / JOURNAL}", "tls.dir": str(folder / CERTIFICATES)}
    return {"tls.dir": str(passing_folder() / CERTIFICATES)}


def obstacle(folder: Path) -> str:
    """Say why nothing can be kept in a folder; empty when it can."""
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return f"{folder} is no folder"
        if os.access(folder, os.W_OK | os.X_OK):
            return ""
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return f"{folder} is on a read-only file system"
    except (FileNotFoundError, NotADirectoryError):
        return f"{folder} is not there"
    except OSError as error:  # a folder above it that this user may not enter
        return f"{folder} cannot be reached by user {os.geteuid()} of group {os.getegid()} ({error.strerror})"
    return f"{folder} cannot be written by user {os.getuid()} of group {os.getgid()}"


def passing_folder() -> Path:
    """Name a folder of this user's own that is gone with the container or at the next boot; the same at each start."""
    for above in _temporary():
        own = above / f"sbc-sim-{os.getuid()}"
        if not own.exists() or _private(own):
            return own
    return Path("/tmp") / f"sbc-sim-{os.getuid()}"  # who makes the certificates says why it cannot be written


def scratch() -> Path | None:
    """Name a folder for files of a moment that Python would not think of; None: it finds one itself, or there is none."""
    found = next(_temporary(), None)
    return found if found == _SHARED_MEMORY else None


def _temporary() -> Iterator[Path]:
    named = os.environ.get("TMPDIR")
    for above in (*([Path(named)] if named else []), Path("/tmp"), Path("/var/tmp"), _SHARED_MEMORY):
        if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
            yield above


def _private(folder: Path) -> bool:
    """Tell whether nobody but us could have put something there."""
    there = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and there.st_uid == os.getuid() and not there.st_mode & 0o022


def warning(folder: Path | None, *, store: bool, certificates: str) -> str:
    """Say what is not kept since `data.dir` cannot be written; empty when all is.

    `store`: whether calls would be kept there; `certificates`: where they are made instead, empty when they come from elsewhere.
    """
    why = obstacle(folder) if folder is not None and (store or certificates) else ""
    if not why:
        return ""
    lost = [*(["calls are kept in memory"] if store else []), *([f"certificates are made in {certificates}"] if certificates else [])]
    cure = "mount a volume there that this user or its group may write (-v sbc-sim:/data), or set store.url and tls.dir"
    return f"{why} (data.dir), so {' and '.join(lost)}, and forgotten at the end; {cure}"
