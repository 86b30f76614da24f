"""Numbers where no URI says that they are phone numbers: in display names, in User-to-User, in header fields that no RFC defines.

There every run of 7 to 19 digits is masked, for it may be the number of a caller or of a card. Not taken for one are UUIDs, dates, IPv4
addresses, what is mixed with letters (identifiers), and JSON numbers that can be a time in Unix seconds or milliseconds.
"""

from __future__ import annotations

import re
from typing import Any

from sbc_sim.exports.filling import filled, hex_stars
from sbc_sim.exports.header_fields import DEFINED, HEADER, USER_TO_USER, divided
from sbc_sim.exports.numbers import BARE_IN_JSON, MOST_KNOWN, digits_of, masked_run
from sbc_sim.exports.strangers import PLAIN_NAME, QUOTED_NAME

FEWEST, MOST = 7, 19
_OTHER = (
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
    r"|(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])"
    r"|(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])"
)
_LOOSE = re.compile(
    rf"{_OTHER}|(?<![A-Za-z0-9_*])[A-Za-z_]{{0,40}}+(?P<number>\+?[0-9](?:[-.() ]{{0,2}}[0-9]){{{FEWEST - 1},{MOST - 1}}})(?!(?!x|ext)\w)",
    re.ASCII,
)
_UNIX_TIME = re.compile(r"1[4-9][0-9]{8}(?:[0-9]{3})?")
_LONG_HEX = re.compile(r"\s*[0-9A-Fa-f](?:\s*[0-9A-Fa-f]){31,}\s*(?:;|\Z)")
_SHORT_HEX = re.compile(rf"(?P<data>(?:3[0-9]|2[0b]){{{FEWEST},15}})(?=[\s;]|\Z)", re.IGNORECASE)


class LooseNumbers:
    """Masks them, and keeps the first of them in mind, so that what quotes them can be masked too."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self.found: dict[str, None] = {}
        self._messages: dict[str, str] = {}

    def message(self, text: str) -> str:
        """Mask the loose numbers in a message, a character an octet; its length stays. A text without header fields is only a name."""
        if text not in self._messages:
            head, end, body = divided(text)
            self._messages[text] = self._names(HEADER.sub(self._field, head)) + end + body
        return self._messages[text]

    def _field(self, match: re.Match[str]) -> str:
        name, value = match["name"].lower(), match["value"]
        if name in USER_TO_USER:
            return match[0][: len(match[0]) - len(value)] + self._uui(value)
        # A URI is no header field: its numbers are found where they stand.
        if name in DEFINED or name.rpartition("<")[2] in ("sip", "sips", "tel"):
            return match[0]
        return match[0][: len(match[0]) - len(value)] + self.masked(value)

    def _names(self, head: str) -> str:
        for pattern in (QUOTED_NAME, PLAIN_NAME):
            if "<" in head:
                head = pattern.sub(lambda match: match[0].replace(match["name"], self.masked(match["name"]), 1), head)
        return head

    def _uui(self, value: str) -> str:
        short = _SHORT_HEX.match(value)
        if short is not None:  # too short to be looked into by itself
            self._remember(bytes.fromhex(short["data"]).decode("latin-1"))
            return hex_stars(short["data"]) + value[short.end() :]
        return filled(value, self._content)

    def _content(self, text: str) -> str:
        return text if _LONG_HEX.match(text) else self.masked(text)

    def value(self, value: Any) -> Any:
        """Mask a JSON value that was decoded from a User-to-User, or is one."""
        if isinstance(value, str):
            return self._uui(value)
        if isinstance(value, dict):
            return {self.masked(str(name)): self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        if isinstance(value, int) and not isinstance(value, bool) and FEWEST <= len(str(abs(value))) <= MOST:
            return value if _UNIX_TIME.fullmatch(str(value)) else int(masked_run(str(value), "0"))
        return value

    def masked(self, text: str) -> str:
        """Mask the loose numbers in a text that stands in one of the places; its length stays."""
        return _LOOSE.sub(self._masked, text)

    def _masked(self, match: re.Match[str]) -> str:
        run = match["number"]
        if run is None:
            return match[0]
        bare = BARE_IN_JSON.search(match.string, max(0, match.start() - 12), match.start()) is not None
        if bare and (not run.isdigit() or _UNIX_TIME.fullmatch(run)):
            return match[0]
        masked = masked_run(run, "0" if bare else "*")
        if masked != run:  # else it was masked before
            self._remember(run)
        return match[0][: len(match[0]) - len(run)] + masked

    def _remember(self, run: str) -> None:
        if len(self.found) < MOST_KNOWN:
            self.found[digits_of(run)] = None
