"""Masking of secrets and of control characters, for everything that leaves the journal.

Masked are SDES keys (``inline:``, RFC 4568), JWTs and values called a token (in clear, and inside the hex or Base64 of a User-to-User
value, even a damaged one), credentials in Authorization headers, and passwords in URIs. What is around a masked piece stays, so that a
reader sees what was there and how long it was.

Method: `_spans` finds where secrets stand; encoded runs are decoded and searched too, and their spans are mapped back onto the digits.
`exports/filling` overwrites the same places without a change of length.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sbc_sim.sip.text import printable

SHOWN = 4
"""Characters of a token that stay: enough to see that it is a JWT (``eyJh``)."""

DEEPEST = 2
"""Encodings within each other that are searched: double-encoded hex is a known mistake."""

SECRET_NAME = r"[\w\-]{0,40}(?:jwt|token|secret|passw|(?:api|access)_?-?key|credential|cookie|session_?id)[\w\-]{0,40}"
"""Not ``Session-ID``: that is a header field of SIP (RFC 7989) by which calls are found."""
_FOLD = r"\r?\n[ \t]+"

_WHOLE = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.ASCII)
    for pattern in (
        r"inline:[ \t]*(?P<secret>[^|;\s\[]+)",
        r"^a=crypto:\S+[ \t]+\S+[ \t]+(?!inline:)(?P<secret>[A-Za-z0-9+/=_\-]{16,})",
        r"^k=[a-z0-9]+:(?P<secret>[^\r\n\[]+)",
        r"^a=ice-pwd:(?P<secret>\S+)",
        r"^a=key-mgmt:[^\s\[]+[ \t]+(?P<secret>[A-Za-z0-9+/=_\-]+)",
        rf"^(?:proxy-)?authorization[ \t]*:[ \t]*+(?:[a-z]+[ \t]++)?+(?P<secret>(?:[^\r\n\[]|{_FOLD})+)",
        rf"^{SECRET_NAME}[ \t]*:[ \t]*+(?P<secret>(?:[^\r\n\[]|{_FOLD})+)",
        r"\bbearer[ \t]+(?P<secret>[\w\-.~+/=]{8,})",
        r"\bbasic[ \t]+(?-i:(?=.[a-z]*[A-Z0-9+/=]))(?P<secret>[A-Za-z0-9+/=]{8,})",
        r"\bsips?:[^\s:@;<>\"]{1,256}+:(?P<secret>[^@\s;<>\"\[]{1,256}+)@",
    )
)
"""Secrets of which nothing stays."""
SDP_SECRETS = 5
"""The first of them are lines of SDP."""

_HEADED = tuple(
    re.compile(pattern, flags | re.ASCII)
    for pattern, flags in (
        (rf"eyJ(?:[\w\-.=]|{_FOLD}){{8,}}", 0),
        (rf'"{SECRET_NAME}"\s*:\s*"(?P<secret>(?:[^"\\\[]|\\.)+)', re.IGNORECASE),
        (rf"\b{SECRET_NAME}=(?P<secret>[^&;,\s<>\"\[]+)", re.IGNORECASE),
    )
)
"""Secrets whose first characters stay."""

_AFTER_QUOTE = ("2c", "7d", "20", "3a", "5d", "0a", "0d", "09")
"""What stands behind a closing quote in JSON; no two octets of a JWT look like a quote and one of these, even out of step."""


def _damaged_hex(start: str, quote: str, digit_pair: str, after: tuple[str, ...]) -> re.Pattern[str]:
    end = rf"{quote}(?:{'|'.join(after)}|(?![0-9a-f]))"
    return re.compile(rf"{start}(?:(?!{end}){digit_pair})*(?:(?={end})|(?:[^;,\"<>\r\n\[]|{_FOLD})*)", re.IGNORECASE | re.ASCII)


_DAMAGED_HEX = (
    (_damaged_hex("65794a", "22", "[0-9a-f]{2}", _AFTER_QUOTE), 2),
    (_damaged_hex("3635373934[46]1", "3232", "[0-9a-f]{4}", tuple(pair.encode().hex() for pair in _AFTER_QUOTE)), 4),
)
"""``eyJ`` in hex, and in hex of hex, up to the closing quote or, when a digit is bad or missing, to the end of the value."""

HEX_RUN = re.compile(rf"[0-9A-Fa-f](?:[ \t]*(?:{_FOLD})?[0-9A-Fa-f]){{31,}}")
BASE64_RUN = re.compile(r"[A-Za-z0-9+/_\-]{40,}")
_SEGMENTS = re.compile(r"(?<![\w\-])([\w\-]{10,4096})\.[\w\-]{10,}\.[\w\-]{16,}", re.ASCII)

_SUSPECT = re.compile(
    r"inline:|crypto:|^k=|pwd:|key-mgmt:|authorization|jwt|token|secret|passw|(?:api|access)_?-?key|credential|cookie|session_?id"
    r"|bearer|basic|sips?:|eyJ|65794a|3635373934"
    r"|[0-9a-f][0-9a-f\s]{30}|[A-Za-z0-9+/_\-]{40}|[\w\-]{10}\.[\w\-]{10}",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
"""What every secret has: a text without it need not be searched by all the rest."""

Span = tuple[int, int]


LONGEST_REMEMBERED = 4096
"""Characters of a text whose masking is remembered: a list of calls is asked for again and again."""


def visible(text: str) -> str:
    """Escape control characters, line ends too, and what could turn or hide text: one line that is safe for terminals and pages."""
    return printable(text, len(text))


def mask(text: str) -> str:
    """Mask every secret in a text; everything else stays as it is. Masking twice changes nothing more."""
    return _masked_before(text) if len(text) <= LONGEST_REMEMBERED else _masked(text)


def clean(text: object) -> str:
    """Mask and escape what came from outside: one line that may be shown to anybody."""
    return visible(mask(str(text)))


def _masked(text: str) -> str:
    pieces, place = [], 0
    for start, end in joined(_spans(text, DEEPEST)):
        pieces += [text[place:start], f"[{end - start} masked]"]
        place = end
    return "".join([*pieces, text[place:]])


_masked_before = lru_cache(1024)(_masked)


def message_text(raw: bytes, secrets: bool = False) -> str:
    """Write a SIP message for people: lines end in a newline, control characters are escapes, secrets are masked unless asked for."""
    text = raw.decode("utf-8", "surrogateescape")
    if not secrets:
        text = mask(text)
    return "\n".join(visible(line) for line in text.replace("\r\n", "\n").split("\n"))


def mask_values(value: Any) -> Any:
    """Copy a JSON value with the secrets in all its strings masked; members called a token or the like are masked whole."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(name)): _member(str(name), inner) for name, inner in value.items()} | _moved_offset(value)
    if isinstance(value, list | tuple):
        return [mask_values(inner) for inner in value]
    return value


def mask_call(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the summary of a call with the secrets masked: a token may stand in any text that the partner wrote."""
    uui = summary.get("uui")
    rest: dict[str, Any] = mask_values({name: value for name, value in summary.items() if name != "uui"})
    return {name: (None if uui is None else mask_uui(uui)) if name == "uui" else rest[name] for name in summary}


def mask_uui(data: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the data of a UUI entry, or the `uui` member of a call, with the secrets masked."""
    kept = ("named", "jwt")  # names of members, and a token that is decoded and masked already
    masked = {name: value if name in kept else mask_values(value) for name, value in data.items()}
    if masked.get("problems"):
        masked["problems"] = [problem | _shown_position(problem, data.get("raw")) for problem in masked["problems"]]
    return masked


def place_in_masked(text: str, place: int) -> int:
    """Where the character at `place` of a text stands in ``mask(text)``; the beginning of the mask when it is masked itself."""
    moved = 0
    for start, end in joined(_spans(text, DEEPEST)):
        if place < end:
            return min(place, start) + moved
        moved += len(f"[{end - start} masked]") - (end - start)
    return place + moved


def _moved_offset(quote: Mapping[str, Any]) -> dict[str, int]:
    """The offset of a quote in its text as it is shown."""
    text, offset = quote.get("text"), quote.get("offset")
    return {"offset": place_in_masked(text, offset)} if isinstance(text, str) and isinstance(offset, int) else {}


def _shown_position(problem: Mapping[str, Any], raw: object) -> dict[str, int]:
    """Where the character of a problem stands in the masked value; nothing when it is where it was."""
    position = problem.get("position")
    if problem.get("within", "value") != "value" or not isinstance(position, int) or not isinstance(raw, str):
        return {}
    shown = place_in_masked(raw, position)
    return {} if shown == position else {"shownPosition": shown}


def _member(name: str, value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(SECRET_NAME, name, re.IGNORECASE):
        start = SHOWN if len(value) > 2 * SHOWN else 0
        return value if "masked]" in value or not value else f"{value[:start]}[{len(value) - start} masked]"
    return mask_values(value)


def _spans(text: str, depth: int) -> Iterator[Span]:
    if not suspect(text):
        return
    yield from (span for span, _ in whole_secrets(text))
    yield from headed_secrets(text)
    yield from (span for span, _ in hex_tokens(text))
    if depth:
        yield from _hex_spans(text, depth - 1)
        yield from _base64_spans(text, depth - 1)


def suspect(text: str) -> bool:
    """Tell whether a text can hold a secret at all: quicker than looking for each."""
    return _SUSPECT.search(text) is not None


def whole_secrets(text: str) -> Iterator[tuple[Span, bool]]:
    """Where secrets stand of which nothing may stay; with each whether it is a line of SDP, where Base64 is expected."""
    for number, pattern in enumerate(_WHOLE):
        for match in pattern.finditer(text):
            yield match.span("secret"), number < SDP_SECRETS


def headed_secrets(text: str) -> Iterator[Span]:
    """Where tokens stand, less the first characters, which may stay."""
    for pattern in _HEADED:
        for match in pattern.finditer(text):
            yield _headed(match.span("secret" if "secret" in pattern.groupindex else 0), 1)
    for match in _SEGMENTS.finditer(text):
        if decoded_base64(match.group(1)).lstrip()[:1] == "{":
            yield _headed(match.span(), 1)


def hex_tokens(text: str) -> Iterator[tuple[Span, int]]:
    """Where tokens stand in hex, damaged or not, less their first characters; with each how many digits an octet of the token takes."""
    for pattern, scale in _DAMAGED_HEX:
        for match in pattern.finditer(text):
            yield _headed(match.span(), scale), scale


def _headed(span: Span, scale: int) -> Span:
    start, end = span
    return min(start + SHOWN * scale, end), end


def hex_run(text: str, run: re.Match[str]) -> tuple[list[int], str]:
    """Where the digits of a run stand in the text, and its octets in Latin-1."""
    places = [run.start() + index for index, digit in enumerate(run.group()) if not digit.isspace()]
    digits = "".join(text[place] for place in places[: len(places) // 2 * 2])
    return places, bytes.fromhex(digits).decode("latin-1")


def _hex_spans(text: str, depth: int) -> Iterator[Span]:
    for run in HEX_RUN.finditer(text):
        places, octets = hex_run(text, run)
        for start, end in _spans(octets, depth):
            if end > start:
                yield places[2 * start], places[2 * end - 1] + 1


def _base64_spans(text: str, depth: int) -> Iterator[Span]:
    for run in BASE64_RUN.finditer(text):
        for start, end in _spans(decoded_base64(run.group()), depth):
            if end > start:
                yield run.start() + start * 4 // 3, min(run.start() + -(-end * 4 // 3), run.end())


def decoded_base64(run: str) -> str:
    """Base64 of either alphabet, as octets in Latin-1; what does not decode is nothing."""
    whole = run[: len(run) // 4 * 4] if len(run) % 4 == 1 else run + "=" * (-len(run) % 4)
    try:
        return (urlsafe_b64decode if "-" in run or "_" in run else b64decode)(whole).decode("latin-1")
    except (NotBase64, ValueError):
        return ""


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Sort, drop the empty ones, and unite those that overlap."""
    current: Span | None = None
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if current is not None and start <= current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current
