"""What the octets of a User-to-User header hold: text, JSON, fields, a JWT. Nothing here is verified, only told."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sbc_sim.sip.text import printable
from sbc_sim.sip.uui_facts import Jwt, UuiExpectation, UuiFault, UuiProblem
from sbc_sim.sip.uui_mask import hide_jwt, mask_jwt

_DEPTH_CAP = 100
"""Whatever is configured: Python's JSON reader descends by recursion."""
_DIGITS_CAP = 300
_WANTED = ("orgId", "scrt2Domain")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+("|\\?\Z)|([\[{])|([\]}])|(-?(?:NaN|Infinity))', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_JWT_SHAPE = re.compile(r"eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*")
_KINDS: dict[type, str] = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a number", float: "a number"}


@dataclass(slots=True)
class Content:
    """What was found; filled step by step."""

    decoded: bytes
    leading_octet: int | None = None
    text: str | None = None
    fields: dict[str, object] | None = None
    named: dict[str, str] | None = None
    jwt: Jwt | None = None
    room: tuple[tuple[str, int], ...] = ()
    is_echo: bool = False
    problems: list[UuiProblem] = field(default_factory=list)

    def say(self, fault: UuiFault, detail: str, position: int | None = None) -> None:
        """Note a problem of the decoded content."""
        self.problems.append(UuiProblem(fault, detail, position, "decoded"))


def read_content(octets: bytes, expectation: UuiExpectation, discriminator: str | None = None, cut: bool = False) -> Content:
    """Read decoded octets. `discriminator` is the pd parameter; `cut` tells that a digit was already missing. Raises nothing."""
    content = Content(octets)
    _strip_leading_octet(content, expectation, discriminator)
    if not _read_text(content):
        return content
    text = content.text or ""
    if text.startswith("\ufeff"):
        content.say(UuiFault.BOM, "A byte order mark stands before the text; JSON has none (RFC 8259 section 8.1)", 0)
    if (inner := _double(text)) is not None:
        detail = f"Hex was encoded twice: the decoded text is again hex digits, and they say {printable(mask_jwt(inner), 40)}"
        content.say(UuiFault.DOUBLE_ENCODED, detail, 0)
        return content
    value = _read_json(content, text, expectation.max_depth, cut)
    if isinstance(value, dict):
        _name_fields(content, value, expectation)
    elif value is not _NOTHING:
        kind = "null" if value is None else _KINDS.get(type(value), "a value")
        content.say(UuiFault.NOT_OBJECT, f"The JSON text is {kind}, not an object", _first(text))
    return content


# --- octets to text ---------------------------------------------------------------------------------------------------------


def _strip_leading_octet(content: Content, expectation: UuiExpectation, discriminator: str | None) -> None:
    octets = content.decoded
    known = {0, 4}
    if discriminator and re.fullmatch(r"[0-9A-Fa-f]{1,2}", discriminator):
        known.add(int(discriminator, 16))
    if len(octets) < 2 or octets[0] not in known or not _is_text(octets[1:]):
        return
    content.leading_octet, content.decoded = octets[0], octets[1:]
    what = "stripped" if expectation.leading_octet == "strip" else "not wanted here"
    detail = f"One octet {octets[0]:02x} stands before the text, as the protocol discriminator of RFC 7434 does: {what}"
    content.say(UuiFault.LEADING_OCTET, detail, 0)


def _is_text(octets: bytes) -> bool:
    if octets[:1] in (b"{", b"["):
        return True
    try:
        return octets.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _read_text(content: Content) -> bool:
    try:
        content.text = content.decoded.decode("utf-8")
    except UnicodeDecodeError as error:
        octet = content.decoded[error.start]
        detail = f"Octet {octet:02x} at index {error.start} of the decoded data is no UTF-8"
        if content.decoded[:2] in (b"\xff\xfe", b"\xfe\xff"):
            detail += "; it begins with the byte order mark of UTF-16"
        elif octet >= 0xA0 and chr(octet).isprintable():
            detail += f"; in Latin-1 it would be {chr(octet)}"
        content.say(UuiFault.NOT_UTF8, detail, error.start)
        return False
    return True


def _double(text: str) -> str | None:
    """The inner text when the decoded text is hex digits once more; a number that happens to be hex is left alone."""
    if len(text) < 4 or len(text) % 2 or not re.fullmatch(r"[0-9A-Fa-f]+", text):
        return None
    inner = bytes.fromhex(text)
    if not _is_text(inner):
        return None
    wanted = inner[:1] in (b"{", b"[") or (re.search(r"[A-Fa-f]", text) and re.search(rb"[A-Za-z]{2}", inner))
    return inner.decode("utf-8", "replace") if wanted else None


# --- text to JSON -----------------------------------------------------------------------------------------------------------

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What one pass over a JSON text tells without building it."""

    depth: int = 0
    deepest: int = 0
    open_string: int | None = None
    """Where a string begins that the text does not end."""
    open_brackets: int = 0
    constant: int | None = None
    """Where NaN or Infinity stands outside of strings."""


def _shape_of(text: str) -> _Shape:
    depth = deepest = where = 0
    open_string = constant = None
    for match in _STRUCTURE.finditer(text):
        if match[2]:
            depth += 1
            if depth > deepest:
                deepest, where = depth, match.start()
        elif match[3]:
            depth -= 1
        elif match[4]:
            constant = match.start() if constant is None else constant
        elif match[1] != '"':
            open_string = match.start()
    return _Shape(deepest, where, open_string, depth, constant)


def _first(text: str) -> int:
    """Index of the first character that is no white space of JSON."""
    body = text.lstrip("\ufeff \t\r\n")
    return len(text) - len(body)


def _read_json(content: Content, text: str, max_depth: int, cut: bool) -> object:
    shape = _shape_of(text)
    if shape.depth > min(max_depth, _DEPTH_CAP):
        detail = f"JSON is nested {shape.depth} deep, the limit is {min(max_depth, _DEPTH_CAP)}"
        content.say(UuiFault.TOO_DEEP, detail, shape.deepest)
        return _NOTHING
    twice: list[str] = []
    try:
        value, end = _decoder(twice).raw_decode(text, _first(text))
    except _NotJson:
        content.say(UuiFault.NOT_JSON, "NaN and Infinity are no JSON numbers", shape.constant)
        return _NOTHING
    except json.JSONDecodeError as error:
        _say_not_json(content, text, error, shape, cut)
        return _NOTHING
    for name in twice[:3]:
        content.say(
            UuiFault.DUPLICATE_KEY,
            f"The key {printable(name, 40)!r} is there twice; readers differ in which one counts",
            _second(text, name),
        )
    rest = text[end:].lstrip(" \t\r\n")
    if rest:
        detail = f"Text follows the end of the JSON: {printable(hide_jwt(text)[-len(rest) :], 40)}"
        content.say(UuiFault.TRAILING_TEXT, detail, len(text) - len(rest))
    return _without_surrogates(value) if _ESCAPED_SURROGATE.search(text) else value


class _NotJson(Exception):
    """Python's reader would take NaN and Infinity; JSON does not have them."""


def _decoder(twice: list[str]) -> json.JSONDecoder:
    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen and key not in twice:
                    twice.append(key)
                seen.add(key)
        return found

    def constant(_: str) -> object:
        raise _NotJson

    return json.JSONDecoder(object_pairs_hook=members, parse_int=_integer, parse_float=_float, parse_constant=constant)


def _integer(digits: str) -> object:
    # Python refuses to convert thousands of digits; such a number is kept as it was written.
    return int(digits) if len(digits) <= _DIGITS_CAP else digits


def _float(digits: str) -> object:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _second(text: str, name: str) -> int | None:
    written = {json.dumps(name), json.dumps(name, ensure_ascii=False)}
    places = [match.start() for match in re.finditer(r'"(?:[^"\\]|\\.)*+"(?=\s*:)', text) if match[0] in written]
    return places[1] if len(places) > 1 else None


def _without_surrogates(value: object) -> object:
    """Lone surrogates can be written in JSON but not in UTF-8: show them as replacement characters."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", key): _without_surrogates(item) for key, item in value.items()}
    return value


def _say_not_json(content: Content, text: str, error: json.JSONDecodeError, shape: _Shape, cut: bool) -> None:
    if _is_truncated(text, error.pos, shape):
        octets = len(content.decoded) + (content.leading_octet is not None)
        inside = "inside a string" if shape.open_string is not None else f"with {shape.open_brackets} brackets open"
        detail = (
            f"JSON is cut after {octets} octets, {inside}: a limit on the way (many platforms cap user-to-user data at 128 or 256 octets)"
            + ("; the odd number of digits says the same" if cut else "")
        )
        content.say(UuiFault.TRUNCATED_JSON, detail, len(text))
        return
    seen = printable(hide_jwt(text)[error.pos :] or "the end", 40)
    hint = _hint(text)
    where = f"{error.msg} at index {error.pos}, where there is {seen}"
    content.say(UuiFault.NOT_JSON, f"The decoded text is no JSON{hint}: {where}", error.pos)


def _is_truncated(text: str, place: int, shape: _Shape) -> bool:
    if text[_first(text) :][:1] not in ("{", "[", '"'):
        return False
    if shape.open_string is not None:
        return place >= shape.open_string
    rest = text[place:].strip()
    return shape.open_brackets > 0 and (not rest or rest == "-" or any(word.startswith(rest) for word in ("true", "false", "null")))


_HINTS = (
    (re.compile(r"eyJ[A-Za-z0-9_\-]+\."), " but a token alone"),
    (re.compile(r"\{\s*'"), " (keys and strings want double quotes)"),
    (re.compile(r"\{\s*[A-Za-z_]\w*\s*:"), " (keys want double quotes)"),
    (re.compile(r"<"), " but looks like XML"),
    (re.compile(r"[\w.\-]+=[^&]*"), " but looks like form data"),
    (re.compile(r".\0", re.DOTALL), " (it looks like UTF-16, which JSON in SIP is not)"),
    (re.compile(r"[^\x00-\x1f\x7f]+", re.DOTALL), " but plain text"),
)


def _hint(text: str) -> str:
    body = text[_first(text) :]
    if body[:1] in ("{", "[") and not (_HINTS[1][0].match(body) or _HINTS[2][0].match(body) or "\0" in body[:2]):
        return ""
    if body[1:2] == "{" and not body[:1].isprintable():
        return f" (an octet {ord(body[0]):02x} stands before it)"
    return next((hint for pattern, hint in _HINTS if pattern.match(body)), "")


# --- JSON to fields ---------------------------------------------------------------------------------------------------------


def _name_fields(content: Content, members: dict[str, object], expectation: UuiExpectation) -> None:
    content.fields = members
    content.room = _room(members)
    content.named = _named(members, expectation.aliases)
    _check_fields(content, members, expectation.wanted)
    _check_echo(content, members, expectation)
    _find_jwt(content, members, expectation.max_depth)


def _room(members: dict[str, object]) -> tuple[tuple[str, int], ...]:
    sizes = [(key, len(json.dumps({key: value}, ensure_ascii=False, separators=(",", ":")).encode()) - 2) for key, value in members.items()]
    return tuple(sorted(sizes, key=lambda item: -item[1])[:16])


def _named(members: dict[str, object], aliases: Sequence[tuple[str, str]]) -> dict[str, str]:
    named: dict[str, str] = {}
    for key, name in (*((name, name) for name in _WANTED), *aliases):
        if key in members:
            named.setdefault(name, key)
    return named


def _check_fields(content: Content, members: dict[str, object], wanted: Sequence[str]) -> None:
    named = content.named or {}
    for name in wanted:
        if name not in named:
            alike = next((key for key in members if key.lower() == name.lower()), None)
            hint = f" ({printable(alike, 40)} is there, but keys are case-sensitive)" if alike else ""
            content.say(UuiFault.MISSING_KEY, f"The key {name} is missing{hint}")
    for name, key in named.items():
        if not isinstance(value := members[key], str) or not value:
            seen = "null" if value is None else "empty" if value == "" else _KINDS.get(type(value), "a value")
            content.say(UuiFault.WRONG_VALUE_TYPE, f"{printable(key, 40)} ({name}) should be a string with something in it and is {seen}")


def _check_echo(content: Content, members: dict[str, object], expectation: UuiExpectation) -> None:
    named = content.named or {}
    org, domain = (members.get(named.get(name, "")) for name in _WANTED)
    if org != expectation.echo_org:
        return
    content.is_echo = domain == expectation.echo_domain
    if not content.is_echo and isinstance(domain, str):
        detail = f"orgId is that of the echo test, but scrt2Domain is {printable(domain, 60)} and not {expectation.echo_domain}"
        content.say(UuiFault.ECHO_DOMAIN_DIFFERS, detail)


# --- JWT --------------------------------------------------------------------------------------------------------------------


def _find_jwt(content: Content, members: dict[str, object], max_depth: int) -> None:
    key = (content.named or {}).get("jwt")
    if key is None:
        key = next((name for name, value in members.items() if isinstance(value, str) and _JWT_SHAPE.fullmatch(value)), None)
    if key is None or not isinstance(token := members[key], str) or not token:
        return
    decoded = decode_jwt(token, key)
    if isinstance(decoded, Jwt):
        content.jwt = decoded
    else:
        content.say(UuiFault.BAD_JWT, f"{printable(key, 40)} does not decode as a JWT: {decoded}")


def decode_jwt(token: str, key: str = "") -> Jwt | str:
    """Decode a JWT without verifying it (RFC 7519). Returns the reason when it is none; raises nothing."""
    parts = token.split(".")
    if len(parts) != 3:
        return f"{len(parts)} parts between dots instead of 3"
    objects: list[dict[str, object]] = []
    for name, part in zip(("header", "claims"), parts, strict=False):
        value = _jwt_object(part)
        if isinstance(value, str):
            return f"its {name} {value}"
        objects.append(value)
    if (bad := re.search(r"[^A-Za-z0-9_\-]", parts[2])) is not None:
        return f"its signature has {printable(bad[0])!r} at index {bad.start()}, which is not base64url"
    return Jwt(objects[0], objects[1], key, len(token), f"{token[:10]}...")


def _jwt_object(part: str) -> dict[str, object] | str:
    if (bad := re.search(r"[^A-Za-z0-9_\-]", part)) is not None:
        return f"has {printable(bad[0])!r} at index {bad.start()}, which is not base64url"
    try:
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return "is not base64url of text"
    probe = Content(b"")
    value = _read_json(probe, text, _DEPTH_CAP // 2, cut=False)
    return value if isinstance(value, dict) else "is not a JSON object"
