"""What `doctor` says of an address that partners are told: whose it is, and who can reach it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from sbc_sim.addresses import bridged
from sbc_sim.calls.production import is_production
from sbc_sim.commands.examination import Check
from sbc_sim.sip.uri import host_port

LOOK_UP_SECONDS = 5.0
CONNECT_SECONDS = 3.0
MOST_PORTS = 64
DOCUMENTATION = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
BRIDGES = tuple(map(ip_network, ("172.17.0.0/16", "10.88.0.0/16")))
"""What Docker and Podman give containers unless told otherwise."""
SHARED = ip_network("100.64.0.0/10")


@dataclass(frozen=True, slots=True)
class Reach:
    """Who can reach an address."""

    status: str
    words: str


def reach_of(address: IPv4Address | IPv6Address) -> Reach:
    """Say who can reach an address."""
    if address.is_unspecified or address.is_multicast or address in ip_network("240.0.0.0/4"):
        return Reach("fail", "nobody: it is no address of one machine")
    if any(address in network for network in DOCUMENTATION):
        return Reach("fail", "nobody: it is reserved for documentation (RFC 5737, RFC 3849)")
    if address.is_loopback:
        return Reach("warn", "programs on this machine alone")
    if address.is_link_local:
        return Reach("warn", "machines on the same cable alone")
    if any(address in network for network in BRIDGES):
        return Reach("warn", "this machine and containers on it alone")
    if address.is_private or address in SHARED:
        return Reach("pass", "machines of the same private network, or joined to it by a VPN")
    return Reach("pass", "everybody whom the firewalls let through")


def check_advertised(what: str, key: str, host: str, port: int = 0) -> Check:
    """Judge an address that partners are told; `key` is the setting for it, `port` what must be forwarded (0: several)."""
    addresses, trouble = _resolved(host)
    if not addresses:
        return Check(what, "fail", f"{host}: {trouble}", f"set {key} to an address, or give the name one")
    reach = max(map(reach_of, addresses), key=lambda reach: ("pass", "warn", "fail").index(reach.status))
    shown = host if host == str(addresses[0]) else f"{host} ({', '.join(map(str, addresses))})"
    seen, status, cure = f"{shown}, which can be reached by {reach.words}", reach.status, ""
    if status != "pass":
        cure = f"set {key} to an address by which partners reach this machine"
    strange = [address for address in addresses if not is_ours(address)]
    if status == "fail" and not strange:
        status = "warn"  # a laboratory may use what is reserved for books
    if strange:
        seen += "; no address of this machine, so something must forward it here"
    if strange and status == "pass":
        cure = f"{f'port {port}' if port else 'the media ports'} of it must be forwarded to this machine"
        # Public and elsewhere is what NAT and load balancers look like; private and elsewhere rather a typing mistake.
        status = "pass" if all(address.is_global for address in strange) else "warn"
    return Check(what, status, seen, cure)


def other_ways_in(allow_list: Iterable[Mapping[str, Any]], host: str, port: int) -> list[tuple[str, int]]:
    """Give the addresses and ports, beside the first one, where partners connect: of single workers, of regions with own listeners."""
    incoming = [line for line in allow_list if (line.get("protocol"), line.get("direction")) == ("tcp", "in")]
    ways = [(str(line.get("address")), str(line.get("ports"))) for line in incoming]
    found = dict.fromkeys((at, int(number)) for at, number in ways if number.isdecimal() and 0 < int(number[:6]) < 65536)
    return [way for way in found if way != (host, port)][:MOST_PORTS]


def check_ways_in(ways: Sequence[tuple[str, int]]) -> Check:
    """Try the further ports where partners connect; a call that stays on its connection needs none of them, one that does not is lost."""
    with ThreadPoolExecutor(16) as threads:
        shut = [host_port(*way) for way, is_open in zip(ways, threads.map(_connects, ways), strict=True) if not is_open]
    if not shut:
        return Check("other SIP ports", "pass", f"{', '.join(host_port(*way) for way in ways)} can be reached")
    seen = f"{', '.join(shut)} cannot be reached; our Contact names them, so ACK and BYE on a new connection would never come"
    cure = "forward or publish those ports too, under the same numbers (docs/workers.md, docs/regions.md)"
    return Check("other SIP ports", "warn" if bridged() else "fail", seen, cure)


def _connects(way: tuple[str, int]) -> bool:
    """Tell whether SIP over TLS answers there, by a keep-alive (RFC 5626 section 3.5.1): whoever says nothing is listed as an attempt."""
    addresses, _ = _resolved(way[0])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((str(addresses[0]), way[1]), CONNECT_SECONDS) as raw, tls.wrap_socket(raw) as talking:
            talking.sendall(b"\r\n\r\n")
            return talking.recv(2) != b""
    except (OSError, IndexError):
        return False


def check_unset(what: str, key: str, local: str) -> Check:
    """Judge listening everywhere without an address to tell: right on a desk, wrong behind NAT."""
    seen = "each partner is told the address that it reached"
    reach = reach_of(ip_address(local))
    if bridged():
        cure = f"set {key} to an address of its host by which partners come, or run it with the host's network (docs/containers.md)"
        return Check(what, "warn", f"{seen}; this is a container, and {local} is known to its host alone", cure)
    if reach.status == "pass" and ip_address(local).is_private:
        cure = f"when partners come from outside of it, set {key} to the address that is forwarded here"
        return Check(what, "warn", f"{seen}; this machine is {local}, in a private network: right inside of it, wrong behind NAT", cure)
    return Check(what, "pass", f"{seen}; this machine is {local}")


def is_ours(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of this machine: only those can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _resolved(host: str) -> tuple[list[IPv4Address | IPv6Address], str]:
    """Find the addresses of a host that the settings name, and why there are none; a resolver that hangs is not waited for."""
    try:
        return [ip_address(host.strip("[]"))], ""
    except ValueError:
        pass
    if is_production(host):
        return [], "a name of Salesforce's production, which is not resolved here"
    found: list[IPv4Address | IPv6Address] = []
    trouble = [f"the name was not resolved within {LOOK_UP_SECONDS:g} s"]

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers))
        except OSError as error:
            trouble[0] = f"the name cannot be resolved: {error.strerror or error}"

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(LOOK_UP_SECONDS)
    return list(found), trouble[0]
