"""No key leaves this room in a sentence: masks for crypto lines, whole messages, and quoted lines (RFC 4568 section 7)."""

from __future__ import annotations

import re

from sbc_sim.sdp.description import SdpLine, readable
from sbc_sim.sdp.negotiation import KEY_SALT_LENGTH, SdpFault, SdpProblem

MASK = "****"
MAX_QUOTE = 300
MAX_NOTES = 50

_CRYPTO = re.compile(r"(a=[ \t]*crypto[ \t]*:[ \t]*)([^\r\n]*)", re.IGNORECASE)
_INLINE = re.compile(r"(inline:)[ \t]*[^\s|;]*", re.IGNORECASE)
_OLD_KEY = re.compile(r"^(k=[a-z0-9]+:)[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_KEY_MANAGEMENT = re.compile(r"(a=key-mgmt:[ \t]*[^\s]+[ \t]+)[^\r\n]*", re.IGNORECASE)
_KEY_START = re.compile(r"(?:FEC_KEY=)?inline:", re.IGNORECASE)
_KEY_TAIL = re.compile(r"(?:2\^)?[0-9]{1,15}|[0-9]{1,10}:[0-9]{1,3}")
_HARMLESS = re.compile(r"[0-9]{1,9}|[A-Z0-9]+(?:_[A-Z0-9]+)+|-?[A-Z][A-Z0-9_]{0,19}(?:=[A-Z0-9_]{1,10})?")


def mask_sdp(text: str) -> str:
    """Mask every key in a description, a SIP message or any other text; the rest stays as it is.

    Rather too much than too little: what follows ``inline:`` goes up to the next blank, so mask before you escape or encode text.
    """
    text = _CRYPTO.sub(lambda match: match[1] + mask_crypto(match[2]), text)
    text = _INLINE.sub(rf"\g<1>{MASK}", text)
    text = _OLD_KEY.sub(rf"\g<1>{MASK}", text)
    return _KEY_MANAGEMENT.sub(rf"\g<1>{MASK}", text)


def mask_crypto(value: str) -> str:
    """Mask the value of one a=crypto attribute. Keeps only what is known to be harmless, as a key may stand in the wrong place."""
    return "".join(part if not part.strip(" \t") else _mask_field(part) for part in re.split(r"([ \t]+)", value))


def _mask_field(text: str) -> str:
    return ";".join(_mask_part(part) for part in text.split(";"))


def _mask_part(part: str) -> str:
    start = _KEY_START.match(part)
    if start:
        tail = part[start.end() :].split("|")[1:]
        return start[0] + MASK + "".join(f"|{piece if _KEY_TAIL.fullmatch(piece) else MASK}" for piece in tail)
    harmless = not part or _HARMLESS.fullmatch(part) or part.upper() in KEY_SALT_LENGTH
    return part if harmless else MASK


def quote(line: SdpLine) -> str:
    """A line for people: keys masked, escapes for what can't be shown, cut when very long.

    A first cut comes before the masking, which would cost much on a huge line; a key that is cut short is masked as well.
    """
    text = readable(mask_sdp(line.text[: 4 * MAX_QUOTE]))
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}..."


class Problems(list[SdpProblem]):
    """What was found so far, in words fit for people, whatever the peer wrote. Notes that are not fatal are kept up to a number."""

    def add(self, fault: SdpFault, detail: str, line: SdpLine | None = None, fatal: bool = False, number: int | None = None) -> None:
        """Add one with its line; `number` is the place of what is missing and so has no line."""
        if not fatal and len(self) >= MAX_NOTES:
            return
        if line is not None:
            self.append(SdpProblem(fault, readable(detail), line.number, quote(line), fatal))
        else:
            self.append(SdpProblem(fault, readable(detail), number, fatal=fatal))
