"""What happened to one message on its way: headers added, removed, changed, renamed or moved, and lines of its body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from sbc_sim.sip.fields import Headers, canonical
from sbc_sim.sip.message import Message, Request

MOST_CHANGES = 200
MOST_LINES = 400
MOST_NAMES = 300
"""Headers of different names that are looked at, and values of one name."""
LONGEST_VALUE = 8192


class Weight(StrEnum):
    """What a change means."""

    BREAKS = "breaks"
    """A rule held before it and does not any more."""
    MATTERS = "matters"
    HARMLESS = "harmless"
    """Any hop may do that, or the meaning stays."""


@dataclass(frozen=True, slots=True)
class Change:
    """One header that differs. `before` is what the sender sent."""

    what: str
    """``added`` | ``removed`` | ``changed`` | ``renamed`` | ``moved``"""
    header: str
    before: str | None
    after: str | None
    position: int | None
    """Of the first character that differs, from 0."""
    weight: Weight
    why: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a body that is there on one side only."""

    sign: str
    """``-`` before, ``+`` after."""
    text: str
    why: str = ""


_EVERY_HOP = {
    "via": "each hop adds its Via on the way there and takes it off on the way back, and writes down where it saw the message come from",
    "record-route": "a proxy that stays in the path adds itself",
    "route": "a proxy takes its own entry off",
    "max-forwards": "each hop takes one off",
    "content-length": "it follows the body",
    "user-agent": "a back-to-back user agent names itself",
    "server": "a back-to-back user agent names itself",
    "date": "",
    "timestamp": "",
    "allow": "a back-to-back user agent speaks for itself",
    "supported": "a back-to-back user agent speaks for itself",
    "allow-events": "a back-to-back user agent speaks for itself",
    "accept": "a back-to-back user agent speaks for itself",
    "proxy-authorization": "it is for the hop that asked for it",
    "p-charging-vector": "it is for one network only",
    "p-charging-function-addresses": "it is for one network only",
}
_MEANS = {
    "user-to-user": "it carries the content that the far end acts on",
    "call-id": "a back-to-back user agent makes a dialog of its own: look for both ids in logs",
    "contact": "requests within the dialog go there",
    "from": "it shows the caller, and its tag names the dialog",
    "to": "it shows who was called, and its tag names the dialog",
    "cseq": "a back-to-back user agent counts for itself",
    "p-asserted-identity": "it shows the caller's number",
    "diversion": "it shows the number that was dialled first",
    "history-info": "it shows the number that was dialled first",
    "session-expires": "it sets the session timer",
    "require": "it demands an extension",
    "content-type": "it says what the body is",
    "reason": "it says why the call ended",
}
_ONE_BY_ONE = frozenset(
    {"via", "route", "record-route", "allow", "supported", "accept", "require", "contact", "p-asserted-identity", "diversion"}
)
_HEX = re.compile(r"[0-9A-Fa-f]+")


def changes_between(before: Message, after: Message) -> list[Change]:
    """List what differs between the message as it was sent and as it arrived."""
    found = [*_start_line(before, after), *_headers(before.headers, after.headers)]
    return found[:MOST_CHANGES]


def _start_line(before: Message, after: Message) -> Iterator[Change]:
    if isinstance(before, Request) and isinstance(after, Request):
        if before.uri != after.uri:
            yield _changed("Request-URI", before.uri, after.uri, Weight.MATTERS, "it says who is called, where")
    elif not isinstance(before, Request) and not isinstance(after, Request) and before.reason != after.reason:
        yield _changed("reason phrase", before.reason, after.reason, Weight.HARMLESS, "the number alone counts")


def _headers(before: Headers, after: Headers) -> Iterator[Change]:
    names = list(dict.fromkeys(canonical(item.name) for item in (*before, *after)))[:MOST_NAMES]
    for name in names:
        yield from _one_header(name, before, after)
    order = [[canonical(item.name) for item in headers] for headers in (before, after)]
    both = set(order[0]) & set(order[1])
    common = [[name for name in dict.fromkeys(side) if name in both] for side in order]
    if common[0] != common[1]:
        moved = next(one for one, other in zip(*common, strict=True) if one != other)
        why = "the order of different headers means nothing"
        yield Change("moved", _shown_name(moved, before, after), None, None, None, Weight.HARMLESS, why)


def _one_header(name: str, before: Headers, after: Headers) -> Iterator[Change]:
    old, new = before.fields(name), after.fields(name)
    shown = _shown_name(name, before, after)
    values = [item.value for item in old], [item.value for item in new]
    if values[0] == values[1]:
        spelled = [item.name for item in old], [item.name for item in new]
        if spelled[0] != spelled[1]:
            yield Change("renamed", shown, ", ".join(spelled[0]), ", ".join(spelled[1]), None, Weight.HARMLESS, "the same header")
        return
    if name in _ONE_BY_ONE:
        values = before.listed(name), after.listed(name)
        if values[0] == values[1]:
            yield Change("renamed", shown, None, None, None, Weight.HARMLESS, "the same values, on other lines")
            return
    yield from _values(name, shown, *values)


def _values(name: str, shown: str, old: list[str], new: list[str]) -> Iterator[Change]:
    old, new = old[:MOST_NAMES], new[:MOST_NAMES]
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        gone, come = old[i:j], new[k:m]
        for one, other in zip(gone, come, strict=False):
            weight, why = weigh_change(name, one, other)
            yield _changed(shown, one, other, weight, why)
        for value in gone[len(come) :]:
            yield Change("removed", shown, value[:LONGEST_VALUE], None, None, *_weight(name))
        for value in come[len(gone) :]:
            yield Change("added", shown, None, value[:LONGEST_VALUE], None, *_weight(name))


def _weight(name: str) -> tuple[Weight, str]:
    if name in _EVERY_HOP:
        return Weight.HARMLESS, _EVERY_HOP[name]
    return Weight.MATTERS, _MEANS.get(name, "")


def weigh_change(name: str, before: str, after: str) -> tuple[Weight, str]:
    """Say what a changed value means; `name` in lower case."""
    if name == "user-to-user":
        return _user_to_user(before, after)
    if name in ("from", "to") and before.lower() == after.lower():
        return Weight.HARMLESS, "only the case differs"
    if "".join(before.split()) == "".join(after.split()):
        return Weight.HARMLESS, "only blanks differ"
    return _weight(name)


def _user_to_user(before: str, after: str) -> tuple[Weight, str]:
    old, _, old_parameters = before.partition(";")
    new, _, new_parameters = after.partition(";")
    old, new = old.strip(), new.strip()
    said = []
    weight = Weight.MATTERS
    if old.lower() == new.lower():
        if old != new:
            said.append("the hex digits have another case, which means nothing")
            weight = Weight.HARMLESS
    elif old.lower().startswith(new.lower()):
        said.append(f"cut after {len(new)} of {len(old)} characters")
    elif _HEX.fullmatch(old) and not _HEX.fullmatch(new):
        said.append("what was hex is hex no more")
    else:
        said.append("another content")
    parameters = [{p.strip().lower() for p in side.split(";") if p.strip()} for side in (old_parameters, new_parameters)]
    if parameters[0] != parameters[1]:
        gone, come = sorted(parameters[0] - parameters[1]), sorted(parameters[1] - parameters[0])
        said += [f";{p} is gone" for p in gone] + [f";{p} was added" for p in come]
        weight = Weight.MATTERS
    elif old_parameters != new_parameters and not said:
        return Weight.HARMLESS, "the parameters are the same"
    return weight, ", ".join(said)


def _changed(header: str, before: str, after: str, weight: Weight, why: str) -> Change:
    place = first_difference(before, after)
    if canonical(header) == "user-to-user" and before.lower() != after.lower():  # the case of hex digits means nothing
        place = first_difference(before.lower(), after.lower())
    return Change("changed", header, before[:LONGEST_VALUE], after[:LONGEST_VALUE], place, weight, why)


def first_difference(before: str, after: str) -> int:
    """Position of the first character that differs; the length of the shorter when it is the start of the longer."""
    place = next((n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), None)
    return min(len(before), len(after)) if place is None else place


def _shown_name(name: str, before: Headers, after: Headers) -> str:
    written = [item.name for headers in (before, after) for item in headers.fields(name)]
    return max(written, key=len) if written else name


# --- bodies -----------------------------------------------------------------------------------------------------------------------


def body_lines(before: bytes, after: bytes) -> list[Line]:
    """Lines of the body that were taken out and put in; empty when nothing but line ends changed."""
    old, new = _lines(before), _lines(after)
    found: list[Line] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            found += [*(Line("-", text) for text in old[i:j]), *(Line("+", text) for text in new[k:m])]
    return found


def _lines(body: bytes) -> list[str]:
    lines = body.decode("utf-8", "backslashreplace").replace("\r\n", "\n").split("\n")
    return [line[:LONGEST_VALUE] for line in lines[:MOST_LINES]]
