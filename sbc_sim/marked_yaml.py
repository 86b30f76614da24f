"""YAML (so also JSON) as it was written: each value with its line, each name once, no alias, and a bound on size and depth.

For what people write by hand and want to be told about by line: settings, scenarios. Tags and aliases are refused rather than followed:
a file of a few octets could otherwise stand for gigabytes, or contain itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

MOST_CHARACTERS = 256 * 1024
MOST_DEPTH = 32
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_REAL = re.compile(r"-?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}

Members: TypeAlias = "dict[str, Written]"


class NotTaken(ValueError):
    """What is written cannot be taken: a line number (1 is the first) and one sentence."""

    def __init__(self, line: int, reason: str) -> None:
        """`line` 0: no line in particular."""
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


class Lined(dict[str, Any]):
    """A mapping that still knows the line of each of its names; lines are from 1, and not there when they are not known."""

    lines: dict[str, int]


@dataclass(slots=True)
class Written:
    """One value: text, a list, a mapping, or nothing (None)."""

    value: str | list[Written] | Members | None
    line: int = 0
    """From 1; 0: not from a file."""
    quoted: bool = False
    """As text: in quotes or a block, so that it means itself."""

    def text(self) -> Any:
        """Give it as plain lists, mappings and text: each scalar as it was written, so that 0100 and +1 stay what they are."""
        match self.value:
            case dict():
                return {name: member.text() for name, member in self.value.items()}
            case list():
                return [member.text() for member in self.value]
            case _:
                return self.value

    def data(self) -> Any:
        """Give it as JSON would have it: unquoted numbers, true and false mean what they say.

        As in the core schema of YAML 1.2, but a leading plus or zero makes no number: it would be lost, and telephone numbers have them.
        Mappings are `Lined`.
        """
        match self.value:
            case dict():
                found = Lined({name: member.data() for name, member in self.value.items()})
                found.lines = {name: member.line for name, member in self.value.items() if member.line}
                return found
            case list():
                return [member.data() for member in self.value]
            case str() if not self.quoted:
                return _scalar(self.value)
            case _:
                return self.value

    @property
    def kind(self) -> str:
        """Say what it is, for a sentence."""
        match self.value:
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case str():
                return "text" if self.quoted else f"{self.value[:40]!r}"
            case _:
                return "nothing"


def _scalar(text: str) -> Any:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text


def read(text: str) -> Written:
    """Read one YAML document; an empty one is a Written of None. Raises `NotTaken`."""
    import yaml  # only when there is something to read: not every start pays for it

    if len(text) > MOST_CHARACTERS:
        raise NotTaken(0, f"longer than {MOST_CHARACTERS} characters")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reading(yaml.parse(text, Loader=loader)).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise NotTaken(mark.line + 1 if mark else 0, f"not YAML: {getattr(error, 'problem', None) or _first_line(error)}") from None
    except UnicodeError:
        raise NotTaken(0, "not Unicode text") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


class _Reading:
    """Builds values from YAML events without recursion of the parser: the depth is counted here."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def document(self) -> Written:
        found: Written | None = None
        for event in self._events:
            name = type(event).__name__
            if name == "DocumentStartEvent" and found is not None:
                raise NotTaken(_line(event), "a second document: write one only")
            if not name.startswith(("Stream", "Document")):
                found = self._node(event, 0)
        return Written(None) if found is None else found

    def _node(self, event: Any, depth: int) -> Written:
        name, line = type(event).__name__, _line(event)
        if name == "AliasEvent":
            raise NotTaken(line, f"the alias *{event.anchor}: write out what it stands for")
        if event.tag is not None and event.tag != "!":
            raise NotTaken(line, f"the tag {event.tag!r}: leave it out")
        if depth > MOST_DEPTH:
            raise NotTaken(line, f"nested deeper than {MOST_DEPTH} levels")
        if name == "ScalarEvent":
            return _scalar_of(event, line)
        return Written(self._list(depth) if name == "SequenceStartEvent" else self._mapping(depth), line)

    def _list(self, depth: int) -> list[Written]:
        members = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            members.append(self._node(event, depth + 1))
        return members

    def _mapping(self, depth: int) -> Members:
        members: Members = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._node(event, depth + 1)
            if not isinstance(key.value, str) and key.value is not None:
                raise NotTaken(key.line, f"{key.kind} as a name: names are text")
            name = key.value or ""
            if name in members:
                raise NotTaken(key.line, f"{name!r} stands here a second time; it was in line {members[name].line} already")
            member = self._node(next(self._events), depth + 1)
            members[name] = Written(member.value, key.line, member.quoted)
        return members


def _scalar_of(event: Any, line: int) -> Written:
    quoted = bool(event.style)
    text: str = event.value
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotTaken(line, "half of a character (a surrogate): write the character itself") from None
    return Written(None if not quoted and text in _NULLS else text, line, quoted)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
