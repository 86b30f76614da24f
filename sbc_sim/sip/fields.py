"""Header fields in order, found by name whatever its case or form (RFC 3261 section 7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sbc_sim.sip.text import split_list

_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}


def canonical(name: str) -> str:
    """The name by which header fields are compared: lower case, compact forms written out (RFC 3261 section 7.3.3)."""
    name = name.lower()
    return _COMPACT.get(name, name)


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field as received or to be sent."""

    name: str
    """As written; compare with `canonical`."""
    value: str
    """Unfolded, outer white space stripped. Octets that are not UTF-8 are kept by surrogateescape."""
    offset: int = -1
    """Octet offset of the field in the raw message; -1 when we made it."""


class Headers:
    """Header fields in order; names compare case-insensitively and compact forms count as the long ones (7.3.3). Never changes."""

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Iterable[HeaderField | tuple[str, str]] = ()) -> None:
        self._fields = tuple(item if isinstance(item, HeaderField) else HeaderField(*item) for item in fields)
        self._index: dict[str, list[HeaderField]] = {}
        for item in self._fields:
            self._index.setdefault(canonical(item.name), []).append(item)

    def first(self, name: str) -> str | None:
        """Value of the first field of that name, or None."""
        found = self._index.get(canonical(name))
        return found[0].value if found else None

    def all(self, name: str) -> list[str]:
        """Values of all fields of that name in order, not split at commas."""
        return [item.value for item in self._index.get(canonical(name), ())]

    def fields(self, name: str) -> list[HeaderField]:
        """All fields of that name in order, with their offsets."""
        return list(self._index.get(canonical(name), ()))

    def listed(self, name: str) -> list[str]:
        """Values of all fields of that name, split at top-level commas (quotes and angle brackets respected) and stripped (7.3.1)."""
        return [part for item in self._index.get(canonical(name), ()) for part in split_list(item.value)]

    def __iter__(self) -> Iterator[HeaderField]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and canonical(name) in self._index

    def __eq__(self, other: object) -> bool:
        return self._fields == other._fields if isinstance(other, Headers) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({[(item.name, item.value) for item in self._fields]!r})"

    def added(self, *fields: HeaderField | tuple[str, str]) -> Headers:
        """These fields and more behind them."""
        return Headers((*self._fields, *fields))

    def without(self, name: str) -> Headers:
        """Leave out every field of that name."""
        return Headers(item for item in self._fields if canonical(item.name) != canonical(name))

    def replaced(self, name: str, value: str) -> Headers:
        """One field of that name, in the place of the first one (or at the end)."""
        wanted = canonical(name)
        places = [index for index, item in enumerate(self._fields) if canonical(item.name) == wanted]
        if not places:
            return self.added((name, value))
        kept = [item for item in self._fields if canonical(item.name) != wanted]
        kept.insert(places[0], HeaderField(name, value))
        return Headers(kept)
