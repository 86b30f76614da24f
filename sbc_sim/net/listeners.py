"""Where calls come in: the common listener, those that are one region's own, and the certificate that each of them shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.view import rfc3339
from sbc_sim.net import certificates
from sbc_sim.net.certificates import Credentials
from sbc_sim.net.key_log import KeyLog
from sbc_sim.net.pem_files import CertificateError
from sbc_sim.net.shapes import Listen
from sbc_sim.net.shown_certificates import EVERYWHERE, Change, How, ShownCertificates, how_named
from sbc_sim.net.sip_connection import ConnectionLimits, ConnectionOwner
from sbc_sim.net.sip_tls import ListenError, SipListener
from sbc_sim.net.tap import Ciphertext
from sbc_sim.net.tls_contexts import ByName, ServerTls

_log = Logger()


class Listeners:
    """All listeners of one process. A connection that came in on a region's own bears its name (`Peer.listener`)."""

    def __init__(
        self,
        reactor: Any,
        owner: ConnectionOwner,
        shown: ShownCertificates,
        options: ServerTls,
        limits: ConnectionLimits,
        own: Mapping[str, tuple[str, int]],
        *,
        ciphertext: Ciphertext | None = None,
        key_log: KeyLog | None = None,
        listen_tcp: Listen | None = None,
        beside: tuple[str, int] | None = None,
    ) -> None:
        """`own` has the address and port of each region's own listener. Raises `CertificateError`.

        `listen_tcp`: instead of the reactor's. `beside`: a second address and port for the common listener, which no other process has.
        """
        self._shown = shown
        self._addresses = own

        def new(name: str, credentials: Credentials, by_name: ByName = lambda name: None) -> SipListener:
            return SipListener(
                reactor,
                owner,
                credentials,
                options,
                limits,
                name=name,
                ciphertext=ciphertext,
                key_log=key_log,
                by_name=by_name,
                sockets=lambda: self.sockets,
                listen_tcp=listen_tcp,
            )

        self.common = new("default", shown.common, shown.to)
        self.own = {region: new(region, shown.of(region)) for region in own}
        self.beside = None if beside is None else new("default", shown.common, shown.to)
        self._beside_at = beside

    @property
    def all(self) -> list[SipListener]:
        """Every listener, the common one first."""
        return [self.common, *self.own.values(), *([self.beside] if self.beside is not None else [])]

    @property
    def sockets(self) -> int:
        """TCP connections accepted anywhere that are not gone."""
        return sum(listener.sockets for listener in self.all)

    def listen(self, host: str, port: int) -> None:
        """Begin to accept; `host` and `port` are those of the common listener. Raises `ListenError`."""
        self.common.listen(host, port)
        for region, listener in self.own.items():
            try:
                listener.listen(*self._addresses[region])
            except ListenError as error:
                raise ListenError(f"{error} (regions.{region}.listen)") from error
        if self.beside is not None and self._beside_at is not None:
            self.beside.listen(*self._beside_at)

    def refresh(self) -> None:
        """Show what is to be shown by now, from the next connection on. Raises `CertificateError`."""
        for listener in filter(None, (self.common, self.beside)):
            listener.use(self._shown.common)
        for region, listener in self.own.items():
            listener.use(self._shown.of(region))


class Rotation:
    """The rehearsal of a certificate that is rotated (requirement 148): calls that are up go on, new connections see the new chain."""

    def __init__(
        self, shown: ShownCertificates, listeners: Listeners, regions: Mapping[str, str], reactor: Any, clock: Callable[[], float]
    ) -> None:
        """`regions` maps the names there are to their host names; `clock` gives unix seconds."""
        self.on_entry: Callable[[Entry], object] = lambda entry: None
        """Is told of each rotation: the journal."""
        self.on_renewed: Callable[[], object] = lambda: None
        """Is told when a call to test number 1020 has renewed the certificate."""
        self.newest: Change | None = None
        """What was changed last."""
        self._shown = shown
        self._listeners = listeners
        self._regions = regions
        self._reactor = reactor
        self._clock = clock
        self._since: dict[str, float] = {}

    def rotate(
        self, how: str = How.NEW_LEAF.value, region: str = EVERYWHERE, other_ca: Credentials | None = None
    ) -> Deferred[dict[str, Any]]:
        """Show another certificate from the next connection on, in one region or (empty) everywhere; fires with what is shown then.

        `how`: see `How`; "original" goes back. `other_ca`: the one of new-ca, when another replica has made it. Keys are made in a
        thread, so that no call waits for them. Raises ValueError for words and regions that there are not; fails with `CertificateError`
        when the CA cannot be used, and nothing has changed then.
        """
        wanted = how_named(how)
        if region and region not in self._regions:
            raise ValueError(f"there is no region {region!r}: {', '.join(self._regions) or 'none is set'}")
        made: Deferred[Change] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), self._shown.prepare, wanted, region, other_ca
        )
        return made.addCallback(self._show)

    def renew(self) -> None:
        """Show a new certificate everywhere, under the same CA; where that cannot be, or another is shown on purpose, the journal says so.

        Any caller may ask for it (test number 1020), so it must neither cost other partners their trust nor end what somebody rehearses.
        """
        on_purpose = self._shown.on_purpose
        if on_purpose is not None:
            self._not_renewed(f"{on_purpose} is shown on purpose, and stays (sbc-sim tls rotate original ends it)")
            return
        self.rotate().addCallback(lambda told: self.on_renewed()).addErrback(self._failed_to_renew)

    @property
    def changes(self) -> list[Change]:
        """What is shown instead of what the settings say."""
        return self._shown.changes

    def _failed_to_renew(self, failure: Failure) -> None:
        if not isinstance(failure.value, CertificateError):
            _log.failure("the certificate was not renewed", failure=failure)
        self._not_renewed(failure.getErrorMessage())

    def _not_renewed(self, why: str) -> None:
        self.on_entry(Entry(self._clock(), Kind.NOTE, None, {"text": f"A call to test number 1020 renewed no certificate: {why}"}))

    def _show(self, change: Change) -> dict[str, Any]:
        self._shown.show(change)
        self._listeners.refresh()
        self.newest = change
        now = self._clock()
        if change.region == EVERYWHERE:
            self._since.clear()
        self._since[change.region] = now
        told = self.shown_in(change.region)
        where = f"in {change.region}" if change.region else "everywhere"
        text = f"Certificate rotated ({told['how']}) {where}: new connections see {told['subject']}, SHA-256 {told['fingerprint']}"
        self.on_entry(Entry(now, Kind.NOTE, None, {"text": text, "certificate": told}))
        if change.ca is None or change.how is not How.NEW_CA:
            return told
        return {**told, "caPem": change.ca.certificate_pem().decode("ascii")}

    def shown_in(self, region: str = EVERYWHERE) -> dict[str, Any]:
        """Tell what is shown in a region, or (empty) to clients that name none."""
        credentials = self._shown.of(region)
        facts = certificates.facts_of(credentials.leaf)
        since = self._since.get(region) or self._since.get(EVERYWHERE)
        return {
            "region": region or None,
            "host": self._regions.get(region) or None,
            "how": self._shown.change_of(region).how.value,
            "since": None if since is None else rfc3339(since),
            "subject": facts.subject,
            "names": list(facts.names),
            "issuer": facts.issuer,
            "notBefore": rfc3339(facts.not_before.timestamp()),
            "notAfter": rfc3339(facts.not_after.timestamp()),
            "fingerprint": facts.fingerprint,
            "chain": [certificate.subject.rfc4514_string() for certificate in credentials.chain],
        }

    def all_shown(self) -> list[dict[str, Any]]:
        """Tell what is shown to clients that name no region, then in each region whose certificate was asked for or rotated."""
        return [self.shown_in(), *(self.shown_in(region) for region in self._regions if self._shown.has_made(region))]
