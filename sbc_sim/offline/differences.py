"""Where the far end of a trace answered otherwise than we would have."""

from __future__ import annotations

from collections.abc import Iterator

from sbc_sim.sip.message import Response
from sbc_sim.sip.text import printable


class Answers:
    """Final answers to the partner's requests, by CSeq: the far end's and ours."""

    def __init__(self) -> None:
        self._theirs: dict[tuple[str, str], Response] = {}
        self._ours: dict[tuple[str, str], Response] = {}

    def theirs(self, response: Response) -> None:
        """Note an answer of the far end."""
        if response.status >= 200:
            self._theirs.setdefault(_key(response), response)

    def ours(self, response: Response) -> None:
        """Note an answer of ours."""
        if response.status >= 200:
            self._ours.setdefault(_key(response), response)

    def differences(self) -> Iterator[str]:
        """Sentences, one for each request that was answered differently."""
        for key, theirs in self._theirs.items():
            ours = self._ours.get(key)
            if ours is not None and ours.status != theirs.status:
                yield f"{' '.join(key[::-1])}: the SBC answered {named(theirs)}; ours would have answered {named(ours)}."


def _key(response: Response) -> tuple[str, str]:
    number, _, method = (response.headers.first("CSeq") or "").strip().partition(" ")
    return number, method.strip()


def named(response: Response) -> str:
    """Name an answer for people, with its Warning."""
    warning = response.headers.first("Warning")
    told = f" (Warning: {printable(warning, 160)})" if warning else ""
    return f"{response.status} {printable(response.reason, 60)}{told}"
