"""Members of request bodies, read one by one: what is missing or wrong is named with what was expected (facts 2.2)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sbc_sim.sip.text import printable
from sbc_sim.telephony.remark import ATTRIBUTES, MEMBERS, WARN, Refused, Remark, bad_member

LONGEST_TEXT = 1024
LONGEST_KEY = 255
LONGEST_CONTENT = 32 * 1024
"""Characters of one member; longer is refused."""
DEEPEST = 32
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MILLISECONDS = 100_000_000_000
"""Times below are taken for seconds: in milliseconds they would lie before 1973."""

Body = Mapping[str, Any]


def read_object(raw: bytes) -> dict[str, Any]:
    """Read a JSON object; an empty body and ``null`` are the empty one (real clients send both). Raises Refused."""
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise bad_member(f"The body is not JSON: {_why(error)}.", "Send one JSON object in UTF-8.", "JSON_PARSER_ERROR") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_member(f"The body is JSON, but {_kind(value)} and no object.", 'Send {"name": value, ...}.', "JSON_PARSER_ERROR")
    if _depth(value, 1) > DEEPEST:
        raise bad_member(f"The body is nested deeper than {DEEPEST}.", "Send a flatter object.", "JSON_PARSER_ERROR")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose members have different names. Raises Refused that names one that comes twice."""
    read = dict(pairs)
    if len(read) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = printable(next(name for name, _ in pairs if counted[name] > 1), 40)
        raise bad_member(f"The member {twice} comes more than once in one object.", f"Send {twice} once.", "JSON_PARSER_ERROR")
    return read


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _why(error: Exception) -> str:
    """Why JSON could not be read, in words about the JSON: those of Python about its own limits would help nobody."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) or "is no JSON number" in str(error):
        return printable(str(error), 120)
    return "a number in it has too many digits"


def _depth(value: Any, depth: int) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth if depth > DEEPEST else max((_depth(one, depth + 1) for one in inner), default=depth)


def _kind(value: object) -> str:
    names: dict[type, str] = {str: "text", bool: "true or false", list: "an array", dict: "an object", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "a value")


def text(body: Body, name: str, longest: int = LONGEST_TEXT, example: str = "") -> str:
    """Read text that must be there. Raises Refused."""
    if body.get(name) in (None, ""):
        raise missing(name, example)
    return checked_text(name, body[name], longest, example)


def all_there(body: Body, examples: Mapping[str, str]) -> None:
    """Check that required members are there, each with an example of its value. Raises Refused that names all that are missing."""
    absent = [name for name in examples if body.get(name) in (None, "")]
    others = [name for name in body if name not in examples][:50]
    meant = printable("".join(f"Did you mean {name} by {other}? " for name in absent for other in others if _alike(other, name)), 200)
    if len(absent) == 1:
        raise missing(absent[0], examples[absent[0]], meant)
    if absent:
        fix = ", ".join(f'"{name}": {examples[name]}' for name in absent)
        detail = f"The required members {', '.join(absent[:-1])} and {absent[-1]} are missing."
        raise bad_member(detail, f"{meant}Add {fix}.", "REQUIRED_FIELD_MISSING")


def missing(name: str, example: str = "", hint: str = "") -> Refused:
    """Return the 400 for a member that must be there."""
    shown = f', for example "{name}": {example}' if example else ""
    return bad_member(f"The required member {name} is missing.", f"{hint}Add {name}{shown}.", "REQUIRED_FIELD_MISSING")


def checked_text(name: str, value: object, longest: int = LONGEST_TEXT, example: str = "") -> str:
    """Check that a value is text, and not too long. Raises Refused."""
    if not isinstance(value, str):
        shown = f", for example {example}" if example else ""
        raise bad_member(f"{name} is {_kind(value)}; text is expected.", f"Send {name} as text{shown}.")
    if len(value) > longest:
        raise bad_member(f"{name} has {len(value)} characters; at most {longest} are taken.", f"Shorten {name}.")
    return value


def clean_text(body: Body, name: str, longest: int = LONGEST_TEXT, example: str = "") -> str:
    """Read text that must be there and that others must be able to compare: no NUL, and no half of a character. Raises Refused."""
    value = text(body, name, longest, example)
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        what = "the character NUL" if "\0" in value else "a lone surrogate, half of a character (RFC 8259 section 8.2)"
        raise bad_member(f"{name} holds {what}.", f"Send {name} without it.")
    return value


def optional_text(body: Body, name: str, longest: int = LONGEST_TEXT) -> str:
    """Read text that may be missing: empty then. Raises Refused."""
    return "" if body.get(name) is None else checked_text(name, body[name], longest)


def choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """Check one of several words; letter case counts. Raises Refused."""
    if value in allowed:
        return value
    near = next((word for word in allowed if word.lower() == value.lower()), None)
    fix = f"Write {near}: letter case counts." if near else f"Use one of {', '.join(allowed)}."
    raise bad_member(f"{name} is {printable(value, 40)!r}; {' or '.join(allowed)} is expected.", fix)


def iso_time(name: str, value: object, remarks: list[Remark]) -> str:
    """Check a time as ISO 8601, UTC; one that is not written as RFC 3339 does is remarked on. Raises Refused."""
    example = "2026-01-31T12:00:00.000Z"
    if isinstance(value, int | float) and not isinstance(value, bool):
        detail = f"{name} is a number; here times are ISO 8601 text in UTC (milliseconds since 1970 are for messages)."
        raise bad_member(detail, f"Send {name} as {example}.")
    written = checked_text(name, value, 64, example)
    try:
        datetime.fromisoformat(written)
    except ValueError:
        raise bad_member(f"{name} is {printable(written, 40)!r}, which is no ISO 8601 time.", f"Send {name} as {example}.") from None
    if not _RFC3339.fullmatch(written):
        why = "has no zone" if _RFC3339.fullmatch(f"{written}Z") else "is not date, T, time and zone (RFC 3339)"
        remarks.append(Remark(MEMBERS, WARN, f"{name} is {printable(written, 40)!r}, which {why}.", f"Send {name} as {example}."))
    return written


def epoch_ms(name: str, value: object, remarks: list[Remark]) -> int:
    """Check milliseconds since 1970, a whole number. Raises Refused."""
    if value is None:
        raise missing(name, "1769860800000")
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        detail = f"{name} is {_kind(value)} ({printable(str(value), 30)}); milliseconds since 1970 as a whole number are expected."
        raise bad_member(detail, f"Send {name} as a number such as 1769860800000 (Date.now() in JavaScript).")
    if not 0 <= value < 10**15:
        raise bad_member(f"{name} is {printable(str(value), 30)}, which is no time.", "Send milliseconds since 1970.")
    if 0 < value < _MILLISECONDS:
        detail = (
            f"{name} is {value:.0f}, which looks like seconds: in milliseconds it is in the year {1970 + int(value // 31_556_952_000)}."
        )
        remarks.append(Remark(MEMBERS, WARN, detail, "Multiply by 1000: milliseconds since 1970."))
    return int(value)


def number(name: str, value: object) -> int | float:
    """Check a number that is not negative. Raises Refused."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise bad_member(f"{name} is {printable(str(value), 30)}; a number of 0 or more is expected.", f"Send {name} as a number.")
    return value


def truth(name: str, value: object) -> bool:
    """Check true or false. Raises Refused."""
    if not isinstance(value, bool):
        raise bad_member(f"{name} is {_kind(value)}; true or false is expected.", f"Send {name} as true or false, without quotes.")
    return value


def mapping(name: str, value: object) -> Mapping[str, Any]:
    """Check an object. Raises Refused."""
    if not isinstance(value, dict):
        raise bad_member(f"{name} is {_kind(value)}; an object is expected.", f'Send {name} as {{"name": value, ...}}.')
    return value


def small_mapping(name: str, value: object) -> Mapping[str, Any]:
    """Check an object that is kept with the voice call: at most so long, written as JSON. Raises Refused."""
    read = mapping(name, value)
    size = len(json.dumps(read, ensure_ascii=False))
    if size > LONGEST_CONTENT:
        raise bad_member(f"{name} has {size} characters as JSON; at most {LONGEST_CONTENT} are taken.", f"Shorten {name}.")
    return read


def objects(name: str, value: object, most: int, code: str = "INVALID_FIELD") -> list[Mapping[str, Any]]:
    """Check an array of objects, not empty. Raises Refused."""
    if value is None:
        raise missing(name, "[{...}]")
    if value == []:
        raise bad_member(f"{name} is an empty array; a list of objects is expected, one at least.", f"Send {name} as [{{...}}].")
    if not isinstance(value, list):
        raise bad_member(f"{name} is {_kind(value)}; a list of objects is expected.", f"Send {name} as [{{...}}].")
    strange = next((f"{name}[{place}] is {_kind(one)}" for place, one in enumerate(value) if not isinstance(one, dict)), "")
    if strange:
        raise bad_member(f"{strange}; an object is expected.", f"Send {name} as [{{...}}].")
    if len(value) > most:
        raise bad_member(f"{name} has {len(value)} elements; at most {most} are taken.", "Send the rest with another request.", code)
    return value


def phone_number(name: str, value: str, remarks: list[Remark]) -> None:
    """Remark on a number that is not E.164; it is taken nevertheless."""
    if not _E164.fullmatch(value):
        detail = f"{name} is {printable(value, 40)!r}, which is no E.164 number."
        remarks.append(Remark(MEMBERS, WARN, detail, "Send + and country code, digits only: +15550100."))


def attributes(value: object, remarks: list[Remark]) -> tuple[Mapping[str, Any] | None, str]:
    """Read callAttributes, which is JSON inside a string: what it says, and why it cannot be used, a sentence."""
    fix = 'Send callAttributes as text that holds a JSON object: JSON.stringify({...}), so "{\\"name\\":\\"value\\"}".'
    if value is None or value == "":
        return None, ""
    trouble = ""
    read: Any = None
    if not isinstance(value, str):
        trouble = f"callAttributes is {_kind(value)}; JSON inside a string is expected"
    elif len(value) > LONGEST_CONTENT:
        trouble = f"callAttributes has {len(value)} characters; at most {LONGEST_CONTENT} are taken"
    else:
        try:
            read = json.loads(value, parse_constant=_constant)
        except (ValueError, RecursionError) as error:
            trouble = f"callAttributes holds no JSON: {_why(error)}"
    if not trouble and (not isinstance(read, dict) or _depth(read, 1) > DEEPEST):
        trouble = f"callAttributes holds {_kind(read)}; a JSON object that is not deep is expected"
    if trouble:
        remarks.append(Remark(ATTRIBUTES, WARN, f"{trouble}.", fix))
        return None, trouble
    return read, ""


def _alike(one: str, two: str) -> bool:
    """Whether one name is the other with another case or a slip."""
    return bool(get_close_matches(one[:80].lower(), [two.lower()], 1, 0.85))


def unknown(body: Body, known: Sequence[str], remarks: list[Remark]) -> None:
    """Remark on members that are not documented; they are ignored."""
    strange = [name for name in body if name not in known]
    if strange:
        listed = ", ".join(printable(name, 40) for name in strange[:5])
        near = next((f"Did you mean {word}? " for name in strange[:20] for word in known if _alike(name, word)), "")
        remarks.append(Remark(MEMBERS, WARN, f"Not documented here, and ignored: {listed}.", f"{near}Known: {', '.join(known)}."))
