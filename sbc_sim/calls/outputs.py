"""What the core asks the shell to do: one frozen dataclass each, one union, one `match` in the shell.

There are two kinds of effect and no third. What the core need not wait for is an output here; what it needs an answer to
at once is a function passed in (`Environment`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sbc_sim.calls.conduct import Choose, plain
from sbc_sim.calls.region import Place, nowhere
from sbc_sim.journal.entries import Entry
from sbc_sim.rtp.leg import LegDescription, LegReport, MediaAddress, Prompt
from sbc_sim.sip.message import Request
from sbc_sim.sip.peer import Peer, TlsFailure
from sbc_sim.sip.server_side import Choices
from sbc_sim.telephony.model import Telephony


@dataclass(frozen=True, slots=True)
class Send:
    """Write octets to a connection. A connection that is gone is ignored by the shell."""

    connection: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection after what was sent to it has gone out; `abort` drops it at once."""

    connection: int
    why: str
    abort: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a TLS connection; the shell then calls `connected`, or `unreachable`, with this number."""

    connection: int
    host: str
    port: int
    server_name: str
    trust: str = ""
    """CA bundle (path of a PEM file) that the server is checked against; empty: the common one."""


@dataclass(frozen=True, slots=True)
class Record:
    """Append to the journal."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class StartMedia:
    """Begin, or change, the media of a call: the leg as it shall be from now on. Equal keys keep their SRTP state."""

    leg: LegDescription


@dataclass(frozen=True, slots=True)
class StopMedia:
    """RTCP BYE, then free the ports of a call."""

    call: str


@dataclass(frozen=True, slots=True)
class Say:
    """Play a prompt on the leg of a call instead of what plays; None: be silent. A leg that says nothing by itself ignores it."""

    call: str
    prompt: Prompt | None


Output = Send | Close | Connect | Record | StartMedia | StopMedia | Say


def no_voice_calls(first: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """None at all: for who has no Telephony Integration API."""
    return ()


@dataclass(frozen=True, slots=True)
class Environment:
    """What the core must ask at once."""

    open_media: Callable[[str, str], MediaAddress | None]
    """`open_media(call, region)`: take a port for a call out of its region's range (empty: the common one); None when none is free."""
    read_media: Callable[[str], LegReport | None]
    new_token: Callable[[int], str]
    """`new_token(n)`: n random octets as 2n lower-case hex digits."""
    new_key: Callable[[int], bytes]
    """`new_key(n)`: n random octets for key and salt."""
    choices: Choices | None = None
    """Offline: what the far end of a trace chose. None: chance decides, and sessions are refreshed when their timer says so."""
    locate: Callable[[Peer | None, Request | None], Place] = nowhere
    """Find region and partner of a new call, of another request, or of a connection on which nothing has come yet (None)."""
    choose: Choose = plain
    """Choose how to behave towards it."""
    voice_calls: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]] = no_voice_calls
    """Give the voice calls that may have to do with one, for the partner check: see `partner_check.VoiceCalls`."""
    telephony: Telephony | None = None
    """The Telephony Integration API whose voice calls SIP calls may name; None: there is none."""
    renew_certificate: Callable[[], object] = lambda: None
    """Show another server certificate on new connections from now on (test number 1020)."""
    media_share: str = ""
    """Said after "all media ports are in use (media.ports)" where those of this process are but a part of them."""


class Core(Protocol):
    """The door: every core (Switchboard, Caller) looks like this to the shell."""

    @property
    def deadline(self) -> float | None:
        """When `advance` wants to be called, unix seconds."""

    def connected(self, connection: int, peer: Peer, now: float) -> list[Output]:
        """A TLS handshake is over."""

    def refused(self, connection: int, peer: Peer, failure: TlsFailure, now: float) -> list[Output]:
        """A connection never became a SIP connection (also: our own `Connect` failed)."""

    def receive(self, connection: int, data: bytes, now: float) -> list[Output]:
        """Octets arrived."""

    def lost(self, connection: int, why: str, now: float) -> list[Output]:
        """A connection that was `connected` is gone."""

    def advance(self, now: float) -> list[Output]:
        """Time has come."""

    def abandon(self, now: float) -> list[Output]:
        """Go on after another call through the door raised: give up what met the bug, and nothing else."""

    def unfinished_since(self, connection: int) -> float | None:
        """When a message began to arrive on the connection that is not whole yet; None when none waits."""

    def in_use(self, connection: int) -> bool:
        """Tell whether a call or a transaction needs the connection, so that it must not be closed for being idle."""

    @property
    def at_rest(self) -> bool:
        """Whether no call is up and no transaction waits for an answer."""

    def shutdown(self, now: float) -> list[Output]:
        """Take no new calls and end those that are up."""
