"""The User-to-User header (RFC 7433, RFC 7434): grammar, hex, and what is inside.

`read` never raises: every malformed shape is a `UuiProblem` with the position of the first bad character.
What a problem means for the call is the rules room's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import NameAddr
from sbc_sim.sip.message import HeaderField, Headers, Message, Request
from sbc_sim.sip.text import TOKEN, printable, quote
from sbc_sim.sip.uri import Uri
from sbc_sim.sip.uui_content import Content, decode_jwt, read_content
from sbc_sim.sip.uui_facts import Jwt, Uui, UuiExpectation, UuiFault, UuiProblem
from sbc_sim.sip.uui_grammar import parameter_problems, parse_value, read_data, split_values
from sbc_sim.sip.uui_mask import mask, mask_jwt, mask_value

__all__ = [
    "ECHO_FIELDS",
    "Jwt",
    "Uui",
    "UuiExpectation",
    "UuiFault",
    "UuiProblem",
    "decode_jwt",
    "encode",
    "found_elsewhere",
    "mask",
    "mask_jwt",
    "mask_value",
    "read",
]

NAME = "User-to-User"
X_NAME = "X-User-to-User"
ECHO_FIELDS = {"orgId": "echo-test-org", "scrt2Domain": "afv-wss-echo:7442"}
"""Content that selects the echo test."""
_NOTES = {UuiFault.NO_ENCODING, UuiFault.NO_PURPOSE}
"""Said last: what is wrong comes before what is only worth a note."""
_VALUE_CAP = 16384
_VALUES_CAP = 8


# --- reading ----------------------------------------------------------------------------------------------------------------


def read(headers: Headers, expectation: UuiExpectation, elsewhere: str = "") -> Uui:
    """Read the User-to-User header of a message.

    `elsewhere` names another place in which a User-to-User was seen (requirement 67), empty when none; see `found_elsewhere`.
    """
    fields = headers.fields(NAME) or (headers.fields(X_NAME) if expectation.x_header else [])
    values = [(item, value) for item in fields for value in split_values(item.value)]
    if not fields:
        return Uui(None, problems=(_missing(headers, elsewhere),))
    if not values:
        return _empty(fields[0])
    if len(values) == 1:
        return _read_value(*values[0], expectation)
    return _choose(values, expectation)


def _missing(headers: Headers, elsewhere: str) -> UuiProblem:
    if elsewhere:
        return UuiProblem(UuiFault.ELSEWHERE, f"{NAME} is not a header of the message, but was found in {elsewhere}")
    alike = next((item.name for item in headers if re.sub(r"[^a-z]", "", item.name.lower()) in _ALIKE), None)
    hint = f"; {printable(alike, 40)} is there, but is not read" if alike else ""
    return UuiProblem(UuiFault.MISSING, f"There is no {NAME} header{hint}")


_ALIKE = {"usertouser", "xusertouser", "uui", "xuui", "usertouserinfo", "usertouserinformation", "xusertouserinfo"}


def _empty(item: HeaderField) -> Uui:
    problem = UuiProblem(UuiFault.EMPTY, f"{item.name} is there, but empty", 0)
    return Uui(item.value, item.name, line_length=_line_length(item), problems=(problem,))


def _choose(values: list[tuple[HeaderField, str]], expectation: UuiExpectation) -> Uui:
    chosen, which = _read_value(*values[0], expectation), "the first"
    if expectation.several == "first_json" and chosen.fields is None:
        candidates = (_read_value(*value, expectation) for value in values[1:_VALUES_CAP])
        better = next((candidate for candidate in candidates if candidate.fields is not None), None)
        chosen, which = (better, "the first with a JSON object") if better else (chosen, which)
    detail = f"{len(values)} {NAME} values, one is wanted; {which} was read"
    return replace(chosen, problems=(UuiProblem(UuiFault.SEVERAL, detail), *chosen.problems))


def _line_length(item: HeaderField) -> int:
    return len(f"{item.name}: {item.value}".encode("utf-8", "surrogateescape"))


def _read_value(item: HeaderField, raw: str, expectation: UuiExpectation) -> Uui:
    line = _line_length(item)
    if len(raw) > _VALUE_CAP:
        detail = f"The value has {len(raw)} characters; beyond {_VALUE_CAP} none is read"
        return Uui(raw, item.name, value_length=len(raw), line_length=line, problems=(UuiProblem(UuiFault.OVER_LIMIT, detail, _VALUE_CAP),))
    value = parse_value(raw)
    octets, problems = read_data(value)
    problems = [*value.problems, *problems, *parameter_problems(value, raw, readable=octets is not None)]
    uui = Uui(raw, item.name, value.data, value.parameters, value_length=len(value.data), line_length=line)
    content = None
    if octets is not None:
        cut = any(problem.fault is UuiFault.ODD_DIGITS for problem in problems)
        content = read_content(octets, expectation, value.parameter("pd"), cut)
        problems += content.problems
        uui = _with_content(uui, content, len(octets))
    problems += _over_limit(uui, expectation, value.places[0] if value.places else 0)
    return replace(uui, problems=tuple(sorted(problems, key=lambda problem: problem.fault in _NOTES)))


def _with_content(uui: Uui, content: Content, length: int) -> Uui:
    return replace(
        uui,
        decoded=content.decoded,
        leading_octet=content.leading_octet,
        text=content.text,
        fields=content.fields,
        named=content.named,
        jwt=content.jwt,
        room=content.room,
        is_echo=content.is_echo,
        decoded_length=length,
    )


def _over_limit(uui: Uui, expectation: UuiExpectation, start: int) -> list[UuiProblem]:
    lengths = {"value": uui.value_length, "decoded": uui.decoded_length, "line": uui.line_length}
    size, limit = lengths.get(expectation.limit_scope, uui.value_length), expectation.limit
    if size <= limit:
        return []
    room = ", ".join(f"{printable(key, 40)} {octets}" for key, octets in uui.room[:3])
    detail = (
        f"{size} is above the limit of {limit}, counted on the {expectation.limit_scope} (hex digits {uui.value_length}, "
        f"octets decoded {uui.decoded_length}, whole line {uui.line_length})" + (f"; most octets go to: {room}" if room else "")
    )
    return [UuiProblem(UuiFault.OVER_LIMIT, detail, start + limit if expectation.limit_scope == "value" else None)]


# --- other places -----------------------------------------------------------------------------------------------------------


def found_elsewhere(message: Message) -> str:
    """Name the first URI of a message that carries User-to-User as a URI header (RFC 7433 section 4.2); empty when none does."""
    if isinstance(message, Request) and _in_uri(message.uri):
        return "the Request-URI (?User-to-User=...)"
    for name in ("Refer-To", "Contact", "To", "Referred-By", "Route", "Diversion", "History-Info"):
        if any("?" in value and _in_uri(value) for value in message.headers.listed(name)):
            return f"the URI of {name} (?User-to-User=...)"
    return ""


def _in_uri(text: str) -> bool:
    if "user-to-user" not in text.lower():
        return False
    try:
        uri = NameAddr.parse(text, "URI").uri if "<" in text else Uri.parse(text, "URI")
    except MalformedMessage:
        return False
    return uri.header(NAME) is not None


# --- writing ----------------------------------------------------------------------------------------------------------------


def encode(
    content: str | bytes | Mapping[str, object],
    *,
    purpose: str | None = None,
    content_type: str | None = None,
    encoding: str | None = "hex",
    leading_octet: int | None = None,
) -> str:
    """Make a header value: hex digits and parameters (RFC 7433 section 4.1).

    A mapping becomes compact JSON; None leaves a parameter out.
    """
    if isinstance(content, Mapping):
        content = json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
    octets = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if leading_octet is not None:
        octets = bytes([leading_octet]) + octets
    named = (("encoding", encoding), ("purpose", purpose), ("content", content_type))
    return octets.hex() + "".join(f";{name}={_token(value)}" for name, value in named if value is not None)


def _token(value: str) -> str:
    return value if re.fullmatch(TOKEN, value) else quote(value)
