"""What the user agent hands to its transaction user: open transactions, things to transmit, things that happened."""

from __future__ import annotations

from dataclasses import dataclass, field

from sbc_sim.sip.dialog import Dialog, DialogId
from sbc_sim.sip.errors import MalformedMessage
from sbc_sim.sip.inspection import Obstacle
from sbc_sim.sip.matching import Key
from sbc_sim.sip.message import Request, Response
from sbc_sim.sip.peer import Peer
from sbc_sim.sip.transaction import State, Transaction


@dataclass(slots=True, eq=False)
class ServerTransaction:
    """A request of the peer and our answers to it."""

    request: Request
    connection: int
    key: Key
    merge_key: Key
    machine: Transaction
    tag: str
    """To tag of all our answers except 100."""
    peer: Peer | None = None
    """Who asked: the answer says so, and goes there should the connection be gone."""
    dialog: Dialog | None = None
    last: Response | None = None
    reliable: int | None = None
    """RSeq of the provisional response that waits for its PRACK."""

    @property
    def answered(self) -> bool:
        """True once a final response was given."""
        return self.machine.state not in (State.PROCEEDING, State.TRYING)


@dataclass(slots=True, eq=False)
class ClientTransaction:
    """A request of ours and the peer's answers to it."""

    request: Request
    connection: int
    key: Key
    machine: Transaction
    dialog: Dialog | None = None
    cancelled: bool = False
    dialogs: dict[DialogId, Dialog] = field(default_factory=dict)
    """INVITE outside of a dialog: one per fork that answered."""
    acks: dict[DialogId, Request] = field(default_factory=dict)
    """ACKs already sent, for repeated 2xx."""

    @property
    def answered(self) -> bool:
        """True once a final response came, or none will."""
        return self.machine.state not in (State.CALLING, State.TRYING, State.PROCEEDING)


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this message on this connection."""

    connection: int
    message: Request | Response
    repeated: bool = False
    dialog: Dialog | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a connection with this number, then say `connected` or `lost`."""

    connection: int
    host: str
    port: int
    trust: str = ""
    """CA bundle (path of a PEM file) that its server is checked against; empty: the common one."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new request that waits for an answer by `respond`."""

    transaction: ServerTransaction
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Obstructed:
    """A new request that can only be refused: by `respond`, for the reason given."""

    transaction: ServerTransaction
    dialog: Dialog | None
    obstacle: Obstacle


@dataclass(frozen=True, slots=True)
class Overflow:
    """A request for which there is no room: to be answered by `refuse_statelessly`."""

    connection: int
    request: Request


@dataclass(frozen=True, slots=True, eq=False)
class Unreadable:
    """A request that breaks the grammar where it matters; to be answered by `refuse_statelessly`."""

    connection: int
    request: Request
    error: MalformedMessage


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK to a 2xx."""

    dialog: Dialog
    request: Request
    transaction: ServerTransaction | None
    """The INVITE; None when the ACK came again, or its CSeq is of no INVITE that waits for it."""


@dataclass(frozen=True, slots=True)
class RefusalAcknowledged:
    """The ACK to a final answer of 300 or more to an INVITE."""

    transaction: ServerTransaction


@dataclass(frozen=True, slots=True)
class ProvisionalAcknowledged:
    """The PRACK to a reliable provisional response; it was answered with 200."""

    transaction: ServerTransaction


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An INVITE was cancelled; 487 was sent."""

    transaction: ServerTransaction
    reason: str | None


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """64*T1 passed without ACK (or PRACK, when `provisional`); `transaction.last` is what was not acknowledged."""

    transaction: ServerTransaction
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A response to a request of ours."""

    transaction: ClientTransaction
    response: Response
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer will come: timeout (counts as 408) or the transport failed (as 503) (8.1.3.1)."""

    transaction: ClientTransaction
    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Stray:
    """A response or ACK that belongs to nothing: ignored, but worth a note."""

    connection: int
    message: Request | Response
    why: str
    unreadable: bool = False
    """It breaks the grammar where it matters."""


Effect = (
    Transmit
    | Dial
    | Incoming
    | Obstructed
    | Unreadable
    | Overflow
    | Acknowledged
    | RefusalAcknowledged
    | ProvisionalAcknowledged
    | Cancelled
    | Unacknowledged
    | Answered
    | Unanswered
    | Stray
)
