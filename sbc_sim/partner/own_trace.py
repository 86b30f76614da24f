"""What the partner's own side saw, as text: one line with time, source and destination, then the message as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.journal.view import rfc3339


def trace_text(traces: Iterable[Trace]) -> str:
    """Write the SIP messages of some calls in their order, as the log of a platform has them."""
    return "\n".join(line for trace in traces for line in _lines(trace))


def _lines(trace: Trace) -> Iterator[str]:
    peer = {} if trace.opened is None else trace.opened.data.get("peer") or {}
    here = f"{peer.get('localHost', '127.0.0.1')}:{peer.get('localPort', 5061)}"
    for entry in trace.entries:
        if entry.kind is Kind.MESSAGE:
            yield _way(entry, here)
            yield entry.raw.decode("utf-8", "replace").rstrip("\r\n") + "\r\n"


def _way(entry: Entry, here: str) -> str:
    there = str(entry.data.get("peer") or "")
    ends = (there, here) if entry.data.get("direction") == "in" else (here, there)
    return f"{rfc3339(entry.at)} tls {ends[0]} -> {ends[1]}"
