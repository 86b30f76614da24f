"""Connections of a trace that never came to speak SIP: what their TLS alert means."""

from __future__ import annotations

from collections.abc import Iterator

from sbc_sim.offline.framing import place
from sbc_sim.rules.alerts import alert_named
from sbc_sim.rules.tls import ALLOWED_VERSIONS
from sbc_sim.sip.text import printable
from sbc_sim.traces.recording import Flow, Recording, TlsSeen

MOST_TOLD = 10


def failed_flows(recording: Recording) -> Iterator[str]:
    """Sentences about TLS connections without a message, the first ones."""
    spoke = {piece.flow for piece in recording.octets}
    silent = [flow for flow in recording.flows if flow.number not in spoke and flow.tls is not None and not _told_already(flow.tls)]
    for flow in silent[:MOST_TOLD]:
        assert flow.tls is not None
        yield f"{place(flow, True)}: {_why(flow, flow.tls)}"


def _why(flow: Flow, seen: TlsSeen) -> str:
    version = f"{printable(seen.version, 20)} was negotiated, older than {ALLOWED_VERSIONS[0]}; " if _old(seen) else ""
    if seen.alert is not None:
        return f"{version}the handshake failed. {_alert(seen)}"
    return f"{version}no SIP was spoken on this connection ({flow.end or 'still open'} at its end)."


def _told_already(seen: TlsSeen) -> bool:
    """Whoever read the trace says in its notes what could not be decrypted."""
    return seen.alert is None and not seen.decrypted and bool(seen.why_not)


def _old(seen: TlsSeen) -> bool:
    return bool(seen.version) and seen.version not in ALLOWED_VERSIONS


def _alert(seen: TlsSeen) -> str:
    name = printable(seen.alert or "", 60)
    sender = "the client" if seen.alert_from_client else "the server"
    known = alert_named(name)
    if known is None:
        return f"Alert {name} came from {sender}."
    advice = f" {known.advice}" if seen.alert_from_client else ""
    return f"Alert {name} ({known.code}) from {sender} means: {known.meaning}.{advice}"
