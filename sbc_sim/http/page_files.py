"""The live page: files of the package, read once, when first asked for, and found by their names, so that no path leads anywhere else."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from sbc_sim.http.exchange import Asked, Reply
from sbc_sim.http.problem import Problem, not_found
from sbc_sim.http.routes import Route

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
LADDER_STYLE = Path(__file__).parents[1] / "exports" / "ladder.css"
"""The rules for the ladder that the page embeds stand beside what draws it."""
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; object-src 'none'"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
"""Stated here, for the types of a machine differ and a script of the wrong type does not run (nosniff)."""
HIDDEN = frozenset({".py", ".pyc", ".map"})


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file."""

    octets: bytes = field(repr=False)
    media_type: str
    tag: str
    """The entity tag, quoted."""


class PageFiles:
    """The page and what it loads."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read nothing yet; a folder that is not there is a page without files."""
        self._folder = folder

    @cached_property
    def _files(self) -> Mapping[str, PageFile]:
        return {
            path.relative_to(self._folder).as_posix(): _read(path)
            for path in sorted(self._folder.rglob("*"))
            if path.is_file() and path.suffix not in HIDDEN and not path.name.startswith(".")
        } | {"assets/ladder.css": _read(LADDER_STYLE)}

    def routes(self) -> tuple[Route, ...]:
        """The lines for the route table; the page itself shares its path with the index for programs."""
        return (Route("GET", "/assets/{file...}", self.asset, "Files of the page", produces="", open=True),)

    def index(self, asked: Asked) -> Reply:
        """Give the page. Raises Problem 404."""
        return self._reply(INDEX, asked)

    def asset(self, asked: Asked) -> Reply:
        """Give what stands under assets/. Raises Problem 404."""
        return self._reply(f"assets/{asked.names['file']}", asked)

    def _reply(self, name: str, asked: Asked) -> Reply:
        file = self._files.get(name)
        if file is None:
            raise not_found("file", name, "The page is at /.") if name != INDEX else _no_page()
        headers = (
            ("Content-Security-Policy", POLICY),
            ("Referrer-Policy", "no-referrer"),
            ("ETag", file.tag),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept"),
        )
        if file.tag in (tag.strip().removeprefix("W/") for tag in asked.first("If-None-Match").split(",")):
            return Reply(304, b"", file.media_type, headers)
        return Reply(200, file.octets, file.media_type, headers)


def _no_page() -> Problem:
    return Problem(404, "no-page", "This installation has no page.", "GET / with Accept: application/json lists the paths of the API.")


def _read(path: Path) -> PageFile:
    octets = path.read_bytes()
    media_type = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return PageFile(octets, media_type, f'"{sha256(octets).hexdigest()[:32]}"')
