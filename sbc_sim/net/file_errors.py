"""Why a file cannot be read, with the cure: mostly it belongs to somebody else, as what is mounted into a container often does."""

from __future__ import annotations

import os
from pathlib import Path


def unreadable(path: Path | str, error: OSError) -> str:
    """Say why, to be put behind "PATH cannot be read"."""
    if not isinstance(error, PermissionError):
        return str(error.strerror or error)
    user, group = os.geteuid(), os.getegid()
    cure = f"let one of them read it (`chgrp {group} {path} && chmod 640 {path}`), and enter its folder"
    return f"{error.strerror} for user {user} of group {group}; {cure}"
