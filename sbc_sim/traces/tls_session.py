"""One TLS connection of a trace: followed through its handshake, and opened when the key log has its secrets.

Records of the client wait until the ServerHello was read, and those of the server for the ClientHello, so that it does not matter when
the capture has packets of the two directions in the wrong order.
"""

from __future__ import annotations

from typing import NamedTuple

from sbc_sim.traces.key_log import KeyLog
from sbc_sim.traces.recording import TlsSeen
from sbc_sim.traces.tls_handshake import (
    CERTIFICATE,
    CLIENT_HELLO,
    FINISHED,
    KEY_UPDATE,
    SERVER_HELLO,
    TLS_1_2,
    TLS_1_3,
    BadHandshake,
    ClientHello,
    ServerHello,
    client_hello,
    client_subject,
    fatal_alert,
    server_hello,
    version_name,
)
from sbc_sim.traces.tls_keys import NotOpened, Opener, Record, Tls13Opener, next_secret, tls12_openers
from sbc_sim.traces.tls_records import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HandshakeMessages, NoRecord, Records
from sbc_sim.traces.tls_suites import Suite, suite, suite_name

_ALERT_RECORD = 2 + 1 + 16
"""Octets of an alert record of TLS 1.3 that is not padded: level, description, type, tag."""
_MISSING = "octets are missing in the capture, and TLS cannot be read beyond them"


class Opened(NamedTuple):
    """Application octets of one record."""

    at: float
    from_client: bool
    data: bytes


class _Side:
    """One direction."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records = Records()
        self.messages = HandshakeMessages()
        self.waiting: list[Record] = []
        self.opener: Opener | None = None
        self.prepared: Opener | None = None
        """TLS 1.2: what opens records behind ChangeCipherSpec."""
        self.secret = b""
        """TLS 1.3: the traffic secret in use, when it is known."""
        self.sealed = False
        """Whether records are encrypted from here on."""
        self.in_handshake = True
        self.searching = False
        """TLS 1.3 with the handshake secret unknown: records are passed over until one opens under the traffic secret."""
        self.count = 0
        self.opened = 0
        self.unopened: list[int] = []
        """Lengths of the first encrypted records that could not be opened."""
        self.stopped = ""


class TlsSession:
    """Feed it the octets of both directions in order of time, then `finish`; `opened` and `seen` have what came of it."""

    def __init__(self, log: KeyLog) -> None:
        """`log`: the secrets of all connections."""
        self._log = log
        self._client, self._server = _Side("client"), _Side("server")
        self._hello: ClientHello | None = None
        self._answer: ServerHello | None = None
        self._suite: Suite | None = None
        self._no_keys = ""
        self._alert: str | None = None
        self._alert_from_client = False
        self._subject: str | None = None
        self.opened: list[Opened] = []

    @property
    def protocols(self) -> tuple[str, ...]:
        """What the client offered by ALPN."""
        return self._hello.protocols if self._hello is not None else ()

    @property
    def looks_refused(self) -> bool:
        """TLS 1.3 without secrets: whether the first and last thing that the client sent encrypted is as short as an alert."""
        is_1_3 = self._answer is not None and self._answer.version == TLS_1_3
        return is_1_3 and self._client.unopened == [_ALERT_RECORD]

    def add(self, at: float, from_client: bool, data: bytes, lost: int = 0) -> None:
        """Take octets of one direction; `lost` of them are missing before these."""
        side = self._client if from_client else self._server
        if side.stopped:
            return
        if lost:
            side.stopped = _MISSING
            return
        try:
            for record in side.records.add(at, data):
                if not self._arrived(side, record):
                    return
        except NoRecord:
            side.stopped = f"behind {side.records.passed} octets, what the {side.name} sent is no TLS record"
        except BadHandshake:
            side.stopped = f"a handshake message of the {side.name} is malformed"

    def finish(self) -> None:
        """Say that nothing follows: what waited for a hello that never came can only be an alert in clear."""
        for side in (self._client, self._server):
            for record in side.waiting:
                if record.kind == ALERT:
                    self._alerted(side, record.body)

    def seen(self) -> TlsSeen:
        """Tell what the handshake showed and whether it was opened."""
        answer = self._answer
        return TlsSeen(
            version_name(answer.version) if answer is not None else "",
            suite_name(answer.suite) if answer is not None else "",
            self._hello.server_name if self._hello is not None else None,
            self._subject,
            self._alert,
            self._alert_from_client,
            bool(self._client.opened or self._server.opened),
            self._why_not(),
        )

    # --- records ------------------------------------------------------------------------------------------------------

    def _arrived(self, side: _Side, record: Record) -> bool:
        """Take a record; false when nothing more can be read of this direction."""
        if side.waiting or not self._ready(side, record):
            side.waiting.append(record)
        else:
            self._process(side, record)
        return not side.stopped

    def _ready(self, side: _Side, record: Record) -> bool:
        if side is self._server:
            return self._hello is not None
        return self._answer is not None or record.kind in (HANDSHAKE, CHANGE_CIPHER_SPEC)

    def _release(self, side: _Side) -> None:
        waiting, side.waiting = side.waiting, []
        for record in waiting:
            if not side.stopped:
                self._process(side, record)

    def _process(self, side: _Side, record: Record) -> None:
        side.count += 1
        if record.kind == CHANGE_CIPHER_SPEC:
            self._change_cipher(side)
        elif not side.sealed or (self._is(TLS_1_3) and record.kind != APPLICATION_DATA):
            if record.kind != APPLICATION_DATA:
                self._content(side, record.at, record.kind, record.body)
        elif side.opener is None:
            if len(side.unopened) < 2:
                side.unopened.append(len(record.body))
        else:
            self._open(side, side.opener, record)

    def _open(self, side: _Side, opener: Opener, record: Record) -> None:
        try:
            kind, content = opener.open(record)
        except NotOpened:
            self._not_opened(side)
            return
        side.opened += 1
        side.searching = False
        self._content(side, record.at, kind, content)

    def _not_opened(self, side: _Side) -> None:
        early = side is self._client and self._hello is not None and self._hello.early_data and side.in_handshake and not side.opened
        if early or side.searching:  # RFC 8446 section 4.2.10: data sent before the handshake is passed over
            return
        what = "the secrets in the key log are not those of this connection" if not side.opened else "octets are missing or damaged"
        side.stopped = f"record {side.count} of the {side.name} does not open: {what}"

    def _content(self, side: _Side, at: float, kind: int, content: bytes) -> None:
        if kind == APPLICATION_DATA:
            if content:
                self.opened.append(Opened(at, side is self._client, content))
        elif kind == HANDSHAKE:
            for message, body in side.messages.add(content):
                self._message(side, message, body)
                if side.stopped:
                    return
        elif kind == ALERT:
            self._alerted(side, content)

    def _alerted(self, side: _Side, content: bytes) -> None:
        alert = fatal_alert(content, self._answer.version if self._answer is not None else 0)
        if alert is not None and self._alert is None:
            self._alert, self._alert_from_client = alert, side is self._client

    # --- handshake ----------------------------------------------------------------------------------------------------

    def _message(self, side: _Side, kind: int, body: bytes) -> None:
        if kind == CLIENT_HELLO and side is self._client:
            self._client_hello(body)
        elif kind == SERVER_HELLO and side is self._server:
            self._server_hello(body)
        elif kind == CERTIFICATE and side is self._client and self._answer is not None:
            self._subject = self._subject or client_subject(body, self._answer.version)
        elif self._is(TLS_1_3) and side.opener is not None:
            if kind == FINISHED and side.in_handshake:
                self._begin_traffic(side)
            elif kind == KEY_UPDATE and not side.in_handshake and self._suite is not None:
                side.secret = next_secret(side.secret, self._suite.digest)
                side.opener = Tls13Opener(self._suite, side.secret)

    def _client_hello(self, body: bytes) -> None:
        if self._answer is not None:
            for side in (self._client, self._server):
                side.stopped = side.stopped or "the connection was renegotiated, which is not followed"
            return
        self._hello = client_hello(body)
        self._release(self._server)

    def _server_hello(self, body: bytes) -> None:
        answer = server_hello(body)
        if answer.is_retry or self._answer is not None:
            return
        self._answer = answer
        self._suite = suite(answer.suite)
        self._no_keys = self._prepare(answer)
        if answer.version == TLS_1_3:
            self._client.sealed = self._server.sealed = True
        self._release(self._client)

    def _prepare(self, answer: ServerHello) -> str:
        """Find the secrets; gives the reason when there is no way."""
        random = self._hello.random if self._hello is not None else b""
        if answer.version not in (TLS_1_2, TLS_1_3):
            return f"{version_name(answer.version)} is not decrypted here, only TLSv1.2 and TLSv1.3"
        if self._suite is None or answer.compressed:
            return f"{suite_name(answer.suite)}{' with compression' if answer.compressed else ''} is not decrypted here"
        if random not in self._log.randoms:
            return self._unknown(random)
        return self._prepare_1_3(self._suite, random) if answer.version == TLS_1_3 else self._prepare_1_2(self._suite, answer, random)

    def _unknown(self, random: bytes) -> str:
        if not len(self._log):
            return "no key log was given"
        others = f"{len(self._log)} connection{'s' if len(self._log) > 1 else ''}"
        return f"the key log has secrets of {others}, but not of this one (client random {random.hex()[:16]}...)"

    def _prepare_1_2(self, chosen: Suite, answer: ServerHello, random: bytes) -> str:
        master = self._log.secret("CLIENT_RANDOM", random)
        if master is None or len(master) != 48:
            return "the key log has no CLIENT_RANDOM line with the master secret of this connection"
        openers = tls12_openers(chosen, master, random, answer.random, answer.encrypt_then_mac)
        self._client.prepared, self._server.prepared = openers
        return ""

    def _prepare_1_3(self, chosen: Suite, random: bytes) -> str:
        lacking = []
        for side in (self._client, self._server):
            handshake = self._log.secret(f"{side.name.upper()}_HANDSHAKE_TRAFFIC_SECRET", random)
            traffic = self._log.secret(f"{side.name.upper()}_TRAFFIC_SECRET_0", random)
            secret = handshake or traffic
            if secret is None:
                lacking.append(side.name)
                continue
            side.secret, side.opener = secret, Tls13Opener(chosen, secret)
            side.searching, side.in_handshake = handshake is None, handshake is not None
        return f"the key log lacks the traffic secrets of the {' and the '.join(lacking)}" if lacking else ""

    def _begin_traffic(self, side: _Side) -> None:
        assert self._hello is not None
        assert self._suite is not None
        label = f"{side.name.upper()}_TRAFFIC_SECRET_0"
        secret = self._log.secret(label, self._hello.random)
        side.in_handshake = False
        if secret is None:
            side.stopped = f"the key log has no line {label} for this connection"
            return
        side.secret, side.opener = secret, Tls13Opener(self._suite, secret)

    def _change_cipher(self, side: _Side) -> None:
        if self._is(TLS_1_3) or self._answer is None:
            return  # compatibility only, RFC 8446 appendix D.4
        if side.sealed:
            side.stopped = "the connection was renegotiated, which is not followed"
        side.sealed, side.opener = True, side.prepared

    def _is(self, version: int) -> bool:
        return self._answer is not None and self._answer.version == version

    # --- words --------------------------------------------------------------------------------------------------------

    def _why_not(self) -> str:
        sides = (self._client, self._server)
        if self._hello is None:
            return "the capture has no ClientHello: it began after the handshake, or lost it"
        if self._answer is None:
            stopped = self._server.stopped or self._client.stopped
            return stopped or ("the capture has no ServerHello" if any(side.waiting for side in sides) else "")
        if self._no_keys and any(side.unopened or side.stopped for side in sides):
            return self._no_keys
        if any(side.searching for side in sides):
            return "no record opens under the traffic secret, and the key log lacks the handshake secrets of this connection"
        return next((side.stopped for side in sides if side.stopped), "")
