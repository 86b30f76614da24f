"""Where the peer wants its media: c= and a=rtcp (RFC 8866 section 5.7, RFC 3605, RFC 5761)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from sbc_sim.sdp.description import MediaSection, SdpLine, SessionDescription, blanks
from sbc_sim.sdp.masking import Problems
from sbc_sim.sdp.negotiation import SdpFault

HOLD_ADDRESSES = ("0.0.0.0", "::")
"""Unspecified addresses are the hold of RFC 2543, to be understood still (RFC 3264 section 8.4)."""

_PORT = re.compile(r"[0-9]{1,5}")


class AddressFault(ValueError):
    """Why the three fields of an address can't be used."""

    def __init__(self, fault: SdpFault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Destination:
    """Where RTP and RTCP go."""

    rtp: tuple[str, int] | None = None
    rtcp: tuple[str, int] | None = None
    """None with rtcp-mux."""
    mux: bool = False
    held: bool = False
    """The address is 0.0.0.0 or ::."""


def read_destination(
    description: SessionDescription, section: MediaSection, port: int, ipv6: bool, mux_allowed: bool, problems: Problems
) -> Destination:
    """Join c=, the port of the m= line, a=rtcp-mux and a=rtcp. What is wrong is added to `problems`."""
    host = _host(description, section, ipv6, problems)
    mux = mux_allowed and bool(section.attributes("rtcp-mux"))
    if host is None:
        return Destination(mux=mux)
    rtcp = _rtcp(section, host, port, ipv6, mux, problems)
    return Destination((host, port), None if mux else rtcp, mux, host in HOLD_ADDRESSES)


def _host(description: SessionDescription, section: MediaSection, ipv6: bool, problems: Problems) -> str | None:
    line = _connection_line(description, section, problems)
    if line is None:
        detail = "No c= line, neither above the first m= line nor below this one: write c=IN IP4 ADDRESS."
        problems.add(SdpFault.NO_ADDRESS, detail, section.line, fatal=True)
        return None
    try:
        return read_address(line.value, ipv6)
    except AddressFault as fault:
        problems.add(fault.fault, str(fault), line, fatal=True)
        return None


def _connection_line(description: SessionDescription, section: MediaSection, problems: Problems) -> SdpLine | None:
    own = [line for line in section.lines if line.letter == "c"]
    for line in own[1:]:
        problems.add(SdpFault.ODD_SYNTAX, "A second c= line for one stream: the first is used.", line)
    above = [line for line in description.session if line.letter == "c"]
    return next(iter(own + above), None)


def read_address(value: str, ipv6: bool) -> str:
    """``IN IP4 ADDRESS`` -> the address in its usual spelling. Raises AddressFault."""
    fields = blanks(value)
    if len(fields) != 3 or fields[0].upper() != "IN" or fields[1].upper() not in ("IP4", "IP6"):
        raise AddressFault(SdpFault.BAD_ADDRESS, "The address can't be read: write IN IP4 ADDRESS.")
    kind, text = fields[1].upper(), fields[2]
    if kind == "IP6" and not ipv6:
        raise AddressFault(SdpFault.IPV6, f"The media address {text[:80]} is IPv6, which is not taken here: offer an IPv4 address.")
    return _checked(kind, text)


def _checked(kind: str, text: str) -> str:
    try:
        address = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        raise AddressFault(SdpFault.BAD_ADDRESS, f"{text[:80]} is no IP address: write the address itself, not a host name.") from None
    if f"IP{address.version}" != kind or "%" in text:
        raise AddressFault(SdpFault.BAD_ADDRESS, f"{text[:80]} is not what {kind} stands for: an IPv{kind[-1]} address without zone.")
    if address.is_multicast:
        raise AddressFault(SdpFault.BAD_ADDRESS, f"{text[:80]} is a multicast address: a call needs a unicast one.")
    if "/" in text:
        raise AddressFault(SdpFault.BAD_ADDRESS, f"{text[:80]} has a TTL or a count, which only multicast addresses have: leave it out.")
    if kind == "IP4" and not address.is_unspecified and (address.packed[0] == 0 or address.packed[0] >= 240):
        raise AddressFault(SdpFault.BAD_ADDRESS, f"{text[:80]} is not the address of a host.")
    return str(address)


def _rtcp(section: MediaSection, host: str, port: int, ipv6: bool, mux: bool, problems: Problems) -> tuple[str, int]:
    explicit = section.attributes("rtcp")
    if not explicit:
        if port % 2 and not mux:
            detail = f"The RTP port {port} is odd, so RTCP goes to an even one: take an even RTP port, or write a=rtcp or a=rtcp-mux."
            problems.add(SdpFault.ODD_RTP_PORT, detail, section.line)
        return host, min(port + 1, 65_535)
    line, value = explicit[0]
    try:
        return read_rtcp(value, host, ipv6)
    except AddressFault as fault:
        problems.add(SdpFault.ODD_SYNTAX, f"a=rtcp was passed over, RTCP goes to the port above RTP. {fault}", line)
        return host, min(port + 1, 65_535)


def read_rtcp(value: str, host: str, ipv6: bool) -> tuple[str, int]:
    """``PORT [IN IP4 ADDRESS]`` (RFC 3605 section 2.1) -> address and port; without address that of RTP. Raises AddressFault."""
    port, _, address = value.replace("\t", " ").partition(" ")
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65_535:
        raise AddressFault(SdpFault.BAD_ADDRESS, "The RTCP port is not a number from 1 to 65535.")
    return (read_address(address, ipv6) if address.strip() else host), int(port)
