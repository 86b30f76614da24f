"""What was kept of the wire for one call, beside the journal: TLS octets, TLS secrets, packets in clear. Values only.

`net/recordings` fills them, `exports/pcapng`, `exports/wav` and `exports/series` read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sbc_sim.rtp.recording import Clip, RefusedDatagram

Address = tuple[str, int]
_EMPTY = Clip()


@dataclass(frozen=True, slots=True)
class TlsPiece:
    """TLS octets in one direction, as they passed."""

    at: float
    """Unix seconds."""
    from_peer: bool
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsRecording:
    """The beginning of one TLS connection. Other calls on it are in there too."""

    connection: int
    """Number of the connection in the journal."""
    peer: Address
    local: Address
    pieces: tuple[TlsPiece, ...] = ()
    cut: bool = False
    """True when later octets are missing: the bound was reached."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Lines in the format of SSLKEYLOGFILE."""
    ended_at: float | None = None
    """When TCP was gone, unix seconds; None while it is up."""


@dataclass(frozen=True, slots=True)
class MediaRecording:
    """The packets of one call in clear."""

    local_host: str
    local_port: int
    """Where RTP was received and sent from."""
    local_rtcp_port: int
    received: Clip = _EMPTY
    sent: Clip = _EMPTY
    rtcp_received: Clip = _EMPTY
    rtcp_sent: Clip = _EMPTY
    refused: tuple[RefusedDatagram, ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """All of it. Whatever is missing is None or empty, with the reason in `notes`."""

    tls: tuple[TlsRecording, ...] = ()
    media: MediaRecording | None = None
    notes: tuple[str, ...] = ()
    """Sentences about what is missing and why: switched off, bound reached, before the restart."""


NOTHING = Capture(notes=("nothing was captured of this call beside its messages",))
