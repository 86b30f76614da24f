"""What was found in a capture, one connection or pair of ends at a time, before it is numbered."""

from __future__ import annotations

from dataclasses import dataclass, field

from sbc_sim.traces.allowance import Allowance
from sbc_sim.traces.key_log import KeyLog
from sbc_sim.traces.limits import Notes
from sbc_sim.traces.looks import Kind, is_http
from sbc_sim.traces.recording import Address, Flow, Octets, TlsSeen
from sbc_sim.traces.sip_stream import whole_messages
from sbc_sim.traces.tcp import Connection, Piece
from sbc_sim.traces.tls_session import Opened, TlsSession

HOW_TO_GET_A_KEY_LOG = (
    "How to get a key log: start the SIP program with SSLKEYLOGFILE=FILE (curl, Python, GnuTLS, NSS, sbc-sim serve), use "
    "`openssl s_client -keylogfile FILE`, Node's --tls-keylog, Go's KeyLogWriter or a key log agent for Java, begin the capture before the "
    "connection, and give FILE with it; or take this call's capture.pcapng from sbc-sim, which has its secrets inside."
)
PRIVATE_KEY = (
    "A private key was given in place of a key log and is not used: with ephemeral keys (ECDHE, DHE, all of TLS 1.3) it opens nothing. "
    + HOW_TO_GET_A_KEY_LOG
)
_ALPN_OF_HTTP = frozenset(("h2", "http/1.1", "http/1.0", "h3"))
_SECURE_PORT = 5061


@dataclass(slots=True)
class Found:
    """A flow to be, with its octets."""

    number: int
    """Of its first packet in the capture."""
    transport: str
    client: Address
    server: Address
    began_at: float
    tls: TlsSeen | None = None
    ended_at: float | None = None
    end: str = ""
    octets: list[Opened] = field(default_factory=list)
    is_copy: bool = False
    """Whether the capturing side wrote it decrypted, beside the octets of the wire or in place of them."""

    def flow(self, number: int) -> Flow:
        """Give the flow under its number in the recording."""
        return Flow(number, self.transport, self.client, self.server, self.began_at, self.tls, self.ended_at, self.end)

    def pieces(self, number: int) -> list[Octets]:
        """Give the octets under that number."""
        return [Octets(at, number, from_client, data) for at, from_client, data in self.octets]


def found_in(connection: Connection, log: KeyLog, notes: Notes, time: Allowance, is_copy: bool) -> Found | None:
    """Read what a TCP connection carried; None when that is neither SIP nor TLS."""
    if connection.kind is Kind.TLS:
        return _tls(connection, log, notes, time)
    if connection.kind is not Kind.SIP:
        return None
    found = _plain(connection, notes)
    return carried_by_tls(found) if is_copy else found


def carried_by_tls(found: Found) -> Found:
    """Say of a copy in clear that TLS had carried it; all that is known then is that somebody decrypted it."""
    found.is_copy, found.transport, found.tls = True, "tls", TlsSeen(decrypted=True)
    return found


def was_probably_tls(*ends: Address) -> bool:
    """Guess for extracted octets that were carried by TCP: the port of SIP over TLS (RFC 3261 section 19.1.2) tells."""
    return any(port == _SECURE_PORT for _, port in ends)


def _begun(connection: Connection, transport: str) -> Found:
    client = connection.client
    ends = connection.ends[client], connection.ends[1 - client]
    return Found(connection.number, transport, *ends, connection.began_at, None, connection.ended_at, connection.end)


def _plain(connection: Connection, notes: Notes) -> Found:
    found = _begun(connection, "tcp")
    pieces = connection.pieces
    if connection.gaps or connection.midstream:
        pieces = _resynchronised(connection, notes)
    found.octets = [Opened(piece.at, piece.side == connection.client, piece.data) for piece in pieces]
    return found


def _resynchronised(connection: Connection, notes: Notes) -> list[Piece]:
    kept: list[Piece] = []
    dropped = 0
    for side in (0, 1):
        whole, cut = whole_messages([piece for piece in connection.pieces if piece.side == side], connection.midstream)
        kept += whole
        dropped += cut
    if connection.gaps:
        notes.add(
            f"Connection {connection.name()} has holes in the capture ({connection.gaps}): {dropped} octets of messages that are not whole "
            "were left out; capture closer to the host, with whole packets and a larger buffer (`-B 16`)."
        )
    elif dropped:
        notes.add(f"The capture begins within a message of connection {connection.name()}: its {dropped} octets were left out.")
    return sorted(kept, key=lambda piece: piece.at)


def _tls(connection: Connection, log: KeyLog, notes: Notes, time: Allowance) -> Found | None:
    session = TlsSession(log)
    for at, side, data, lost in connection.pieces:
        if time.step(4):
            notes.add("The trace is longer than the time allowed for it: some of its TLS was not opened. Cut it to the call.")
            break
        session.add(at, side == connection.client, data, lost)
    session.finish()
    if _ALPN_OF_HTTP.intersection(session.protocols) or _is_http(session.opened):
        notes.count("TLS connections carried HTTP and were left out.")
        return None
    found = _begun(connection, "tls")
    found.tls, found.octets = session.seen(), session.opened
    _tell(connection, session, found.tls, log, notes)
    return found


def _is_http(opened: list[Opened]) -> bool:
    return any(is_http(piece.data) for piece in opened[:2])


def _tell(connection: Connection, session: TlsSession, seen: TlsSeen, log: KeyLog, notes: Notes) -> None:
    if not seen.why_not:
        return
    facts = ", ".join(filter(None, (seen.version, seen.cipher)))
    which = f"Connection {connection.name()}{f' ({facts})' if facts else ''}"
    upto = "is not decrypted" if not seen.decrypted else "is decrypted only in part"
    notes.add(f"{which} {upto}: {seen.why_not}.")
    if session.looks_refused:
        notes.add(
            f"{which}: what the client sent encrypted is one record, as short as an alert: it probably refused the server's certificate."
        )
    if log.has_private_key:
        notes.add(PRIVATE_KEY)
    elif not seen.decrypted:
        notes.add(HOW_TO_GET_A_KEY_LOG)
