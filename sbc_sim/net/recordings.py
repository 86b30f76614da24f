"""The one place that owns what is kept of the wire: TLS octets and secrets of connections, packets of calls in clear. In memory, bounded.

What ended first goes first when room is needed; what is live is never taken away. A new call gets no recording when live ones fill the
room, and its capture says so. Live media may fill three quarters, so that the beginnings of connections, which are small and explain
most, always find room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from sbc_sim.exports.capture import Capture, MediaRecording, TlsPiece, TlsRecording
from sbc_sim.journal.entries import Entry, Kind
from sbc_sim.journal.store import Trace
from sbc_sim.net.key_log import KeyLog, KeyLogFiles
from sbc_sim.net.tap import Ciphertext
from sbc_sim.rtp.leg import LegDescription, MediaAddress
from sbc_sim.rtp.recording import Recording, octets_for

PER_PIECE = 200
"""Octets that a piece of TLS costs beside its own: the objects around it."""
PER_CONNECTION = 2048
"""What an empty entry costs, with its secrets."""
MOST_SECRETS = 32
"""Lines of TLS secrets kept for a connection; TLS 1.3 has five."""
MEDIA_SHARE = 0.75
"""Of all room, what live media may take."""
MOST_REASONS = 4096
"""Calls of which it is remembered why their media was not kept."""

OFF = "captures are switched off (capture.enabled): only the messages of this call were kept"
BEFORE = "this call began before the simulator was started: its octets and packets were kept in memory and are gone"
EVICTED = "the packets of this call had to make room for newer calls (capture.max_bytes)"
NO_ROOM = (
    "no packets were kept of this call: the captures of other live calls filled the room; raise capture.max_bytes or lower "
    "capture.media_seconds"
)
NO_TLS = "the TLS octets of connection {number} are no longer kept (capture.max_bytes)"
CUT_TLS = (
    "of connection {number} the beginning was kept (capture.connection_bytes): later TLS octets are missing, "
    "the decrypted messages are there"
)
NO_SECRETS = "the TLS secrets of connection {number} are not known: its octets cannot be decrypted"
MORE_REFUSED = "{count} more datagrams were refused than were kept"
NO_MEDIA = "no media was agreed on, so there are no packets"


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """How much is kept; octets, and seconds of RTP from both the beginning and the end of a call."""

    media_seconds: float = 15.0
    connection_octets: int = 256 * 1024
    octets: int = 128 * 1024 * 1024


@dataclass(slots=True)
class _Wire:
    """The beginning of one connection."""

    pieces: list[TlsPiece] = field(default_factory=list)
    octets: int = PER_CONNECTION
    cut: bool = False
    secrets: list[str] = field(default_factory=list)
    peer: tuple[str, int] = ("", 0)
    local: tuple[str, int] = ("", 0)
    opened: bool = False
    ended_at: float | None = None


@dataclass(slots=True)
class _Media:
    """The packets of one call."""

    recording: Recording
    address: MediaAddress
    octets: int
    """Counted against the bound: the most it can become while it is live, what it is afterwards."""
    over: bool = False


class Taps(TypedDict):
    """Arguments of `SipListener` and `SipDialler`."""

    ciphertext: Ciphertext | None
    key_log: KeyLog | None


@dataclass(frozen=True, slots=True)
class RecordingsSize:
    """How full it is, for the metrics."""

    octets: int
    evicted: int
    """Calls and connections that made room."""
    omitted: int
    """Calls that got no recording."""


class Recordings:
    """Captures of one process: `taps` tells what connections give, `new` is for the media plane, `observe` for the store."""

    def __init__(
        self, limits: RecordingLimits, clock: Callable[[], float], enabled: bool = True, key_log: KeyLogFiles | None = None
    ) -> None:
        """`clock` gives unix seconds; `key_log` gets every TLS secret too."""
        self.enabled = enabled
        self._limits = limits
        self._clock = clock
        self._key_log = key_log
        self._began = clock()
        self._wires: dict[int, _Wire] = {}
        self._media: dict[str, _Media] = {}
        self._ended: OrderedDict[int | str, None] = OrderedDict()
        """Connections (int) and calls (str) that are over, in the order of their ends: the order in which they make room."""
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self._octets = 0
        self._live_media = 0
        self._evicted = self._omitted = 0

    def taps(self) -> Taps:
        """Give what a listener and a dialler shall tell: nothing that nobody keeps."""
        return {
            "ciphertext": self.ciphertext if self.enabled else None,
            "key_log": self.secret if self.enabled or self._key_log is not None else None,
        }

    @property
    def key_log_paths(self) -> tuple[Path, ...]:
        """The files that TLS secrets are appended to."""
        return () if self._key_log is None else tuple(file.path for file in self._key_log.files)

    @property
    def size(self) -> RecordingsSize:
        """How full it is."""
        return RecordingsSize(self._octets, self._evicted, self._omitted)

    # --- connections -------------------------------------------------------------------------------------------------

    def ciphertext(self, connection: int, from_peer: bool, octets: bytes) -> None:
        """Keep a piece of TLS as it passes; an empty one says that the connection is gone."""
        wire = self._wires.get(connection)
        if not octets:
            if wire is not None:
                self._gone(connection, wire)
            return
        if wire is None:
            wire = self._wires[connection] = _Wire()
            self._octets += wire.octets
        cost = len(octets) + PER_PIECE
        if wire.cut or wire.octets + cost > self._limits.connection_octets + PER_CONNECTION or not self._make_room(cost):
            wire.cut = True
            return
        wire.pieces.append(TlsPiece(self._clock(), from_peer, octets))
        wire.octets += cost
        self._octets += cost

    def secret(self, connection: int, line: str) -> None:
        """Keep a line of TLS secrets, and append it to the key log files."""
        if self._key_log is not None:
            self._key_log.append(line)
        if self.enabled:
            wire = self._wires.get(connection)
            if wire is not None and len(wire.secrets) < MOST_SECRETS:
                wire.secrets.append(line)

    def _gone(self, connection: int, wire: _Wire) -> None:
        wire.ended_at = self._clock()
        if wire.opened:
            self._ended[connection] = None
        else:  # an attempt: no call can ask for it
            self._octets -= wire.octets
            del self._wires[connection]

    # --- calls -------------------------------------------------------------------------------------------------------

    def new(self, description: LegDescription, address: MediaAddress) -> Recording | None:
        """Make the recording of a call whose media begins; None when captures are off or there is no room."""
        if not self.enabled:
            return None
        self._drop_media(description.call)
        recording = Recording(octets_for(self._limits.media_seconds, description.ptime_ms))
        most = recording.most_octets
        if self._live_media + most > self._limits.octets * MEDIA_SHARE or not self._make_room(most):
            self._omitted += 1
            self._note(description.call, NO_ROOM)
            return None
        self._media[description.call] = _Media(recording, address, most)
        self._octets += most
        self._live_media += most
        return recording

    def observe(self, entry: Entry) -> None:
        """Learn from the journal who stands at the ends of a connection, and that a call is over."""
        if entry.kind is Kind.CONNECTION_OPENED:
            self._opened(entry)
        elif entry.kind is Kind.CALL_ENDED and entry.call is not None:
            self._over(entry.call)

    def _opened(self, entry: Entry) -> None:
        wire = self._wires.get(entry.data.get("connection", 0))
        if wire is not None:
            peer = entry.data.get("peer", {})
            wire.opened = True
            wire.peer = str(peer.get("host", "")), int(peer.get("port") or 0)
            wire.local = str(peer.get("localHost", "")), int(peer.get("localPort") or 0)

    def _over(self, call: str) -> None:
        media = self._media.get(call)
        if media is None or media.over:
            return
        media.over = True
        self._live_media -= media.octets
        real = media.recording.octets
        self._octets += real - media.octets
        media.octets = real
        self._ended[call] = None

    # --- room --------------------------------------------------------------------------------------------------------

    def _make_room(self, octets: int) -> bool:
        """Let what ended go, oldest first, until so much fits; False when all that is left is live."""
        while self._octets + octets > self._limits.octets:
            if not self._ended:
                return False
            key, _ = self._ended.popitem(last=False)
            self._evicted += 1
            if isinstance(key, int):
                self._octets -= self._wires.pop(key).octets
            else:
                self._octets -= self._media.pop(key).octets
                self._note(key, EVICTED)
        return True

    def _drop_media(self, call: str) -> None:
        media = self._media.pop(call, None)
        if media is not None:
            self._octets -= media.octets
            self._live_media -= 0 if media.over else media.octets
            self._ended.pop(call, None)

    def _note(self, call: str, why: str) -> None:
        self._reasons[call] = why
        if len(self._reasons) > MOST_REASONS:
            self._reasons.popitem(last=False)

    def clear(self) -> None:
        """Forget all that is over."""
        for key in list(self._ended):
            del self._ended[key]
            gone = self._wires.pop(key) if isinstance(key, int) else self._media.pop(key)
            self._octets -= gone.octets

    def close(self) -> None:
        """Close the files that TLS secrets go to; a further secret opens them again."""
        if self._key_log is not None:
            self._key_log.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def capture(self, trace: Trace) -> Capture:
        """Collect what is kept of a call: the connections that carried its messages, and its packets."""
        if not self.enabled:
            return Capture(notes=(OFF,))
        if (trace.call.started_at or 0.0) < self._began:  # its connections had the numbers that others have now
            return Capture(notes=(BEFORE,))
        notes: list[str] = []
        tls = tuple(found for number in _connections(trace) if (found := self._tls(number, notes)) is not None)
        media = self._media_of(trace, notes)
        return Capture(tls, media, tuple(notes))

    def _tls(self, number: int, notes: list[str]) -> TlsRecording | None:
        wire = self._wires.get(number)
        if wire is None:
            notes.append(NO_TLS.format(number=number))
            return None
        if wire.cut:
            notes.append(CUT_TLS.format(number=number))
        if not wire.secrets:
            notes.append(NO_SECRETS.format(number=number))
        return TlsRecording(number, wire.peer, wire.local, tuple(wire.pieces), wire.cut, tuple(wire.secrets), wire.ended_at)

    def _media_of(self, trace: Trace, notes: list[str]) -> MediaRecording | None:
        media = self._media.get(trace.call.id)
        if media is None:
            if trace.call.agreements:
                notes.append(self._reasons.get(trace.call.id, EVICTED))
            elif trace.call.over:
                notes.append(NO_MEDIA)
            return None
        recording = media.recording
        if recording.refused_more:
            notes.append(MORE_REFUSED.format(count=recording.refused_more))
        host = media.address.host or _local_host(trace)
        return MediaRecording(
            host,
            media.address.rtp_port,
            media.address.rtcp_port,
            received=recording.received.clip(),
            sent=recording.sent.clip(),
            rtcp_received=recording.rtcp_received.clip(),
            rtcp_sent=recording.rtcp_sent.clip(),
            refused=tuple(recording.refused),
        )


def _connections(trace: Trace) -> list[int]:
    """List the connections that a call used, the one on which it came first."""
    first = [] if trace.call.connection is None else [trace.call.connection]
    used = (entry.data.get("connection") for entry in trace.entries if entry.kind is Kind.MESSAGE)
    return [number for number in dict.fromkeys((*first, *used)) if isinstance(number, int)]


def _local_host(trace: Trace) -> str:
    """Give the host that our SDP named, when none is advertised by settings."""
    if trace.call.agreements:
        host, _, _ = str(trace.call.agreements[-1].get("local", "")).rpartition(":")
        return host.strip("[]")
    peer = trace.opened.data.get("peer", {}) if trace.opened is not None else {}
    return str(peer.get("localHost", ""))
