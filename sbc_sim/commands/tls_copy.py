"""A private copy of tls.dir for `doctor`: what `serve` would make is made there, and the folder itself is only read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sbc_sim.commands.examination import Check
from sbc_sim.commands.shared import passing_folder

if TYPE_CHECKING:
    from sbc_sim.settings import Settings

CA, SERVER = "ca.pem", "server.pem"
KEPT = (CA, "ca-key.pem", SERVER, "server-key.pem")


@dataclass(frozen=True, slots=True)
class TlsCopy:
    """Settings that lead to the copy, and what the copy was made of."""

    settings: Settings
    folder: Path
    """tls.dir as it was set."""
    before: dict[str, bytes]
    trouble: str = ""
    """Why the folder could not be read; empty: it could."""

    def named(self, check: Check) -> Check:
        """Name the folder where a sentence names its copy."""
        copy, own = str(self.settings.tls.dir), str(self.folder)
        return replace(check, seen=check.seen.replace(copy, own), cure=check.cure.replace(copy, own))

    def certificate(self, check: Check) -> Check:
        """Say of the certificate what `serve` would make, and whether it could."""
        if self.trouble:
            return Check("certificate", "fail", self.trouble, f"let this user read what is in {self.folder} (tls.dir)")
        check = self.named(check)
        makes = self._would_make()
        if check.status == "fail" or not makes:
            return check
        place = next((place for place in (self.folder, *self.folder.absolute().parents) if place.exists()), self.folder)
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            seen = f"`serve` would make {makes} in {self.folder}, but this user cannot write in {place}"
            return Check("certificate", "fail", seen, f"let this user write in {place}, or set tls.dir to another folder")
        seen = f"`serve` would make {makes} in {self.folder}; a copy was used here, and nothing in there was changed"
        return check if check.status != "pass" else Check("certificate", "pass", seen)

    def trust(self, check: Check) -> Check:
        """The fingerprint of a CA that is yet to be made is nobody's to compare."""
        if self.settings.tls.cert_file is not None or CA in self.before or check.name != "trust":
            return self.named(check)
        return Check("trust", "pass", f"partners import {self.folder / CA}, which `serve` makes when it first runs")

    def _would_make(self) -> str:
        if self.settings.tls.cert_file is not None:
            return ""
        changed = {name for name in KEPT if _content(self.settings.tls.dir / name) != self.before.get(name)}
        if CA in changed:
            return "a CA and a server certificate"
        if SERVER not in changed:
            return ""
        return "another server certificate (it lacks a name, or ends soon)" if SERVER in self.before else "a server certificate"


@contextmanager
def copied(settings: Settings) -> Iterator[TlsCopy]:
    """Copy tls.dir for as long as it takes; with a certificate of one's own nothing is ever made, and nothing is copied."""
    folder = settings.tls.dir
    if settings.tls.cert_file is not None:
        yield TlsCopy(settings, folder, {})
        return
    with passing_folder("doctor") as copy:  # for this user alone: keys stand in it
        led = settings.model_copy(update={"tls": settings.tls.model_copy(update={"dir": copy})})
        try:
            before = {kept: content for kept in KEPT if (content := _content(folder / kept)) is not None}
        except OSError as error:
            yield TlsCopy(led, folder, {}, f"{error.filename} cannot be read: {error.strerror}")
            return
        for kept, content in before.items():
            (copy / kept).write_bytes(content)
        yield TlsCopy(led, folder, before)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
