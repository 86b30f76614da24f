"""The lines that tools write around SIP messages: when, from where, to where, received or sent.

One reader for all of them, because they all say the same in other words: two addresses with an arrow or a word between them, or one
address behind a word such as "received from" or "TX ... to".
"""

from __future__ import annotations

import re
from calendar import timegm
from ipaddress import ip_address
from typing import NamedTuple

from sbc_sim.traces.frames import sane_time
from sbc_sim.traces.recording import Address

LONGEST_LINE = 400
_DATE_TIME = re.compile(
    r"(?<!\d)(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T _]{1,2}(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:[.,:](?P<fraction>\d{1,9}))? ?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_TIME = re.compile(r"(?<![\d:.])(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?!\d|:\d)")
_ADDRESS = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]{2,45}(?:%\w{1,16})?)\](?::(?P<six_port>\d{1,5}))?"
    r"|(?<![\w.\-])(?P<four>\d{1,3}(?:\.\d{1,3}){3})(?:[:.](?P<four_port>\d{1,5}))?(?![\w.]*\w)"
    r"|(?<![\w.:\-])(?P<bare>[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){1,7}):(?P<bare_port>\d{1,5})(?![\w:])"
    r"|(?<![\w.\-])(?P<name>localhost|[A-Za-z0-9][\w\-]{0,62}(?:\.[\w\-]{1,63}){1,8}):(?P<name_port>\d{1,5})(?![\w:])"
)
_RECEIVED = r"received|receiving|recv|rx|incoming|inbound|read|got"
_SENT = r"sent|sending|send|tx|transmitting|transmitted|retransmitting|outgoing|outbound|written"
_WORDS = re.compile(rf"(?i)\b(?:(?P<received>{_RECEIVED})|(?P<sent>{_SENT}))\b")
_ALONE = re.compile(rf"(?i)^\W*(?:(?P<received>{_RECEIVED}|<<+)|(?P<sent>{_SENT}|>>+))\W*$")
_FORWARD = re.compile(r"^[^\w<]{0,4}(?:[-=]*>+|→|⇒)\W{0,4}(?:(?i:udp|tcp|tls|sips?)\W{1,3})?$|(?i:\b(?:to|sent)\b[^>]{0,20}$)")
_BACKWARD = re.compile(r"^\W{0,4}(?:<+[-=]*|←|⇐)\W{0,4}(?:(?i:udp|tcp|tls|sips?)\W{1,3})?$|(?i:\bfrom\b[^>]{0,20}$)")
_RULE = re.compile(r"^[\s\W_]{4,}$|^\s*`{3,}\s*\w{0,12}\s*$|^\s*-+ ?end(?: of)? ?(?:msg|message)\b", re.IGNORECASE)
_TRAILER = re.compile(r"^\s*\[Time:[^\]]{4,40}\]\s*$")


class Mark(NamedTuple):
    """What one line, or several together, say of the message that follows."""

    at: float | None = None
    """Unix seconds; seconds since midnight when no date is given."""
    dated: bool = False
    source: Address | None = None
    destination: Address | None = None
    received: bool | None = None
    """As told by a log of one side: whether that side received it. None where it does not say."""

    @property
    def has_way(self) -> bool:
        """Whether it says where the message went."""
        return self.received is not None or (self.source is not None and self.destination is not None)

    def over(self, further: Mark) -> Mark:
        """Add what a line further away from the message says and this does not."""
        at, dated = (self.at, self.dated) if self.at is not None else (further.at, further.dated)
        if self.has_way:
            return Mark(at, dated, self.source, self.destination, self.received)
        return Mark(at, dated, further.source, further.destination, further.received)


def mark_of(line: str) -> Mark:
    """Read one line; an empty mark when it is nothing of the kind."""
    line = line[:LONGEST_LINE]
    at, dated, rest = _time(line)
    addresses = [(found.start(), found.end(), address) for found in _ADDRESS.finditer(rest) if (address := _address(found)) is not None]
    if len(addresses) >= 2:
        (_, end, first), (start, _, second) = addresses[:2]
        between = rest[end:start]
        if _FORWARD.search(between):
            return Mark(at, dated, first, second)
        if _BACKWARD.search(between):
            return Mark(at, dated, second, first)
    if addresses:
        return _one_sided(at, dated, rest, addresses[0])
    alone = _ALONE.match(rest.strip())
    if alone is not None:
        return Mark(at, dated, received=alone["received"] is not None)
    return Mark(at, dated)


def is_rule(line: str) -> bool:
    """Tell whether a line only separates: dashes, a code fence, "--end msg--"."""
    return _RULE.match(line[:LONGEST_LINE]) is not None and len(line) <= LONGEST_LINE


def is_trailer(line: str) -> bool:
    """Tell whether a line says the time of the message before it, as AudioCodes syslog does."""
    return _TRAILER.match(line[:LONGEST_LINE]) is not None


def is_frame(line: str) -> bool:
    """Tell whether a line stands between messages and belongs to none."""
    return is_rule(line) or is_trailer(line) or mark_of(line).has_way


def _one_sided(at: float | None, dated: bool, rest: str, found: tuple[int, int, Address]) -> Mark:
    start, _, address = found
    word = _WORDS.search(rest[:start])
    if word is None:
        return Mark(at, dated)
    received = word["received"] is not None
    return Mark(at, dated, address if received else None, None if received else address, received)


def _time(line: str) -> tuple[float | None, bool, str]:
    """Find the time; gives the line without it, as its colons look like addresses."""
    found = _DATE_TIME.search(line)
    dated = found is not None
    found = found or _TIME.search(line)
    if found is None:
        return None, False, line
    rest = f"{line[: found.start()]} {line[found.end() :]}"
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if hour > 23 or minute > 59 or second > 60:
        return None, False, rest
    at = hour * 3600 + minute * 60 + second + float(f"0.{found['fraction'] or 0}")
    if not dated:
        return at, False, rest
    try:
        at += timegm((int(found["year"]), int(found["month"]), int(found["day"]), 0, 0, 0))
    except ValueError:
        return None, False, rest
    return sane_time(at - _offset(found["zone"])), True, rest


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _address(found: re.Match[str]) -> Address | None:
    host = found["six"] or found["four"] or found["bare"]
    port = int(found["six_port"] or found["four_port"] or found["bare_port"] or found["name_port"] or 0)
    if port > 65535:
        return None
    if host is None:
        return found["name"].lower(), port
    try:
        return str(ip_address(host.partition("%")[0])), port
    except ValueError:
        return None
