"""Placing calls as the partner: the caller's core, its own shell, media and journal, joined for one run.

placement = Placement(order, reactor)      # raises PlacingError
placement.run()                            # Deferred: fires when every call has its result
placement.results, placement.failure
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from sbc_sim.building import MediaWithClock
from sbc_sim.calls.outputs import Environment
from sbc_sim.calls.production import is_production, not_dialled
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.net.key_log import KeyLog, key_log_files
from sbc_sim.net.media_udp import MediaPlane
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.shell import Shell, unix_clock
from sbc_sim.net.sip_tls import SipDialler
from sbc_sim.net.tls_contexts import ClientTls
from sbc_sim.partner.caller import Caller
from sbc_sim.partner.partner_call import CallResult
from sbc_sim.partner.placed_call import CallPlan
from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.dtmf import Key
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.play import EchoProof, PlayLeg
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.peer import TlsFailure

QUIET_END = 0.7
"""Seconds without audio before the BYE: what was sent last has time to come back, so the proof is exact."""

SLACK = 75.0
"""Connecting, CANCEL and BYE may take so long on top of the rest, seconds."""

PATIENCE = 3.0
"""After an interrupt: longest wait for the answers of the SBC, seconds."""

LEAST_SHARE = 0.99
"""Of the frames that were sent, so many must come back unchanged."""

MOST_BY_CHANCE = 0.05
"""Of what somebody else says, so much may be what we sent: silence is equal everywhere."""


class PlacingError(Exception):
    """Why no call can be placed: one sentence."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to place. Times in seconds."""

    plan: CallPlan
    calls: int = 1
    interval: float = 0.02
    """Between the beginnings of two calls."""
    ca_file: Path | None = None
    """None: the trust store of this machine."""
    verify: bool = True
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    """PCMU frames to play; empty: a tone, another one for each call."""
    production: bool = False
    """Whether a name of Salesforce's production may be dialled (sip.dial_production)."""
    voice: Iterable[bytes | Key] | None = field(default=None, repr=False)
    """Of a single call: what it says while it is up, instead of frames."""
    codecs: tuple[str, ...] = ("PCMU",)
    """What is offered."""


def local_host(host: str, port: int) -> str:
    """Find the address from which this machine would reach a host. Raises PlacingError; sends nothing but perhaps a DNS query."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise PlacingError(f"there is no way to {host}: {error.strerror or error}") from None


class Placement:
    """One run of the caller."""

    def __init__(self, order: Order, reactor: Any) -> None:
        """Build and join; nothing is dialled yet. Raises PlacingError."""
        self.order = order
        self.store = MemoryStore()
        self._reactor = reactor
        self._clock = unix_clock()
        self._legs: dict[str, PlayLeg] = {}
        self._done: Deferred[None] = Deferred()
        self._closing = False
        if is_production(order.plan.host) and not order.production:
            raise PlacingError(not_dialled(order.plan.host))
        host = local_host(order.plan.host, order.plan.port)
        try:
            self.plane = MediaPlane(reactor, host, host, "0", "ports", clock=self._clock, make_leg=self._make_leg)
            dialler = SipDialler(reactor, ClientTls(order.ca_file, order.verify), key_log=_key_log(), production=order.production)
        except (CertificateError, ValueError) as error:
            raise PlacingError(str(error)) from None
        environment = Environment(self.plane.open, self.plane.report, secrets.token_hex, secrets.token_bytes)
        policy = replace(Policy(), suites=order.plan.suites, codecs=order.codecs, ipv6=":" in host)
        self.caller = Caller(order.plan, environment, self._proof, policy, order.calls, order.interval)
        self.shell = Shell(
            reactor, self.caller, MediaWithClock(self.plane, self._clock), self.store.append, dialler=dialler, now=self._clock
        )
        self.store.subscribe(self._watch)

    @property
    def results(self) -> list[CallResult]:
        """What came of each call."""
        return self.caller.results

    @property
    def failure(self) -> TlsFailure | None:
        """Why the connection could not be had."""
        return self.caller.failure

    def run(self) -> Deferred[None]:
        """Dial; fires when every call has its result and the connection is closed."""
        try:
            self.plane.listen()
        except OSError as error:
            raise PlacingError(f"no UDP port for the media: {error.strerror or error}") from None
        self.shell.start()
        self.shell.ask(self.caller.start)
        plan = self.order.plan
        self._last_resort(plan.ring_seconds + plan.seconds + self.order.calls * self.order.interval + SLACK)
        return self._done

    def hang_up(self) -> None:
        """End every call now; `run` fires when that is done, or after a few seconds of an SBC that does not answer."""
        self.shell.ask(self.caller.hang_up)
        self._finish_if_over()
        self._last_resort(PATIENCE)

    def _last_resort(self, seconds: float) -> None:
        """End without the SBC, or in spite of a fault of our own: a command must not hang."""
        self._reactor.callLater(seconds, self._finish)

    def _watch(self, entry: Entry) -> None:
        if entry.kind is Kind.CALL_ENDED and self.caller.finished:
            self._reactor.callLater(0, self._finish_if_over)

    def _finish_if_over(self) -> None:
        if self.caller.finished:
            self._finish()

    def _finish(self) -> None:
        if not self._closing:
            self._closing = True
            stopped = self.shell.stop(grace=1.0)
            stopped.addCallback(lambda _: self.plane.close_all(self._clock()))
            stopped.chainDeferred(self._done)

    # --- audio -------------------------------------------------------------------------------------------------------

    def _make_leg(self, description: LegDescription, now: float) -> PlayLeg:
        leg = PlayLeg(description, now, self._frames(len(self._legs) + 1))
        self._legs[description.call] = leg
        return leg

    def _frames(self, seed: int) -> Iterable[bytes | Key]:
        if self.order.voice is not None:
            return self.order.voice
        source: Iterable[bytes] = self.order.frames or tone(seed)
        return islice(source, max(1, int((self.order.plan.seconds - QUIET_END) / 0.02)))

    def _proof(self, call: str) -> EchoProof | None:
        leg = self._legs.get(call)
        return None if leg is None else leg.proof()


def _key_log() -> KeyLog | None:
    """Append TLS secrets to the file of SSLKEYLOGFILE, when there is one."""
    files = key_log_files(None)
    return None if files is None else lambda connection, line: files.append(line)


class CameBack(StrEnum):
    """What came back of the audio that a call sent."""

    NOTHING = "nothing"
    ECHO = "echo"
    PART = "part"
    """An echo with something missing, changed or added."""
    OTHER = "other"
    """Somebody who speaks: next to nothing of it is ours."""


def came_back(proof: EchoProof | None) -> CameBack:
    """Tell what came back by what became of the frames that were sent."""
    if proof is None or proof.returned == 0:
        return CameBack.NOTHING
    if not proof.altered and proof.share >= LEAST_SHARE:
        return CameBack.ECHO
    return CameBack.OTHER if proof.identical <= proof.returned * MOST_BY_CHANCE else CameBack.PART


def complaints(result: CallResult, expect: str = "echo") -> list[str]:
    """List what keeps a call from having passed; empty: it passed. `expect`: who should have answered, ``echo``, ``agent`` or ``any``."""
    found = list(result.problems)
    if result.answered_at is None:
        return found or ["the call was not answered"]
    what, proof = came_back(result.proof), result.proof
    if what is CameBack.NOTHING or proof is None:
        found.append("no audio came back")
    elif expect == "agent" and what is not CameBack.OTHER:
        found.append(f"an echo answered ({_share(proof)}), not somebody who speaks as --expect agent asks for")
    elif expect == "echo" and what is CameBack.OTHER:
        found.append(
            f"no echo, but somebody who speaks: {proof.returned} packets came, {proof.identical or 'none'} of them what was sent; "
            "an agent answered (sbc-sim call --expect agent, or any, is for that), or the audio is changed on its way"
        )
    elif expect == "echo" and what is CameBack.PART:
        found.append(f"the echo is not what was sent: {_share(proof)}, {proof.altered} altered, {proof.lost} lost")
    return found


def _share(proof: EchoProof) -> str:
    return f"{proof.identical} of {proof.sent} frames unchanged"
