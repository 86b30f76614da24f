"""What `serve` says on a terminal: the banner, and a line for what happens. Pure text, coloured by the caller's `paint`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sbc_sim.exports.redaction import clean
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import address_text

Paint = Callable[[str, str], str]
"""`paint(text, style)`; styles: ``title``, ``strong``, ``quiet``, ``warning``."""


@dataclass(frozen=True, slots=True)
class Banner:
    """Everything that the banner tells."""

    version: str
    sip: str
    """HOST:PORT listened on."""
    sip_advertised: str
    """HOST:PORT to dial."""
    media: str
    """Address and ports."""
    media_advertised: str
    """Empty: on each call the address by which the partner reached us."""
    calls: int
    """How many calls the media ports allow; 0: as many as the machine has ports."""
    mode: str
    http: str
    """URL."""
    token: str | None
    """Shown only when it was made at this start."""
    ca: str | None
    """Path; None when the certificate is not of our making."""
    fingerprint: str
    """SHA-256, of the CA or of the own certificate."""
    call: str
    """The command that places a first call."""
    numbers: Sequence[tuple[str, str]] = ()
    """Test numbers: user part, what it does."""
    notes: Sequence[str] = field(default=())
    sip_by_connection: bool = False
    """Contact carries the address by which the partner reached us."""
    store: str = "memory"
    """Where calls are kept."""
    durable: bool = False
    """Whether they are still there after a restart."""
    regions: Sequence[tuple[str, str]] = ()
    """How regions are reached: what, and more of it."""
    ca_path: str = ""
    """Where the CA is below the page: in a container, whose files and ports nobody outside has; empty elsewhere."""
    worker_ports: Sequence[int] = ()
    """SIP ports of single workers, which Contact names."""


def banner(about: Banner, paint: Paint = lambda text, style: text) -> str:
    """Write the banner; it ends in a newline."""
    return "".join(f"{line}\n" for line in _lines(about, paint))


def _lines(about: Banner, paint: Paint) -> Iterator[str]:
    yield paint(f"sbc-sim {about.version} is ready for calls", "title")
    yield ""
    reached = "the address that each partner reached"
    contact = reached if about.sip_by_connection else about.sip_advertised
    if about.worker_ports:
        host = reached if about.sip_by_connection else about.sip_advertised.rpartition(":")[0]
        contact = f"{host} with the port of the worker, {' or '.join(map(str, about.worker_ports))},"
    yield _row("SIP over TLS", about.sip, f"says {contact} in Contact", paint)
    room = f"room for {about.calls} calls" if about.calls else "as many calls as the machine has ports"
    yield _row("SRTP media", f"{about.media}/udp", f"says {about.media_advertised or reached} in SDP; {about.mode}, {room}", paint)
    for number, (what, more) in enumerate(about.regions):
        yield _row("" if number else "regions", what, more, paint)
    yield _row("page, API", about.http, "", paint)
    kept = "read again after a restart" if about.durable else "forgotten at the end; store.url: sqlite:FILE keeps them"
    yield _row("calls kept", about.store, kept, paint)
    if about.token:
        yield _row("token", about.token, "made for this run; send it as Authorization: Bearer, or set http.token", paint)
    if about.ca and about.ca_path:
        yield _row("CA to trust", f"{about.http}{about.ca_path}", "asks for no token; the host and port that you published", paint)
    elif about.ca:
        yield _row("CA to trust", about.ca, "", paint)
    yield _row("SHA-256", about.fingerprint, "", paint)
    if about.numbers:
        yield ""
        yield "test numbers"
        width = max(len(number) for number, _ in about.numbers)
        yield from (f"  {paint(f'{number:<{width}}', 'strong')}  {meaning}" for number, meaning in about.numbers)
    yield ""
    yield "next"
    yield from _next(about, paint)
    for note in about.notes:
        yield ""
        yield paint(f"note: {note}", "warning")


def _next(about: Banner, paint: Paint) -> Iterator[str]:
    ca = "ca.pem" if about.ca_path else about.ca
    if about.ca and about.ca_path:
        yield f"  from outside   {paint(f'curl -o ca.pem {about.http}{about.ca_path}', 'strong')}"
    yield f"  a first call   {paint(about.call, 'strong')}"
    if about.ca:
        yield f"  your SBC       import {ca} as a trusted root (certs/README.md says where), show no client certificate,"
        yield f"                 and send calls to {about.sip_advertised} over TLS with SDES-SRTP and PCMU"
    yield "  a refusal      sbc-sim explain 488 (or the rule in its Warning header)"


def _row(name: str, value: str, more: str, paint: Paint) -> str:
    return f"  {name:<13}{paint(value, 'strong')}" + (f"  {paint(more, 'quiet')}" if more else "")


def journal_line(entry: Entry) -> tuple[str, str] | None:
    """Tell a journal entry in one line with its level, secrets masked, or None when it is a detail."""
    data = entry.data
    match entry.kind:
        case Kind.CALL_STARTED:
            caller, called = clean(data.get("from", "")), clean(data.get("requestUri", ""))
            return "info", f"call {entry.call}: {caller} calls {called} from {data.get('peer')}"
        case Kind.VERDICT:
            return _verdict_line(entry)
        case Kind.REJECTED:
            return "warning", f"{_of(entry)}{clean(data.get('method'))} refused with {data.get('status')} ({data.get('rule')})"
        case Kind.PARSE_ERROR:
            return "warning", f"{_of(entry)}unreadable message: {clean(data.get('detail'))}"
        case Kind.ATTEMPT:
            peer = data.get("peer") or {}
            host = address_text((peer.get("host"), peer.get("port")))
            return "warning", f"no call {'to' if peer.get('dialled') else 'from'} {host}: {clean(data.get('detail'))} ({_rules(data)})"
        case _:
            return None


def _verdict_line(entry: Entry) -> tuple[str, str]:
    findings = entry.data.get("findings") or ()
    wrong = [finding for finding in findings if finding.get("status") in ("fail", "warn")]
    status = str(entry.data.get("status"))
    told = "".join(f"; {finding['rule']} {clean(finding.get('detail', ''))}" for finding in wrong[:3])
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return ("info" if status == "pass" else "warning"), f"call {entry.call}: {status}{told}{more}"


def _of(entry: Entry) -> str:
    return f"call {entry.call}: " if entry.call else ""


def _rules(data: Mapping[str, Any]) -> str:
    return ", ".join(str(finding.get("rule")) for finding in data.get("findings") or ()) or str(data.get("problem"))
