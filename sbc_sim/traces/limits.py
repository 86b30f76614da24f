"""How much of a trace is read, and the sentences about what was not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one reading. What is beyond becomes a note, never an error."""

    inflated: int = 64 * MEBIBYTE
    """Octets that a gzip file may grow to: twice the largest upload, as a small one must not cost what a large one may not."""
    members: int = 10_000
    """Parts of a gzip file that are unpacked."""
    packets: int = 2_000_000
    """Packets read of a capture."""
    connections: int = 20_000
    """TCP connections followed, and as many pairs of UDP ends."""
    pending: int = MEBIBYTE
    """Octets of one direction of a connection that wait for earlier ones."""
    connection_octets: int = 64 * MEBIBYTE
    """Octets kept of one connection."""
    octets: int = 256 * MEBIBYTE
    """Octets kept of all connections and datagrams together."""
    pieces: int = 750_000
    """Segments and datagrams that they are kept in: each costs some 300 octets of memory beside its own."""
    datagrams: int = 500_000
    """Datagrams kept."""
    messages: int = 10_000
    """SIP messages read of a text."""
    looked_ahead: int = 4 * MEBIBYTE
    """Octets of a text read for a body that may hold messages, and then not found to be one."""
    notes: int = 100
    """Sentences given; the last one then says how many more there were."""


class Notes:
    """Sentences for people, each once, in the order of their first use."""

    def __init__(self, most: int) -> None:
        """`most`: sentences kept."""
        self._most = most
        self._said: dict[str, None] = {}
        self._counted: Counter[str] = Counter()
        self._unsaid = 0

    def add(self, sentence: str) -> None:
        """Say something."""
        if sentence in self._said:
            return
        if len(self._said) < self._most:
            self._said[sentence] = None
        else:
            self._unsaid += 1

    def count(self, what: str, number: int = 1) -> None:
        """Count something that is told once with its number, as in "3 frames were ...": `what` is the part behind the number."""
        if what in self._counted or len(self._counted) < self._most:
            self._counted[what] += number

    def sentences(self) -> tuple[str, ...]:
        """Give all of them."""
        counts = [f"{number} {what}" for what, number in self._counted.items() if number]
        more = [f"{self._unsaid} more notes of these kinds are left out."] if self._unsaid else []
        return (*self._said, *counts, *more)


class Room:
    """What is left of a number of octets, and of pieces to keep them in, that several readers share."""

    def __init__(self, octets: int, pieces: int) -> None:
        """`octets`, `pieces`: what may be taken in all."""
        self._octets, self._pieces = octets, pieces

    def take(self, octets: int) -> bool:
        """Take some for one piece, if they are there."""
        if octets > self._octets or self._pieces <= 0:
            return False
        self._octets -= octets
        self._pieces -= 1
        return True

    def give_back(self, octets: int, pieces: int) -> None:
        """Return what is not kept after all."""
        self._octets += octets
        self._pieces += pieces
