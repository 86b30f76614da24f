"""SDES keys: a=crypto lines read, chosen and written (RFC 4568; key lengths from RFC 6188 and RFC 7714).

`parse_crypto` knows the syntax, `choose` knows what we can do. A line that is passed over gets its reason; the next one is tried.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sbc_sim.sdp.description import SdpLine, blanks, readable
from sbc_sim.sdp.masking import mask_crypto, mask_sdp, quote
from sbc_sim.sdp.negotiation import KEY_SALT_LENGTH, CryptoLine, CryptoRefusal

__all__ = ["CryptoChoice", "CryptoFault", "choose", "mask_crypto", "mask_sdp", "parse_crypto", "write_crypto"]

MAX_CRYPTO_LINES = 64
MAX_LIFETIME = 2**48
"""SRTP packets under one master key (RFC 3711 section 9.2)."""

_TAG = re.compile(r"[0-9]{1,9}")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")
_LIFETIME = re.compile(r"(2\^)?([0-9]{1,15})")
_MKI = re.compile(r"([0-9]{1,309}):([0-9]{1,3})")
_REGISTERED = {f"AES_CM_{bits}_HMAC_SHA1_{tag}": f"AES_{bits}_CM_HMAC_SHA1_{tag}" for bits in (192, 256) for tag in (32, 80)}
"""Names of drafts that devices still write, by what RFC 6188 calls them."""
_UNPROTECTED = {"UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP"}


class CryptoFault(ValueError):
    """Why an a=crypto value can't be read or used. The words never hold a key."""


@dataclass(frozen=True, slots=True)
class CryptoChoice:
    """The line taken, if any, and every line passed over."""

    crypto: CryptoLine | None = None
    refused: tuple[CryptoRefusal, ...] = ()
    wanted: bool = False
    """Some line named a suite that we take, or was too broken to tell."""


def parse_crypto(value: str, line: int | None = None) -> CryptoLine:
    """Read the value of an a=crypto attribute (RFC 4568 section 9.1). Raises CryptoFault."""
    fields = blanks(value)
    if len(fields) < 3:
        raise CryptoFault("The line needs a tag, a suite and inline:KEY.")
    tag, suite = _tag(fields[0]), _suite(fields[1])
    key_salt, lifetime, mki = _key_parameters(fields[2], suite)
    return CryptoLine(tag, suite, key_salt, lifetime, mki, tuple(_session_parameter(text) for text in fields[3:]), line)


def _tag(text: str) -> int:
    if not _TAG.fullmatch(text):
        raise CryptoFault("The tag is not a decimal number of up to 9 digits.")
    return int(text)


def _suite(text: str) -> str:
    """The suite by its registered spelling. Case does not count in RFC 4568's grammar."""
    suite = text.upper()
    if suite not in KEY_SALT_LENGTH:
        hint = f": the registered name is {_REGISTERED[suite]}" if suite in _REGISTERED else ""
        raise CryptoFault(f"The suite {mask_crypto(text)[:60]} is not known here{hint}.")
    return suite


def _key_parameters(text: str, suite: str) -> tuple[bytes, int | None, tuple[int, int] | None]:
    parameters = [part for part in text.split(";") if part]
    if len(parameters) != 1:
        raise CryptoFault(f"The line has {len(parameters)} keys: one key by line is taken, as several need an MKI.")
    method, colon, info = parameters[0].partition(":")
    if not colon or method.lower() != "inline":
        raise CryptoFault("The key does not begin with inline: as SRTP demands.")
    key, *rest = info.split("|")
    lifetime, mki = _key_tail(rest)
    return _key_salt(key, suite), lifetime, mki


def _key_tail(rest: list[str]) -> tuple[int | None, tuple[int, int] | None]:
    """What follows the key: a lifetime, then an MKI, each of them optional (section 6.1)."""
    lifetime = mki = None
    if rest and ":" not in rest[0]:
        lifetime = _lifetime(rest.pop(0))
    if rest:
        mki = _mki(rest.pop(0))
    if rest:
        raise CryptoFault("More than a lifetime and an MKI follow the key.")
    return lifetime, mki


def _lifetime(text: str) -> int:
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise CryptoFault("The lifetime after the key is neither a number nor 2^n.")
    number = int(match[2])
    if match[1]:
        if number > 48:
            raise CryptoFault(f"The lifetime 2^{number} is beyond the 2^48 packets that one key may protect.")
        return int(2**number)
    if not 1 <= number <= MAX_LIFETIME:
        raise CryptoFault(f"The lifetime {number} is outside 1 to 2^48 packets.")
    return number


def _mki(text: str) -> tuple[int, int]:
    match = _MKI.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 128:
        raise CryptoFault("The MKI after the key is not VALUE:LENGTH with a length of 1 to 128 octets.")
    value, length = int(match[1]), int(match[2])
    if value >= 1 << (8 * length):
        raise CryptoFault(f"The MKI value does not fit into {length} octets.")
    return value, length


def _key_salt(text: str, suite: str) -> bytes:
    """Decode the key. Padding may be left out: it carries nothing, and some peers do."""
    wrong = _NOT_BASE64.search(text)
    if wrong:
        raise CryptoFault(f"The key is not base64: character {wrong.start() + 1} of it can't stand there.")
    core = text.rstrip("=")
    if "=" in core:
        raise CryptoFault(f"The key is not base64: padding stands inside it, at character {core.index('=') + 1}.")
    if len(core) % 4 == 1:
        raise CryptoFault(f"The key is not base64: {len(core)} characters can't be whole octets.")
    key_salt = base64.b64decode(core + "=" * (-len(core) % 4))
    need = KEY_SALT_LENGTH[suite]
    if len(key_salt) != need:
        raise CryptoFault(f"Key and salt are {len(key_salt)} octets long, and {suite} takes {need}.")
    return key_salt


def _session_parameter(text: str) -> str:
    """Check one session parameter (sections 6.3 and 9.2). One with a dash in front is optional by its own word."""
    name, _, value = text.partition("=")
    name = name.upper()
    if text.startswith("-"):
        return mask_crypto(text)
    if name in _UNPROTECTED and not value:
        return name
    if name == "KDR":
        return f"KDR={_number(name, value, 0, 24)}"
    if name == "WSH":
        return f"WSH={_number(name, value, 0, 99_999)}"
    if name in ("FEC_ORDER", "FEC_KEY"):
        return name
    raise CryptoFault(f"The session parameter {mask_crypto(text)[:40]} is not known here, and has no - in front that makes it optional.")


def _number(name: str, value: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not low <= int(value) <= high:
        raise CryptoFault(f"The session parameter {name} is not a number from {low} to {high}.")
    return int(value)


def choose(lines: Sequence[tuple[SdpLine, str]], suites: tuple[str, ...], unencrypted: bool = False) -> CryptoChoice:
    """Take the first line, in the peer's order of preference, that can be used (RFC 4568 section 5.1.2)."""
    refused: list[CryptoRefusal] = []
    chosen: CryptoLine | None = None
    wanted = False
    tags: dict[str, int] = {}
    for line, value in lines[:MAX_CRYPTO_LINES]:
        fields = blanks(value)
        tag = (fields[0].lstrip("0") or "0") if fields else ""
        if chosen is None:
            wanted = wanted or _names_wanted(fields, suites)
        try:
            if tag in tags:
                raise CryptoFault(f"Its tag is already used on line {tags[tag]}.")
            tags[tag] = line.number
            if chosen is None:
                chosen = _usable(value, line.number, suites, unencrypted)
        except CryptoFault as fault:
            refused.append(CryptoRefusal(quote(line), readable(str(fault)), line.number))
    for line, _ in lines[MAX_CRYPTO_LINES : MAX_CRYPTO_LINES + 1]:
        refused.append(CryptoRefusal(quote(line), f"Only the first {MAX_CRYPTO_LINES} a=crypto lines are read.", line.number))
    return CryptoChoice(chosen, tuple(refused), wanted)


def _names_wanted(fields: list[str], suites: tuple[str, ...]) -> bool:
    """True also when no suite can be told: then the fault of the line is what matters."""
    return len(fields) < 2 or fields[1].upper() in suites or ":" in fields[1]


def _usable(value: str, number: int, suites: tuple[str, ...], unencrypted: bool) -> CryptoLine:
    fields = blanks(value)
    if len(fields) > 2:
        suite = _suite(fields[1])
        if suite not in suites:
            raise CryptoFault(f"The suite {suite} is not taken here; taken: {', '.join(suites) or 'none'}.")
    crypto = parse_crypto(value, number)
    if crypto.mki is not None:
        raise CryptoFault(f"The key comes with an MKI of {crypto.mki[1]} octets, and MKI is not done here: leave it out.")
    for parameter in crypto.parameters:
        _check_parameter(parameter, unencrypted)
    return replace(crypto, parameters=tuple(parameter for parameter in crypto.parameters if parameter in _UNPROTECTED))


def _check_parameter(parameter: str, unencrypted: bool) -> None:
    """WSH is only a hint for the size of our replay window, and optional parameters may be ignored (section 6.3)."""
    if parameter in _UNPROTECTED and not unencrypted:
        raise CryptoFault(f"{parameter} would take the protection away, and is not allowed here.")
    if parameter.startswith("KDR="):
        rate = int(parameter[4:])
        raise CryptoFault(f"{parameter} asks for new session keys every 2^{rate} packets, which is not done here: leave it out.")
    if parameter.startswith("FEC_"):
        raise CryptoFault(f"{parameter} asks for forward error correction, which is not done here: leave it out.")


def write_crypto(tag: int, suite: str, key_salt: bytes, parameters: tuple[str, ...] = ()) -> str:
    """An a=crypto line without line end. Raises ValueError when the key has not the length of the suite."""
    need = KEY_SALT_LENGTH.get(suite)
    if need is None or len(key_salt) != need:
        raise ValueError(f"{suite} takes {need} octets of key and salt, not {len(key_salt)}")
    return " ".join((f"a=crypto:{tag}", suite, f"inline:{base64.b64encode(key_salt).decode('ascii')}", *parameters))
