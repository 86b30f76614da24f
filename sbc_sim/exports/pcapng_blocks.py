"""The pcapng file format (draft-ietf-opsawg-pcapng): sections, interfaces, secrets and packets as octets. Times are unix seconds."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

LINKTYPE_ETHERNET = 1
"""The one type of all interfaces: libpcap, and with it tcpdump and sngrep, refuses a file with several, and with several of raw IP too."""

MOST_COMMENT = 4000
"""Octets of a comment."""

_SECTION, _INTERFACE, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_BYTE_ORDER = 0x1A2B3C4D
_TLS_KEY_LOG = 0x544C534B
_COMMENT = 1
_END = b"\x00\x00\x00\x00"
_NANOSECONDS = 9

_BLOCK = Struct("<II")
_LENGTH = Struct("<I")
_OPTION = Struct("<HH")
_SECTION_HEAD = Struct("<IHHq")
_INTERFACE_HEAD = Struct("<HHI")
_SECRETS_HEAD = Struct("<II")
_PACKET_HEAD = Struct("<IIIII")

Option = tuple[int, bytes]


def section(application: str, comments: Iterable[str] = ()) -> bytes:
    """Begin a file: who wrote it, and what is to be said about all of it."""
    options = [*_comments(comments), (4, _text(application))]
    return _block(_SECTION, _SECTION_HEAD.pack(_BYTE_ORDER, 1, 0, -1) + _options(options))


def interface(name: str, description: str) -> bytes:
    """Describe an interface; packets name it by its place in the file, from 0. Its times are nanoseconds."""
    options = [(2, _text(name)), (3, _text(description)), (9, bytes([_NANOSECONDS]))]
    return _block(_INTERFACE, _INTERFACE_HEAD.pack(LINKTYPE_ETHERNET, 0, 0) + _options(options))


def tls_secrets(lines: Iterable[str]) -> bytes:
    """Give TLS secrets, lines in the format of SSLKEYLOGFILE, for packets that come later in the file."""
    text = "".join(f"{line}\n" for line in lines).encode("ascii", "replace")
    return _block(_SECRETS, _SECRETS_HEAD.pack(_TLS_KEY_LOG, len(text)) + _padded(text))


def packet(interface: int, at: float, octets: bytes, comments: Iterable[str] = (), length: int = 0) -> bytes:
    """Give one packet; `length` is what it was on the wire when `octets` are only its beginning."""
    nanoseconds = max(0, round(at * 1_000_000) * 1000)  # a float of today has no more than microseconds
    head = _PACKET_HEAD.pack(interface, nanoseconds >> 32 & 0xFFFFFFFF, nanoseconds & 0xFFFFFFFF, len(octets), max(length, len(octets)))
    return _block(_PACKET, head + _padded(octets) + _options(_comments(comments)))


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return _BLOCK.pack(kind, length) + body + _LENGTH.pack(length)


def _comments(texts: Iterable[str]) -> list[Option]:
    return [(_COMMENT, _text(text)) for text in texts]


def _text(text: str) -> bytes:
    """Write UTF-8, cut where a character ends."""
    return text.encode("utf-8", "replace")[:MOST_COMMENT].decode("utf-8", "ignore").encode()


def _options(options: list[Option]) -> bytes:
    if not options:
        return b""
    return b"".join(_OPTION.pack(code, len(value)) + _padded(value) for code, value in options) + _END


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
