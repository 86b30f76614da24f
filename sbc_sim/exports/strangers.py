"""What strangers may not learn: who called, and where the machines stand. Names and hosts are replaced, lengths stay.

Hosts get the same stand-in wherever they stand, so that a ladder still makes sense: an IPv4 address one out of 240/8, 10/8 or 0/8 (by the
length of its first number; none of them is routed), an IPv6 address one that begins with ``fd``, a name one under ``invalid`` where that
fits. User parts, display names and what else names somebody becomes stars. Words that the rules themselves use are no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from ipaddress import AddressValueError, IPv6Address

from sbc_sim.exports.filling import hex_stars, stars
from sbc_sim.exports.numbers import user_parts
from sbc_sim.rules.catalogue import RULES
from sbc_sim.sip.uui import ECHO_FIELDS

MOST_NAMES = 200
"""Names that are looked for everywhere; further ones are only hidden where names must stand."""
SHORTEST_NAME = 3

_HOST_CHARACTERS = r"[^\s@:;<>\"?,/\[\]()=&\\']{1,255}"
_HOST_PLACE = re.compile(
    r"(?:@|://|\bSIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*\w+[ \t]+|\b(?:received|maddr)=|\bIN IP[46] "
    r"|\bsips?:(?![^\s;<>?,\"@]{0,256}+@)|\b[0-9]{3} (?=[^\s\"]{1,255} \"))"
    rf"(?P<host>{_HOST_CHARACTERS})",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9.]{7,15}|[0-9A-Fa-f]{0,4})(?![\w:.])")
QUOTED_NAME = re.compile(r'"(?P<name>(?:[^"\\\r\n]|\\.){1,1000}+)"(?=\s{0,9}<(?:sips?|tel):)', re.IGNORECASE)
PLAIN_NAME = re.compile(r"(?:^|[:,])(?P<name>[^\"<>:,\r\n]{1,200}+)(?=<(?:sips?|tel):)", re.IGNORECASE | re.MULTILINE)
_TELLS_NOTHING = frozenset({"localhost", "invalid", "anonymous.invalid", "0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1"})
_UUI_VALUE = re.compile(r"\s*(?P<data>\"(?:[^\"\\]|\\.)*\"?|[^;,]*)")


@cache
def _vocabulary() -> frozenset[str]:
    texts = [text for rule in RULES.values() for text in (rule.title, rule.why, rule.fix, rule.source, *rule.platforms.values())]
    words = {word.lower() for text in texts for word in re.findall(r"[A-Za-z0-9.\-]+", text)}
    plain = {word.strip(".-") for word in words}
    return frozenset(words | plain | {value.lower() for value in ECHO_FIELDS.values()} | {"echo", "agent", "anonymous", "sbc-sim", "media"})


Edit = tuple[int, int, str]
"""Start, end, and what stands there instead, as long as what it replaces."""


class Hosts:
    """Stand-ins for hosts, numbered in the order in which the hosts were seen."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._everywhere: re.Pattern[str] | None = None

    def learn(self, texts: Iterable[str]) -> None:
        """Find hosts where hosts must stand, and addresses anywhere."""
        for text in texts:
            for match in _HOST_PLACE.finditer(text):
                self._number(match["host"])
            for match in _IPV4.finditer(text):
                self._number(match[0])
        names = [name for name in self._known if "." in name and not _IPV4.fullmatch(name)][:MOST_NAMES]
        parents = {name.split(".", cut)[cut] for name in names for cut in range(1, name.count("."))}
        wanted = sorted({*names, *parents} - _TELLS_NOTHING, key=len, reverse=True)
        self._everywhere = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, wanted))})(?![\w-])", re.IGNORECASE) if wanted else None

    def edits(self, text: str) -> Iterator[Edit]:
        """Replacements for every host in a text; they may overlap."""
        for match in _HOST_PLACE.finditer(text):
            yield *match.span("host"), self.stand_in(match["host"])
        for pattern in (_IPV4, _IPV6):
            for match in pattern.finditer(text):
                yield *match.span(), self.stand_in(match[0])
        if self._everywhere is not None:
            for match in self._everywhere.finditer(text):
                known = match[0].lower() in self._known
                yield *match.span(), self.stand_in(match[0]) if known else "*" * len(match[0])

    def stand_in(self, host: str) -> str:
        """A host of the same length and kind; always the same one for the same host. What is no host is given back."""
        if host.lower() in _TELLS_NOTHING:
            return host
        if _IPV4.fullmatch(host):
            return _ipv4(host, self._number(host))
        if ":" in host:
            return _ipv6(host, self._number(host)) if _is_ipv6(host) else host
        return _name(len(host), self._number(host))

    def _number(self, host: str) -> int:
        return 0 if host.lower() in _TELLS_NOTHING else self._known.setdefault(host.lower(), len(self._known) + 1)


class Strangers:
    """Hides names and hosts in texts, the same ones in the same way."""

    def __init__(self, texts: Sequence[str], names: Iterable[str] = ()) -> None:
        """`texts`: where names and hosts are learned. `names`: what is hidden wherever it stands, as well."""
        self.hosts = Hosts()
        self.hosts.learn(texts)
        found = dict.fromkeys([*names, *(name for text in texts for name in _names_in(text))])
        wanted = sorted([name for name in found if _tells_something(name)][:MOST_NAMES], key=len, reverse=True)
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, wanted))})(?!\w)") if wanted else None

    def hidden(self, text: str) -> str:
        """Replace names and hosts in a text; its length stays."""
        out, place = [], 0
        for start, end, new in sorted(self._edits(text), key=lambda edit: (edit[0], -edit[1])):
            if start >= place:
                out += [text[place:start], new]
                place = end
            elif end > place:  # the rest of what overlaps
                out.append("*" * (end - place))
                place = end
        return "".join([*out, text[place:]])

    def _edits(self, text: str) -> Iterator[Edit]:
        yield from self.hosts.edits(text)
        for start, end in user_parts(text):
            yield start, end, "*" * (end - start)
        for pattern in (QUOTED_NAME, PLAIN_NAME):
            for match in pattern.finditer(text):
                yield *match.span("name"), stars(match["name"])
        if self._names is not None:
            for match in self._names.finditer(text):
                yield *match.span(), stars(match[0])


def uui_hidden(value: str) -> str:
    """A User-to-User value without its content: stars, in hex where it was hex; parameters stay."""
    match = _UUI_VALUE.match(value)
    assert match is not None  # it matches the empty text too
    start, end = match.span("data")
    data = value[start:end]
    return value[:start] + (hex_stars(data) if re.fullmatch(r"[0-9A-Fa-f\s]*", data) else _inside(data)) + value[end:]


def _inside(data: str) -> str:
    return f'"{stars(data[1:-1])}"' if len(data) > 1 and data[0] == data[-1] == '"' else stars(data)


def _names_in(text: str) -> Iterator[str]:
    for start, end in user_parts(text):
        yield text[start:end]
    for pattern in (QUOTED_NAME, PLAIN_NAME):
        for match in pattern.finditer(text):
            yield match["name"].strip()
            yield from match["name"].split()


def _tells_something(name: str) -> bool:
    if len(name) < SHORTEST_NAME or not name.strip("* \t") or (name.isdigit() and len(name) < 6):
        return False
    return name.lower() not in _vocabulary()


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except (AddressValueError, ValueError):
        return False
    return True


def _ipv4(host: str, number: int) -> str:
    """Write `number` into the last three numbers of an address of the same shape."""
    first, *rest = host.split(".")
    parts = []
    for part in reversed(rest):
        low, count = {1: (0, 10), 2: (10, 90), 3: (100, 156)}[len(part)]
        parts.append(str(low + number % count))
        number //= count
    return ".".join([{1: "0", 2: "10", 3: "240"}[len(first)], *reversed(parts)])


def _ipv6(host: str, number: int) -> str:
    """Write `number` into the digits of an address of the same shape."""
    groups, colon, last = host.rpartition(":")
    if "." in last:
        return groups.translate(_ZEROS) + colon + _ipv4(last, number)
    digits = list(f"{number:x}")
    made = "".join(["0" if not digits else digits.pop() if digit in _HEX else digit for digit in reversed(host)])[::-1]
    made = "".join(new if old in _HEX else old for old, new in zip(host, made, strict=True))
    front = "fd00"[: len(host) - len(host.lstrip(_HEX))]
    return front + made[len(front) :]


_HEX = "0123456789abcdefABCDEF"
_ZEROS = {ord(digit): "0" for digit in _HEX}


def _name(length: int, number: int) -> str:
    """A name of that length that begins with a letter; under ``invalid`` where that fits."""
    end = f"{number}.invalid"
    if length <= len(end):
        end = str(number)
    if length <= len(end):
        return "".join(chr(ord("a") + number // 26**place % 26) for place in range(length))
    return "h" + "x" * (length - len(end) - 1) + end
