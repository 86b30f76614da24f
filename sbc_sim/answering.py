"""Taking calls as the partner: the answerer's core, a listener with a certificate of its own, media and journal, joined for one run.

answering = Answering(order, reactor)      # raises AnsweringError
answering.listen()                         # raises AnsweringError; then answering.port
answering.run()                            # Deferred: fires when as many calls as ordered are over
answering.stop()                           # Deferred: fires when everything is closed
answering.results, answering.failures

It can do wrong on purpose (`Misconduct`), so that what an SBC does about it can be tried.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError

from sbc_sim.building import MediaWithClock
from sbc_sim.calls.outputs import Environment
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.memory import MemoryStore
from sbc_sim.net import certificates
from sbc_sim.net.certificates import Credentials, Flaw
from sbc_sim.net.media_udp import MediaPlane
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.rude import RudeFactory
from sbc_sim.net.shell import Shell, unix_clock
from sbc_sim.net.sip_tls import ListenError, SipListener
from sbc_sim.net.tls_contexts import ClientCertificates, ServerTls
from sbc_sim.partner.answered_call import AnswerPlan, AnswerResult
from sbc_sim.partner.answerer import Answerer
from sbc_sim.rtp.audio import tone
from sbc_sim.rtp.echo import EchoLeg
from sbc_sim.rtp.endpoint import Endpoint
from sbc_sim.rtp.leg import LegDescription
from sbc_sim.rtp.play import EchoProof, PlayLeg
from sbc_sim.rules.policy import Policy
from sbc_sim.sip.peer import TlsFailure

STEM = "answer"
"""Name of the certificate files that are made for the answerer."""


class AnsweringError(Exception):
    """Why no call can be taken: one sentence."""


class Misconduct(StrEnum):
    """What the answerer does wrong on purpose."""

    NONE = "none"
    ASKS_CERTIFICATE = "asks-certificate"
    """Asks for a client certificate and goes on without one."""
    DEMANDS_CERTIFICATE = "demands-certificate"
    """Mutual TLS: ends the handshake of who shows none."""
    WRONG_NAME = "wrong-name"
    """Its certificate is for another name."""
    UNTRUSTED = "untrusted"
    """Its certificate is self-signed."""
    EXPIRED = "expired"
    PLAIN_TEXT = "plain-text"
    """No TLS: what looks like SIP over TCP."""
    SILENT = "silent"
    """Takes the TCP connection and says nothing."""
    NO_SRTP = "no-srtp"
    """Answers with media in clear."""


FLAWS = {Misconduct.WRONG_NAME: Flaw.WRONG_NAME, Misconduct.UNTRUSTED: Flaw.SELF_SIGNED, Misconduct.EXPIRED: Flaw.EXPIRED}
ASKING = {Misconduct.ASKS_CERTIFICATE: ClientCertificates.REPORT, Misconduct.DEMANDS_CERTIFICATE: ClientCertificates.REQUIRE}
RAW = {Misconduct.PLAIN_TEXT: b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Misconduct.SILENT: b""}
"""Without TLS: what is said to whoever sends anything."""


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """What to take, and how."""

    plan: AnswerPlan = field(default_factory=AnswerPlan)
    host: str = "127.0.0.1"
    """To listen on; for the media too."""
    port: int = 0
    cert_file: Path | None = None
    key_file: Path | None = None
    tls_dir: Path = Path("certs")
    """Without files of one's own: the folder of the CA under which a certificate is made."""
    names: tuple[str, ...] = ()
    """What that certificate is for, beside localhost and the address."""
    calls: int = 0
    """So many, then it is over; 0: without end."""
    echo: bool = False
    """Send back what comes instead of a tone."""
    misconduct: Misconduct = Misconduct.NONE


class Answering:
    """One run of the answerer."""

    def __init__(self, order: AnswerOrder, reactor: Any) -> None:
        """Build and join; nothing is listened on yet. Raises AnsweringError."""
        self.order = order
        self.store = MemoryStore()
        self._reactor = reactor
        self._clock = unix_clock()
        self._legs: dict[str, Endpoint] = {}
        self._waiters: list[Deferred[None]] = []
        self._closing = self._closed = False
        self._raw: Any = None
        """The listener of who does not speak TLS."""
        media = "" if order.host in ("0.0.0.0", "::", "") else order.host
        try:
            self.plane = MediaPlane(reactor, order.host or "0.0.0.0", media, "0", "ports", clock=self._clock, make_leg=self._make_leg)
            self.credentials = _credentials(order)
        except (CertificateError, ValueError) as error:
            raise AnsweringError(str(error)) from None
        environment = Environment(self.plane.open, self.plane.report, secrets.token_hex, secrets.token_bytes)
        plan = replace(order.plan, clear_media=order.plan.clear_media or order.misconduct is Misconduct.NO_SRTP)
        policy = replace(Policy(), suites=plan.suites, uui_content="warn")
        self.answerer = Answerer(plan, environment, self._proof, policy, order.calls)
        self.shell = Shell(reactor, self.answerer, MediaWithClock(self.plane, self._clock), self.store.append, now=self._clock)
        behaviour = ServerTls(ASKING.get(order.misconduct, ClientCertificates.IGNORE))
        self.listener = SipListener(reactor, self.shell, self.credentials, behaviour)
        self.store.subscribe(self._watch)

    @property
    def results(self) -> list[AnswerResult]:
        """What came of each call."""
        return self.answerer.results

    @property
    def failures(self) -> list[TlsFailure]:
        """Connections that came to nothing."""
        return self.answerer.failures

    @property
    def port(self) -> int:
        """The real port."""
        return self.listener.port if self._raw is None else int(self._raw.getHost().port)

    @property
    def uri(self) -> str:
        """What partners.NAME.return_uri is to be for calls to come here."""
        host = self.order.host if self.order.host not in ("0.0.0.0", "::", "") else "localhost"
        return f"sip:partner@{f'[{host}]' if ':' in host else host}:{self.port};transport=tls"

    def listen(self) -> None:
        """Begin to take calls. Raises AnsweringError."""
        order = self.order
        try:
            self.plane.listen()
            if order.misconduct in RAW:
                self._raw = self._reactor.listenTCP(order.port, RudeFactory(RAW[order.misconduct]), interface=order.host)
            else:
                self.listener.listen(order.host, order.port)
        except CannotListenError as error:
            raise AnsweringError(f"cannot listen on {order.host} port {order.port}: {error.socketError}") from None
        except ListenError as error:
            raise AnsweringError(str(error)) from None
        except OSError as error:
            raise AnsweringError(f"no UDP port for the media: {error.strerror or error}") from None
        self.shell.start(self.listener)

    def run(self) -> Deferred[None]:
        """Fires when as many calls as ordered are over, or `stop` was called; everything is closed then."""
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def stop(self, grace: float = 1.0) -> Deferred[None]:
        """End the calls that are up and close everything; fires when that is done."""
        if not self._closing:
            self._closing = True
            rest = succeed(None) if self._raw is None else maybeDeferred(self._raw.stopListening)
            rest.addCallback(lambda _: self.shell.stop(grace))
            rest.addCallback(lambda _: self.plane.close_all(self._clock()))
            rest.addCallback(lambda _: self._over())
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        if self._closed:
            self._over()
        return waiter

    def _over(self) -> None:
        self._closed = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def _watch(self, entry: Entry) -> None:
        if entry.kind is Kind.CALL_ENDED:
            self._reactor.callLater(0, self._stop_if_over)

    def _stop_if_over(self) -> None:
        if self.answerer.finished:
            self.stop()

    # --- audio -------------------------------------------------------------------------------------------------------

    def _make_leg(self, description: LegDescription, now: float) -> Endpoint:
        leg: Endpoint
        if self.order.echo:
            leg = EchoLeg(description, now)
        else:
            frames = max(1, int((self.order.plan.seconds - 0.7) / 0.02))
            leg = PlayLeg(description, now, islice(tone(len(self._legs) + 1), frames))
        self._legs[description.call] = leg
        return leg

    def _proof(self, call: str) -> EchoProof | None:
        leg = self._legs.get(call)
        return leg.proof() if isinstance(leg, PlayLeg) else None


def _credentials(order: AnswerOrder) -> Credentials:
    """Load one's own certificate, or make one under the CA. Raises CertificateError."""
    if order.cert_file is not None and order.key_file is not None:
        return certificates.load_own(order.cert_file, order.key_file)
    names = ("localhost", *(() if order.host in ("0.0.0.0", "::", "") else (order.host,)), *order.names)
    flaw = FLAWS.get(order.misconduct)
    if flaw is not None:
        return certificates.issue_flawed(order.tls_dir, flaw, names)
    return certificates.load_own(*certificates.issue(order.tls_dir, names, STEM))
