"""The value of a User-to-User header as text: token or quoted-string, parameters, hex digits (RFC 7433 section 4.1).

Everything is read as far as it goes; what is wrong becomes a `UuiProblem` with its place in the value.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from sbc_sim.sip.text import TOKEN, printable, unquote
from sbc_sim.sip.uui_facts import UuiFault, UuiProblem
from sbc_sim.sip.uui_mask import mask_jwt

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_LIST = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|(,)', re.DOTALL)
_DATA_QUOTED = re.compile(rf"({_QUOTED})\s*", re.DOTALL)
_DATA_TOKEN = re.compile(r"[^;]*+")
_PARAMETER = re.compile(rf"\s*({TOKEN})\s*(?:=\s*({_QUOTED}|[^;\"\s]+)\s*)?(?=;|\Z)", re.DOTALL)
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]{8,}+={0,2}")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_SAMPLE = "56a390f3d2b7310023a"


@dataclass(frozen=True, slots=True)
class Value:
    """One User-to-User value, taken apart."""

    data: str
    """Token, or inside of the quoted-string."""
    places: range | tuple[int, ...]
    """Index in the value of each character of `data`."""
    parameters: tuple[tuple[str, str | None], ...] = ()
    problems: tuple[UuiProblem, ...] = ()

    def parameter(self, name: str) -> str | None:
        """Value of the first parameter of that name, empty for a flag, None when absent."""
        return next((value or "" for key, value in self.parameters if key.lower() == name), None)


def split_values(text: str) -> list[str]:
    """Split a header at its commas. A bare JSON text is one (wrong) value although it holds commas."""
    if text.lstrip()[:1] in ("{", "["):
        return [text.strip()]
    cuts = [match.start() for match in _LIST.finditer(text) if match[1]]
    parts = (text[a + 1 : b].strip() for a, b in zip([-1, *cuts], [*cuts, len(text)], strict=True))
    return [part for part in parts if part]


def parse_value(raw: str) -> Value:
    """Take one value apart. Raises nothing."""
    if raw.startswith('"'):
        return _quoted_value(raw)
    if raw[:1] in ("{", "["):
        return _bare_json(raw)
    match = _DATA_TOKEN.match(raw)
    data = match[0].rstrip() if match else ""
    return _with_parameters(raw, data, range(len(data)), len(match[0]) if match else 0)


def _quoted_value(raw: str) -> Value:
    match = _DATA_QUOTED.match(raw)
    if match is None:
        end = raw.find(";")
        inside = raw[1:] if end < 0 else raw[1:end]
        problem = UuiProblem(UuiFault.UNTERMINATED_QUOTE, "The quote that begins the value is never closed", 0)
        return _with_parameters(raw, inside, range(1, 1 + len(inside)), 1 + len(inside), (problem,))
    places = _places(match[1]) if "\\" in match[1] else range(1, len(match[1]) - 1)
    return _with_parameters(raw, unquote(match[1]), places, match.end())


def _places(quoted: str) -> tuple[int, ...]:
    return tuple(match.end() - 1 for match in re.finditer(r"\\?.", quoted[:-1], re.DOTALL))[1:]


def _bare_json(raw: str) -> Value:
    end = max(raw.rfind("}"), raw.rfind("]")) + 1 or len(raw)
    detail = f"The character {raw[0]} can stand neither in a token nor begin a quoted-string: the JSON text must be hex-encoded"
    problem = UuiProblem(UuiFault.BAD_GRAMMAR, detail, 0)
    return _with_parameters(raw, raw[:end], range(end), end, (problem,))


def _with_parameters(raw: str, data: str, places: range | tuple[int, ...], end: int, problems: tuple[UuiProblem, ...] = ()) -> Value:
    parameters, more = _read_parameters(raw, end)
    return Value(data, places, parameters, problems + more)


def _read_parameters(raw: str, at: int) -> tuple[tuple[tuple[str, str | None], ...], tuple[UuiProblem, ...]]:
    found: dict[str, tuple[str, str | None]] = {}
    problems: list[UuiProblem] = []
    while at < len(raw):
        match = _PARAMETER.match(raw, at + 1) if raw[at] == ";" else None
        if match is None:
            problems.append(_bad_parameter(raw, at))
            at = raw.find(";", at + 1)
            if at < 0:
                break
            continue
        name, value = match[1], match[2]
        if name.lower() in found:
            detail = f"The parameter {printable(name, 40)} is there twice"
            problems.append(UuiProblem(UuiFault.DUPLICATE_PARAMETER, detail, match.start(1)))
        else:
            found[name.lower()] = (name, None if value is None else unquote(value))
        at = match.end()
    return tuple(found.values()), tuple(problems[:8])


def _bad_parameter(raw: str, at: int) -> UuiProblem:
    rest = raw[at + 1 :].partition(";")[0]
    if raw[at] != ";":
        detail = f"Only parameters may follow the data, not {printable(raw[at:], 40)}"
    elif not rest.strip():
        at, detail = at, "A semicolon without a parameter behind it"
    else:
        at, detail = at + 1, f"Not of the form name or name=value: {printable(rest.strip(), 40)}"
    return UuiProblem(UuiFault.BAD_GRAMMAR, detail, at)


# --- parameters that RFC 7433 knows -------------------------------------------------------------------------------------------


def parameter_problems(value: Value, raw: str, readable: bool = True) -> list[UuiProblem]:
    """What is to be said about encoding and purpose (requirements 53 and 56); `readable`: the data could be decoded."""
    problems = []
    encoding, purpose = value.parameter("encoding"), value.parameter("purpose")
    if encoding is None:
        seen = "read as hex; " if readable else ""
        problems.append(UuiProblem(UuiFault.NO_ENCODING, f"No encoding parameter: {seen}send ;encoding=hex"))
    elif encoding.lower() != "hex":
        detail = f"encoding is {printable(encoding, 40) or 'empty'}; the only registered one is hex"
        problems.append(UuiProblem(UuiFault.OTHER_ENCODING, detail, _place_of(raw, "encoding")))
    if purpose is None:
        problems.append(UuiProblem(UuiFault.NO_PURPOSE, "No purpose parameter (RFC 7434 names isdn-uui)"))
    elif purpose.lower() != "isdn-uui":
        detail = f"purpose is {printable(purpose, 40) or 'empty'}, not isdn-uui"
        problems.append(UuiProblem(UuiFault.OTHER_PURPOSE, detail, _place_of(raw, "purpose")))
    return problems


def _place_of(raw: str, name: str) -> int | None:
    match = re.search(rf";\s*{name}\s*(?:=\s*)?", raw, re.IGNORECASE)
    return match.end() if match else None


# --- data to octets -------------------------------------------------------------------------------------------------------------


def read_data(value: Value) -> tuple[bytes | None, list[UuiProblem]]:
    """Decode the data by its encoding: hex, or (requirement 53, lenient) one of the inventions that vendors use."""
    if not value.data.strip():
        return None, [UuiProblem(UuiFault.EMPTY, "The value holds no data", value.places[0] if value.places else 0)]
    encoding = (value.parameter("encoding") or "hex").lower()
    if encoding == "hex":
        return _read_hex(value)
    return _read_other(value.data, encoding), []


def _read_other(data: str, encoding: str) -> bytes | None:
    octets = data.encode("utf-8", "surrogateescape")
    if encoding in ("ascii", "text", "utf8", "utf-8"):
        return octets
    if encoding in ("escaped", "percent", "url"):
        return unquote_to_bytes(octets)
    if encoding == "base64":
        return _base64(data)
    return None if _NOT_HEX.search(data) or len(data) % 2 else bytes.fromhex(data)


def _read_hex(value: Value) -> tuple[bytes | None, list[UuiProblem]]:
    data, skipped, problems = value.data, 0, []
    if data[:2] in ("0x", "0X") and not _NOT_HEX.search(data[2:].strip()):
        problems.append(UuiProblem(UuiFault.HEX_PREFIX, f"{data[:2]} stands before the digits; RFC 7433 has no prefix", value.places[0]))
        data, skipped = data[2:], 2
    if (blank := re.search(r"\s", data)) is not None and not _NOT_HEX.search(joined := re.sub(r"\s+", "", data)):
        detail = "A blank stands among the hex digits (perhaps a folded header line)"
        problems.append(UuiProblem(UuiFault.BLANK_INSIDE, detail, value.places[skipped + blank.start()]))
        data = joined
    elif (bad := _NOT_HEX.search(data)) is not None:
        return None, [*problems, _not_hex(data, bad.start(), value.places[skipped + bad.start()])]
    if len(data) % 2:
        problems.append(_odd(data, value.places[-1]))
    return bytes.fromhex(data[: len(data) // 2 * 2]), problems


def _odd(data: str, place: int) -> UuiProblem:
    detail = f"{len(data)} hex digits: the number must be even, two for each octet; the last digit {data[-1]} has no partner"
    if data.lower().startswith(_SAMPLE) and len(data) == len(_SAMPLE):
        detail += "; this is the sample value printed in RFC 7433, which itself has an odd number of digits: do not copy it"
    elif len(data) > 100:
        detail += "; perhaps a limit on the way cut the value"
    return UuiProblem(UuiFault.ODD_DIGITS, detail, place)


def _not_hex(data: str, index: int, place: int) -> UuiProblem:
    """Data that is no hex: say what it looks like."""
    first = f"{printable(data[index])!r} at index {place} is no hex digit"
    if (decoded := _percent(data)) is not None:
        return UuiProblem(UuiFault.LOOKS_PERCENT_ENCODED, f"{first}; the value looks percent-encoded: {_quoted(decoded)}", place)
    if (octets := _base64(data)) is not None and (text := _clear(octets)) is not None:
        return UuiProblem(UuiFault.LOOKS_BASE64, f"{first}; the value looks like base64 of {_quoted(text)}", place)
    if data.lstrip()[:1] in ("{", "["):
        return UuiProblem(UuiFault.LOOKS_PLAIN_TEXT, f"{first}; the value is JSON in clear: {_quoted(data)}; hex-encode it", place)
    strange = len(_NOT_HEX.findall(data))
    if (separator := re.fullmatch(r"[0-9A-Fa-f]{2}(?:([:.\-])[0-9A-Fa-f]{2})+", data)) is not None:
        return UuiProblem(UuiFault.NOT_HEX, f"{first}; leave out the {separator[1]} between the octets", place)
    if strange * 2 > len(data) and not any(0xDC80 <= ord(char) <= 0xDCFF for char in data):
        return UuiProblem(UuiFault.LOOKS_PLAIN_TEXT, f"{first}; the value looks like text in clear: {_quoted(data)}; hex-encode it", place)
    return UuiProblem(UuiFault.NOT_HEX, f"{first} ({strange} of {len(data)} characters are none)", place)


def _quoted(text: str) -> str:
    return printable(mask_jwt(text), 40)


def _percent(data: str) -> str | None:
    return _clear(unquote_to_bytes(data.encode("utf-8", "surrogateescape"))) if _PERCENT.search(data) else None


def _base64(data: str) -> bytes | None:
    if not _BASE64.fullmatch(data):
        return None
    plain = data.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _clear(octets: bytes) -> str | None:
    """Octets as text when they are text that people could have meant."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if re.sub(r"[\r\n\t]", " ", text).isprintable() else None
