"""Journal data as it stands in the file: JSON, long JSON compressed, and the words of the rules kept once for all findings.

A verdict names every rule with title, reason, advice and platforms: more than 100 KiB that are the same from call to call. The table
`words` holds such texts under the digest of what they say; a finding keeps the row of its words, and what was seen in its own call. What is
seen in a call (detail, evidence, advice for this very case) never goes into that table, so that it is forgotten with the call.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from sbc_sim.journal.entries import Entry, Kind

Finding: TypeAlias = Mapping[str, Any]


class Json(str):
    """JSON in ASCII: SQLite keeps it as the text it is; for PostgreSQL, whose columns have one type, it becomes octets."""

    __slots__ = ()


Packed: TypeAlias = str | bytes

SHAPE = ("rule", "status", "severity", "title", "detail", "evidence", "source", "why", "fix", "platforms")
"""Members of a finding, in their order; one of another shape is kept whole."""
GENERAL = ("pass", "skip")
"""A finding of this status carries the rule's general advice; that of another one may be about this very call."""
LONG = 1500
"""Characters of JSON; longer ones are compressed."""
MOST_WORDS = 5000
MOST_REMEMBERED = 20_000

DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, zlib.error)
"""What comes of octets that we never wrote: no JSON, JSON of another shape, or nothing that can be decompressed."""

_encoded = json.JSONEncoder(separators=(",", ":"), default=str).encode


@contextmanager
def damage_is_an_error() -> Iterator[None]:
    """Whatever comes of damaged octets within is raised as sqlite3.DatabaseError, as SQLite does with damage that it sees itself."""
    try:
        yield
    except DAMAGE as error:
        raise sqlite3.DatabaseError(f"a row of it does not hold what was written: {error!r:.200}") from None


class Reading(Protocol):
    """What is needed of a connection."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Any:
        """Do one statement, with `?` for values."""


class Words:
    """The table `words` as one connection sees it."""

    def __init__(self, connection: Reading, before_adding: Callable[[], None] = lambda: None) -> None:
        """Read what is there. `before_adding`: called in a transaction that is about to add some. Raises sqlite3.Error."""
        self._before_adding = before_adding
        self._connection = connection
        self._rows: dict[int, list[Any]] = {}
        self._known: dict[tuple[Hashable, str], int] = {}
        self._any: dict[Hashable, int] = {}
        self._packed: dict[int, tuple[Finding, str]] = {}
        for row, text in connection.execute("SELECT id, text FROM words"):
            self._learn(row, _words(text))

    def packed(self, finding: Finding) -> list[Any] | dict[str, Any]:
        """Write a finding as the row of its words and what is its own. Raises sqlite3.Error."""
        if tuple(finding) != SHAPE:
            return dict(finding)
        about, fix = _about(finding), str(finding["fix"])
        own = [finding["status"], finding["detail"], finding["evidence"]]
        row = self._known.get((about, fix))
        if row is not None:
            return [row, *own]
        general = finding["status"] in GENERAL
        row = None if general else self._any.get(about)
        if row is None:
            if len(self._rows) >= MOST_WORDS:
                return dict(finding)
            row = self._add(finding, fix if general else "")
        return [row, *own] if general else [row, *own, finding["fix"]]

    @damage_is_an_error()
    def restored(self, packed: Sequence[Any] | dict[str, Any]) -> dict[str, Any]:
        """Read what `packed` wrote. Raises sqlite3.Error."""
        if isinstance(packed, dict):
            return packed
        rule, severity, title, source, why, fix, platforms = self._row(packed[0])
        status, detail, evidence = packed[1:4]
        values = (rule, status, severity, title, detail, evidence, source, why, packed[4] if len(packed) > 4 else fix, dict(platforms))
        return dict(zip(SHAPE, values, strict=True))

    def packed_text(self, finding: Finding) -> str:
        """Write a finding as JSON; one that is the same object as an earlier one costs nothing. Raises sqlite3.Error."""
        known = self._packed.get(id(finding))
        if known is not None and known[0] is finding:
            return known[1]
        text = _json(self.packed(finding))
        if len(self._packed) >= MOST_REMEMBERED:
            self._packed.clear()
        self._packed[id(finding)] = finding, text
        return text

    def _row(self, row: int) -> list[Any]:
        if row not in self._rows:
            found = self._connection.execute("SELECT text FROM words WHERE id = ?", (row,)).fetchone()
            if found is None:
                raise sqlite3.DatabaseError(f"words {row} are missing")
            self._learn(row, _words(found[0]))
        return self._rows[row]

    def _add(self, finding: Finding, fix: str) -> int:
        words = [finding[name] for name in ("rule", "severity", "title", "source", "why")] + [fix, dict(finding["platforms"])]
        text = _json(words)
        digest = hashlib.sha256(text.encode()).digest()
        row = self._id_of(digest)
        if row is None:
            self._before_adding()
            self._connection.execute("INSERT INTO words (digest, text) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", (digest, text))
            row = self._id_of(digest)
            assert row is not None
        self._learn(row, words)
        return row

    def _id_of(self, digest: bytes) -> int | None:
        """Find words that are there, perhaps since another replica added them."""
        found = self._connection.execute("SELECT id FROM words WHERE digest = ?", (digest,)).fetchone()
        return None if found is None else int(found[0])

    @damage_is_an_error()
    def _learn(self, row: int, words: list[Any]) -> None:
        rule, severity, title, source, why, fix, platforms = words
        about = _about({"rule": rule, "severity": severity, "title": title, "source": source, "why": why, "platforms": platforms})
        self._rows[row] = words
        self._known[about, fix] = row
        self._any.setdefault(about, row)


def _about(finding: Finding) -> Hashable:
    words = tuple(finding[name] for name in ("rule", "severity", "title", "source", "why"))
    return words, tuple(finding["platforms"].items())


def pack(entry: Entry, words: Words) -> Packed:
    """Write the data of an entry. Raises sqlite3.Error."""
    data = entry.data
    if entry.kind is Kind.FINDING:
        return _short(_json(words.packed(data)))
    findings = data.get("findings")
    if entry.kind in (Kind.VERDICT, Kind.ATTEMPT) and findings:
        listed = f"[{','.join(map(words.packed_text, findings))}]"
        members = (f"{_json(name)}:{listed if name == 'findings' else _json(value)}" for name, value in data.items())
        return _short(f"{{{','.join(members)}}}")
    return _short(_json(data))


@damage_is_an_error()
def unpack(kind: str, packed: Packed, words: Words) -> dict[str, Any]:
    """Read the data of an entry. Raises sqlite3.Error."""
    data = _loads(packed)
    if kind == Kind.FINDING:
        return words.restored(data)
    if kind in (Kind.VERDICT, Kind.ATTEMPT) and data.get("findings"):
        data["findings"] = [words.restored(finding) for finding in data["findings"]]
    return _members(data)


def pack_findings(findings: Sequence[Finding], words: Words) -> Packed:
    """Write the findings of a call so far. Raises sqlite3.Error."""
    return _short(f"[{','.join(_json(words.packed(finding)) for finding in findings)}]")


@damage_is_an_error()
def unpack_findings(packed: Packed, words: Words) -> list[dict[str, Any]]:
    """Read what `pack_findings` wrote. Raises sqlite3.Error."""
    return [words.restored(finding) for finding in _loads(packed)]


def pack_plain(value: Any) -> Packed:
    """Write a JSON value."""
    return _short(_json(value))


@damage_is_an_error()
def unpack_plain(packed: Packed) -> Any:
    """Read what `pack_plain` wrote. Raises sqlite3.DatabaseError."""
    return _loads(packed)


def _json(value: Any) -> str:
    """Write JSON in ASCII: octets that were no text when they came (lone surrogates) survive. What is no JSON is shown as text."""
    try:
        return _encoded(value)
    except (TypeError, ValueError, RecursionError) as error:  # an entry that breaks its promise: better it alone than all after it
        return json.dumps({"unwritable": repr(error)})


def _short(text: str) -> Packed:
    return zlib.compress(text.encode(), 1) if len(text) > LONG else Json(text)


def _loads(packed: Packed) -> Any:
    """Read JSON, compressed or not: what is compressed begins with an x, as no JSON does."""
    return json.loads(zlib.decompress(packed) if isinstance(packed, bytes) and packed[:1] == b"x" else packed)


@damage_is_an_error()
def _words(text: str) -> list[Any]:
    """Read the words of a rule; there are always seven of them."""
    rule, severity, title, source, why, fix, platforms = json.loads(text)
    return [rule, severity, title, source, why, fix, dict(platforms)]


def _members(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TypeError(f"{type(data).__name__} where members were")
    return data
