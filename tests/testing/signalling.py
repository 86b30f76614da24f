"""A partner's SBC for the tests of the plugin: signalling by hand over TLS, in this process, so that a call costs milliseconds."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from sbc_sim.testing.simulator import SbcSim
from tests.end_to_end import raw_sip

_numbers = itertools.count(1)


class Dialled:
    """One call that was dialled: what became of its INVITE."""

    def __init__(self, raw: raw_sip.RawSip, name: str) -> None:
        self.raw = raw
        self.name = name
        self.call_id = f"{name}@partner.example"
        answer = raw.final()
        assert answer is not None
        self.status = answer.status
        self._to_tag = re.search(r";tag=[^\s;]+", answer.header("To") or "").group()  # type: ignore[union-attr]
        ack = raw_sip.request("ACK", name, to_tag=self._to_tag)
        if self.status >= 300:  # it belongs to the transaction of the INVITE then (RFC 3261 section 17.1.1.3)
            ack = ack.replace(f"branch=z9hG4bK-{name}-1-ACK".encode(), f"branch=z9hG4bK-{name}-1-INVITE".encode())
        raw.send(ack)

    def answer_bye(self) -> str:
        """Wait for the BYE of the server and answer 200; gives the BYE."""
        bye = self.raw.request()
        assert bye.startswith("BYE ")
        kept = [line for line in bye.splitlines() if line.lower().startswith(("via:", "from:", "to:", "call-id:", "cseq:"))]
        self.raw.send(("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0"]) + "\r\n\r\n").encode())
        return bye

    def hang_up(self) -> None:
        """BYE, and its 200."""
        self.raw.send(raw_sip.request("BYE", self.name, cseq=2, to_tag=self._to_tag))
        answer = self.raw.final()
        assert answer is not None
        assert answer.status == 200, answer.head


@contextmanager
def dialling(sim: SbcSim, to: str = "5550100", uui: str | None = None) -> Iterator[Dialled]:
    """Dial `to` and wait for the final answer; without `uui` it asks for the echo, with an empty one there is no such header."""
    name = f"plugin-{os.getpid()}-{next(_numbers)}"
    invite = raw_sip.invite(name, sim.echo_uui if uui is None else uui, uri=f"sip:{to}@localhost")
    if uui == "":
        invite = invite.replace(b"User-to-User: \r\n", b"")
    with raw_sip.connected(sim.sip_port, sim.ca_pem) as raw:
        raw.send(invite)
        yield Dialled(raw, name)


def call(sim: SbcSim, to: str = "5550100", uui: str | None = None) -> Dialled:
    """Dial, and hang up at once when it was answered."""
    with dialling(sim, to, uui) as dialled:
        if dialled.status == 200:
            dialled.hang_up()
        return dialled
