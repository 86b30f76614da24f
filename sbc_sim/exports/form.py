"""The SIP Signaling Configuration Form of a partner (requirement 146, facts 1.3): a row for each region, from settings and from traffic.

What is missing, and what the traffic contradicts, is flagged with a sentence each: the form goes to people who build an allow-list from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from sbc_sim.exports.redacted import Redaction, redacted
from sbc_sim.exports.redaction import clean, visible
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.headers import NameAddr
from sbc_sim.sip.message import Request, parse_message
from sbc_sim.sip.uri import host_port

Network = IPv4Network | IPv6Network
SHOWN_HEADERS = ("From", "To", "P-Asserted-Identity", "Diversion", "Contact", "User-Agent")
_MARKS = re.compile(r"[\\`*_\[\]|]")
"""What Markdown takes for code, emphasis, links and cells."""
MOST_SEEN = 8
"""Addresses of one sort that are listed."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the settings say of one region."""

    region: str
    label: str
    signalling: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    signalling_ports: str = ""
    media_ports: str = ""
    return_uri: str = ""


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate of the CA that the partner's server is checked against."""

    subject: str
    not_after: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What the settings say of the partner."""

    name: str
    label: str = ""
    provider: str = ""
    location: str = ""
    lines: tuple[Line, ...] = ()
    authorities: tuple[Authority, ...] = ()
    trouble: str = ""
    """Why the CA file could not be read, a sentence."""
    has_ca: bool = False


@dataclass(slots=True)
class Seen:
    """What the calls of one region showed; text as it may be shown."""

    sources: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    """host:port"""
    contacts: list[str] = field(default_factory=list)
    """host:port, the port as RFC 3261 section 19.1.2 has it for TLS when none is named."""
    server_names: list[str] = field(default_factory=list)
    returned_to: list[str] = field(default_factory=list)
    """host:port of the partner's server, to which a call was given back."""
    headers: dict[str, str] = field(default_factory=dict)
    user_to_user: str = ""
    calls: int = 0


def form_data(profile: Profile, traces: Mapping[str, Sequence[Trace]]) -> dict[str, Any]:
    """Fill the form: `traces` of passed or returned calls by region; empty name: of calls that named none. JSON values only."""
    common = traces.get("", ())
    rows = []
    for line in profile.lines:
        of_region = traces.get(line.region, ()) or (common if len(profile.lines) == 1 else ())
        seen = observed(of_region)
        rows.append({**_row(line), "seen": _seen(seen), "flags": list(_flags(line, seen))})
    flags = list(_of_all(profile, traces))
    return {
        "partner": profile.label or profile.name,
        "provider": profile.provider,
        "location": profile.location,
        "rows": rows,
        "authorities": [{"subject": one.subject, "notAfter": one.not_after, "sha256": one.sha256} for one in profile.authorities],
        "flags": flags,
        "complete": not flags and not any(row["flags"] for row in rows),
    }


def all_flags(data: Mapping[str, Any]) -> list[str]:
    """Every flag of a form, those of regions with their names; a sentence that holds for several stands there once."""
    regions: dict[str, list[str]] = {}
    for row in data["rows"]:
        for flag in row["flags"]:
            regions.setdefault(flag, []).append(str(row["label"]))
    everywhere = len(data["rows"])
    named = {flag: "Every region" if len(labels) == everywhere > 1 else ", ".join(labels) for flag, labels in regions.items()}
    return [*data["flags"], *(f"{who}: {flag}" for flag, who in named.items())]


def _row(line: Line) -> dict[str, Any]:
    return {
        "region": line.region,
        "label": line.label,
        "signalling": list(line.signalling),
        "signallingPorts": line.signalling_ports,
        "media": list(line.media or line.signalling),
        "mediaPorts": line.media_ports,
        "returnUri": line.return_uri,
    }


def _seen(seen: Seen) -> dict[str, Any]:
    return {
        "calls": seen.calls,
        "sources": seen.sources[:MOST_SEEN],
        "media": seen.media[:MOST_SEEN],
        "contacts": seen.contacts[:MOST_SEEN],
        "serverNames": seen.server_names[:MOST_SEEN],
        "returnedTo": seen.returned_to[:MOST_SEEN],
        "headers": seen.headers,
        "userToUser": seen.user_to_user,
    }


# --- what the traffic showed -----------------------------------------------------------------------------------------------


def observed(traces: Iterable[Trace]) -> Seen:
    """Gather what calls showed. Addresses stand there as they were: the form is about them; the rest is masked as for colleagues."""
    seen = Seen()
    for trace in traces:
        seen.calls += 1
        _keep(seen.media, (str(agreed.get("remote") or "") for agreed in trace.call.agreements))
        if trace.call.direction == "inbound":
            _called(seen, trace)
        else:
            _keep(seen.returned_to, [trace.call.peer or ""])
    return seen


def _called(seen: Seen, trace: Trace) -> None:
    opened = trace.opened.data if trace.opened is not None else {}
    host = (opened.get("peer") or {}).get("host") or (trace.call.peer or "").rpartition(":")[0].strip("[]")
    _keep(seen.sources, [str(host)])
    _keep(seen.server_names, [str((opened.get("tls") or {}).get("serverName") or "")])
    invite = _invite(trace.entries)
    if invite is not None:
        _keep(seen.contacts, _contacts(invite))
    shown = redacted(trace, Redaction.SHARE)
    masked = _invite(shown.entries)
    if masked is not None and not seen.headers:
        values = {name: masked.headers.first(name) for name in SHOWN_HEADERS}
        seen.headers = {"Request-URI": visible(masked.uri), **{name: visible(value) for name, value in values.items() if value}}
        seen.user_to_user = visible(masked.headers.first("User-to-User") or "")


def _invite(entries: Iterable[Entry]) -> Request | None:
    for entry in entries:
        if entry.kind is Kind.MESSAGE and entry.data.get("method") == "INVITE" and entry.data.get("direction") == "in" and entry.raw:
            try:
                message = parse_message(entry.raw)
            except MalformedMessage:
                return None
            return message if isinstance(message, Request) else None
    return None


def _contacts(invite: Request) -> Iterator[str]:
    for value in invite.headers.listed("Contact"):
        try:
            uri = NameAddr.parse(value, "Contact").uri
        except MalformedMessage:
            continue
        if uri.host:
            yield host_port(uri.host, uri.port or 5061)


def _keep(known: list[str], found: Iterable[str]) -> None:
    known.extend(text for text in dict.fromkeys(found) if text and text not in known)


# --- what is wrong with it -------------------------------------------------------------------------------------------------


def _of_all(profile: Profile, traces: Mapping[str, Sequence[Trace]]) -> Iterator[str]:
    where = f"partners.{profile.name}"
    if not profile.provider:
        yield f"The name of the contact-centre provider is missing: set {where}.provider."
    if not profile.location:
        yield f"The location of the customers' data centre is missing: set {where}.location."
    if profile.trouble:
        yield profile.trouble
    elif not profile.has_ca:
        yield f"The CA of the partner's server is missing, which Salesforce installs for calls that come back: set {where}.ca_file."
    if not profile.lines:
        yield f"No region is mapped: set {where}.regions."


def _flags(line: Line, seen: Seen) -> Iterator[str]:
    if not seen.calls:
        yield "No call has passed in this region: the connectivity test is still to be done."
    yield from _subnet_flags(line, seen)
    yield from _media_flags(line, seen)
    yield from _port_flags(line, seen)


def _subnet_flags(line: Line, seen: Seen) -> Iterator[str]:
    networks = list(_networks(line.signalling))
    if not line.signalling:
        came = f" The calls came from {_some(seen.sources)}." if seen.sources else ""
        yield f"No signalling subnet is named: the form wants public IPv4 addresses, as /32 for a single one.{came}"
    for network in networks:
        if network.version != 4:
            yield f"The signalling subnet {network} is IPv6: the form wants IPv4."
        elif not network.is_global:
            yield f"The signalling subnet {network} is not public: the allow-list needs the address that the internet sees."
    outside = [source for source in seen.sources if networks and not _inside(source, networks)]
    if outside:
        yield f"Calls came from {_some(outside)}, which none of the signalling subnets {', '.join(line.signalling)} contains."


def _media_flags(line: Line, seen: Seen) -> Iterator[str]:
    named = line.media or line.signalling
    networks = list(_networks(named))
    which = "media subnets" if line.media else "subnets (of signalling, since none is named for media)"
    outside = [address for address in seen.media if networks and not _inside(_host(address), networks)]
    if outside:
        yield f"Media was sent from {_some(outside)}, which none of the {which} {', '.join(named)} contains."
    if not line.media_ports:
        yield "No media ports are named: the form wants the range from which RTP is sent."
    ports = [address for address in seen.media if line.media_ports and not _port_in(_port(address), line.media_ports)]
    if ports:
        yield f"Media was sent from {_some(ports)}, a port outside of the media ports {line.media_ports}."


def _port_flags(line: Line, seen: Seen) -> Iterator[str]:
    if not line.signalling_ports:
        yield "No signalling port is named; 5061 is usual."
        return
    for what, addresses in (("Contact of the INVITE names", seen.contacts), ("The call was given back to", seen.returned_to)):
        other = [address for address in addresses if not _port_in(_port(address), line.signalling_ports)]
        if other:
            yield f"{what} {_some(other)}, but the signalling port of the form is {line.signalling_ports}."


def _networks(texts: Iterable[str]) -> Iterator[Network]:
    for text in texts:
        try:
            yield ip_network(text, strict=False)
        except ValueError:
            continue  # the settings refuse what is no network


def _inside(host: str, networks: Iterable[Network]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _port(address: str) -> int:
    digits = address.rpartition(":")[2]
    return int(digits) if digits.isdigit() else 0


def _port_in(port: int, ranges: str) -> bool:
    """Whether a port is in ``5061`` or ``10000-20000, 30000``; True when that cannot be read."""
    for part in ranges.replace(" ", "").split(","):
        low, _, high = part.partition("-")
        if not low.isdigit() or not (high or low).isdigit():
            return True
        if int(low) <= port <= int(high or low):
            return True
    return False


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:3]) + (f" and {len(values) - 3} more" if len(values) > 3 else "")


# --- written -----------------------------------------------------------------------------------------------------------------


def form_markdown(data: Mapping[str, Any]) -> str:
    """Write a filled form as Markdown, to paste into a document."""
    return "\n".join(_markdown(data)) + "\n"


def _markdown(data: Mapping[str, Any]) -> Iterator[str]:
    yield "# SIP Signaling Configuration Form"
    yield ""
    for name, value in (("Partner", data["partner"]), ("CCaaS provider", data["provider"]), ("Customers' data centre", data["location"])):
        yield f"- {name}: {_cell(value) or '**missing**'}"
    yield ""
    yield "| Region | Signalling subnet (IPv4) | Port | Media subnet | Media ports | Calls come back to |"
    yield "|---|---|---|---|---|---|"
    for row in data["rows"]:
        cells = (
            row["label"],
            ", ".join(row["signalling"]),
            row["signallingPorts"],
            ", ".join(row["media"]),
            row["mediaPorts"],
            row["returnUri"],
        )
        yield f"| {' | '.join(_cell(cell) or '**missing**' for cell in cells[:5])} | {_cell(cells[5]) or 'the Contact of the call'} |"
    yield ""
    yield "## Certificate of the partner's server"
    yield ""
    if not data["authorities"]:
        yield "**missing**"
    for one in data["authorities"]:
        yield f"- {_cell(one['subject'])}, valid until {one['notAfter']}, SHA-256 {one['sha256']}"
    yield ""
    yield from _observations(data)
    yield "## Missing, or contradicted by the traffic"
    yield ""
    flags = all_flags(data)
    yield from (f"- {_cell(flag)}" for flag in flags)
    if not flags:
        yield "Nothing."


def _observations(data: Mapping[str, Any]) -> Iterator[str]:
    yield "## Observed in the calls"
    yield ""
    yield "| Region | Calls from | Media from | Server name (SNI) | Contact | Given back to |"
    yield "|---|---|---|---|---|---|"
    for row in data["rows"]:
        seen = row["seen"]
        cells = (seen["sources"], seen["media"], seen["serverNames"], seen["contacts"], seen["returnedTo"])
        yield f"| {_cell(row['label'])} | {' | '.join(_cell(', '.join(cell)) or '-' for cell in cells)} |"
    yield ""
    first = next((row["seen"] for row in data["rows"] if row["seen"]["headers"]), None)
    if first is not None:
        yield "Header values of a call (numbers and tokens masked):"
        yield ""
        yield "```"
        yield from (f"{name}: {clean(value)}".replace("`", "'") for name, value in first["headers"].items())
        if first["userToUser"]:
            yield f"User-to-User: {clean(first['userToUser'])}".replace("`", "'")
        yield "```"
        yield ""


def _cell(text: object) -> str:
    return _MARKS.sub(r"\\\g<0>", clean(text)).replace("<", "&lt;")


def form_html(data: Mapping[str, Any]) -> str:
    """Write a filled form as one HTML file, fit for paper."""
    from markupsafe import Markup

    from sbc_sim.exports.rehearsal_html import document_style, document_template, policy_of

    style = document_style()
    return document_template("form.html").render(
        data=data, style=Markup(style), policy=policy_of(style), flags=all_flags(data), shown=visible
    )
