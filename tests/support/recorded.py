"""Calls in memory, written down as a trace would show them: octets, datagrams, times. What the switchboard said of them is at hand too."""

from __future__ import annotations

from dataclasses import dataclass, field

from sbc_sim.calls.outputs import Output, Send
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.journal.store import Trace
from sbc_sim.rtp.packet import Kind as PacketKind
from sbc_sim.rtp.packet import classify
from sbc_sim.traces.recording import Datagram, Flow, Octets, Recording, TlsSeen
from tests.support.joined import Address, Joined, Side

PARTNER, SBC = ("192.0.2.1", 40001), ("203.0.113.5", 5061)
SEEN = TlsSeen("TLSv1.3", "TLS_AES_256_GCM_SHA384", decrypted=True)


def a_flow(number: int = 1, transport: str = "tls", began_at: float = 0.0, **more: object) -> Flow:
    tls = SEEN if transport == "tls" else None
    return Flow(number, transport, PARTNER, SBC, began_at, **{"tls": tls, **more})  # type: ignore[arg-type]


def statuses(trace: Trace | None) -> dict[str, str]:
    """Status by rule."""
    assert trace is not None
    return {finding["rule"]: finding["status"] for finding in (trace.call.verdict or {}).get("findings", ())}


def traces_of(entries: list[Entry]) -> list[Trace]:
    """What a store makes of the journal of a live call."""
    store = MemoryStore()
    for entry in entries:
        store.append(entry)
    calls = [entry.call for entry in entries if entry.kind is Kind.CALL_STARTED and entry.call is not None]
    return [trace for call in calls if (trace := store.trace(call)) is not None]


@dataclass
class RecordedCall(Joined):
    """Both sides joined, with everything that passed between them kept."""

    octets: list[Octets] = field(default_factory=list)
    passed: list[Datagram] = field(default_factory=list)

    def _took(self, side: Side, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.octets.append(Octets(self.now, 1, side is self.partner, output.data))
            super()._took(side, [output])

    def _deliver(self, sender: Side, call: str, datagram: bytes, to: Address) -> None:
        own = sender.port_of(call)
        source = (own[0], own[1] + to[1] % 2)
        self.passed.append(Datagram(self.now, source, to, datagram))
        leg = sender.legs.get(call)
        if sender is self.sbc and leg is not None and classify(datagram) is PacketKind.RTP:
            leg.sent_after(0.0)  # the plane measures that
        super()._deliver(sender, call, datagram, to)

    def recording(self) -> Recording:
        """What a capture between both would hold."""
        return Recording((a_flow(began_at=self.octets[0].at),), tuple(self.octets), tuple(self.passed))

    def live(self) -> list[Trace]:
        """The calls as the switchboard's own journal tells them."""
        return traces_of(self.sbc.entries)
