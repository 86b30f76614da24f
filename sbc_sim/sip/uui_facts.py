"""What can be told about a User-to-User header, as values: faults with their places, lengths, content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UuiFault(StrEnum):
    """Every shape in which a User-to-User header can be wrong, told apart."""

    MISSING = "missing"
    EMPTY = "empty"
    ELSEWHERE = "elsewhere"
    """Found only in a URI header or another place, not as a header of the INVITE (requirement 67)."""
    SEVERAL = "several"
    BAD_GRAMMAR = "bad-grammar"
    """Neither token nor quoted-string, or parameters that do not parse (e.g. bare JSON)."""
    UNTERMINATED_QUOTE = "unterminated-quote"
    DUPLICATE_PARAMETER = "duplicate-parameter"
    NO_ENCODING = "no-encoding"
    OTHER_ENCODING = "other-encoding"
    NO_PURPOSE = "no-purpose"
    OTHER_PURPOSE = "other-purpose"
    ODD_DIGITS = "odd-digits"
    NOT_HEX = "not-hex"
    HEX_PREFIX = "hex-prefix"
    """0x in front."""
    BLANK_INSIDE = "blank-inside"
    LOOKS_BASE64 = "looks-base64"
    LOOKS_PLAIN_TEXT = "looks-plain-text"
    LOOKS_PERCENT_ENCODED = "looks-percent-encoded"
    DOUBLE_ENCODED = "double-encoded"
    """The decoded text is itself hex digits that decode to JSON or text."""
    NOT_UTF8 = "not-utf8"
    LEADING_OCTET = "leading-octet"
    """One octet (00, 04, or as said by pd=) before the text."""
    BOM = "bom"
    NOT_JSON = "not-json"
    TRUNCATED_JSON = "truncated-json"
    """JSON cut in the middle: a length limit on the way."""
    TRAILING_TEXT = "trailing-text"
    NOT_OBJECT = "not-object"
    """JSON but an array, string, number ..."""
    DUPLICATE_KEY = "duplicate-key"
    TOO_DEEP = "too-deep"
    MISSING_KEY = "missing-key"
    WRONG_VALUE_TYPE = "wrong-value-type"
    OVER_LIMIT = "over-limit"
    ECHO_DOMAIN_DIFFERS = "echo-domain-differs"
    """orgId of the echo test with another scrt2Domain (requirement 64)."""
    BAD_JWT = "bad-jwt"
    """A field that should hold a JWT does not decode as one."""


@dataclass(frozen=True, slots=True)
class UuiProblem:
    """One thing that is wrong, with its place."""

    fault: UuiFault
    detail: str
    """One sentence with the values seen."""
    position: int | None = None
    """Index from 0 of the first bad character: in ``raw`` for faults of grammar and hex, in ``text`` for faults of UTF-8 and JSON."""
    within: str = "value"
    """``value`` (the header value) or ``decoded``."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """A decoded, unverified JWT."""

    header: dict[str, object]
    claims: dict[str, object]
    key: str
    """JSON key that held it."""
    length: int
    masked: str
    """First characters and ``...``: safe to show."""


@dataclass(frozen=True, slots=True)
class Uui:
    """All that can be told about the User-to-User header of one message."""

    raw: str | None
    """Header value as received (the chosen one when there are several); None when missing."""
    header_name: str = "User-to-User"
    data: str | None = None
    """The token or the inside of the quoted-string: the hex digits."""
    parameters: tuple[tuple[str, str | None], ...] = ()
    decoded: bytes | None = None
    """After hex decoding and after stripping a leading octet."""
    leading_octet: int | None = None
    text: str | None = None
    """Decoded octets as UTF-8, when they are."""
    fields: dict[str, object] | None = None
    """Members of the JSON object."""
    named: dict[str, str] | None = None
    """Field name (orgId, scrt2Domain, callId, jwt ...) -> JSON key that carried it."""
    jwt: Jwt | None = None
    value_length: int = 0
    """Hex digits."""
    line_length: int = 0
    """Whole header line without CRLF."""
    decoded_length: int = 0
    """Octets after decoding (leading octet included)."""
    room: tuple[tuple[str, int], ...] = ()
    """What takes the room: JSON key and octets of the member with its key, largest first. In hex each octet takes two digits."""
    is_echo: bool = False
    """The echo test payload of facts.md 1.4, keys in any order, extra keys allowed."""
    problems: tuple[UuiProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class UuiExpectation:
    """Settings that reading needs."""

    several: str = "refuse"  # refuse | first | first_json
    leading_octet: str = "strip"  # strip | refuse
    x_header: bool = False
    limit: int = 1024
    limit_scope: str = "value"  # value | decoded | line
    max_depth: int = 8
    aliases: tuple[tuple[str, str], ...] = ()
    echo_org: str = "echo-test-org"
    echo_domain: str = "afv-wss-echo:7442"
    wanted: tuple[str, ...] = ("orgId", "scrt2Domain")
    """Keys that are missed when they are not there; what a call back carries is for the flow to say, so none is wanted of it."""
