"""The four transaction machines of RFC 3261 section 17, with the accepted state of RFC 6026, over a reliable transport.

Each machine is one dict `(state, input) -> (action, next state)` that reads beside the RFC's figure: what is missing there is
illegal. Over TLS nothing is retransmitted by timer, so timers A, E, G do not exist and D, I, J, K are zero. What stays:

    B, F   64*T1   the peer never answers our request
    H      64*T1   our final refusal of an INVITE is never acknowledged
    L, M   64*T1   after a 2xx: absorb repeated INVITEs (L), pass on repeated 2xx (M)

A transaction decides; it neither sends nor builds messages: `UserAgent` does what the action says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sbc_sim.sip.errors import InvalidInput

T1 = 0.5
"""Round-trip estimate, s (17.1.1.1)."""
T2 = 4.0
"""Longest retransmission interval, s."""
TIMEOUT = 64 * T1
"""Timers B, F, H, L and M, s."""


class State(StrEnum):
    """States of all four machines; each uses some."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Input(StrEnum):
    """What can happen to a transaction."""

    REQUEST = "request"
    """The request again (server)."""
    ACK = "ack"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    GIVE_UP = "give-up"
    """Timer B, F or H: the other side stayed silent."""
    EXPIRE = "expire"
    """Timer D, I, J, K, L or M: nothing more can come."""
    TRANSPORT_ERROR = "transport-error"


class Action(StrEnum):
    """What the user agent shall do about it."""

    NOTHING = "nothing"
    SEND = "send"
    """Send the response given by the transaction user."""
    RESEND = "resend"
    """Send the last response again."""
    PASS = "pass"
    """Tell the transaction user of the response or ACK."""
    PASS_AND_ACK = "pass-and-ack"
    """Acknowledge a refusal hop by hop (17.1.1.3) and tell the transaction user."""
    ACK = "ack"
    """The refusal came again: acknowledge again."""
    TIMED_OUT = "timed-out"
    FAILED = "failed"
    """The transport failed: tell the transaction user."""


Table = Mapping[tuple[State, Input], tuple[Action, State]]

INVITE_SERVER: Table = {
    # figure 7 and RFC 6026 section 7.1
    (State.PROCEEDING, Input.REQUEST): (Action.RESEND, State.PROCEEDING),
    (State.PROCEEDING, Input.PROVISIONAL): (Action.SEND, State.PROCEEDING),
    (State.PROCEEDING, Input.SUCCESS): (Action.SEND, State.ACCEPTED),
    (State.PROCEEDING, Input.FAILURE): (Action.SEND, State.COMPLETED),
    (State.PROCEEDING, Input.ACK): (Action.NOTHING, State.PROCEEDING),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (Action.FAILED, State.PROCEEDING),
    (State.COMPLETED, Input.REQUEST): (Action.RESEND, State.COMPLETED),
    (State.COMPLETED, Input.ACK): (Action.NOTHING, State.CONFIRMED),
    (State.COMPLETED, Input.GIVE_UP): (Action.TIMED_OUT, State.TERMINATED),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (Action.FAILED, State.TERMINATED),
    (State.CONFIRMED, Input.REQUEST): (Action.NOTHING, State.CONFIRMED),
    (State.CONFIRMED, Input.ACK): (Action.NOTHING, State.CONFIRMED),
    (State.CONFIRMED, Input.EXPIRE): (Action.NOTHING, State.TERMINATED),
    (State.CONFIRMED, Input.TRANSPORT_ERROR): (Action.NOTHING, State.TERMINATED),
    (State.ACCEPTED, Input.REQUEST): (Action.NOTHING, State.ACCEPTED),
    (State.ACCEPTED, Input.SUCCESS): (Action.SEND, State.ACCEPTED),
    (State.ACCEPTED, Input.ACK): (Action.PASS, State.ACCEPTED),
    (State.ACCEPTED, Input.EXPIRE): (Action.NOTHING, State.TERMINATED),
    (State.ACCEPTED, Input.TRANSPORT_ERROR): (Action.FAILED, State.ACCEPTED),
}

NON_INVITE_SERVER: Table = {
    # figure 8; timer J is zero, so a request that comes again after the answer is a new one
    (State.TRYING, Input.REQUEST): (Action.NOTHING, State.TRYING),
    (State.TRYING, Input.SUCCESS): (Action.SEND, State.COMPLETED),
    (State.TRYING, Input.FAILURE): (Action.SEND, State.COMPLETED),
    (State.TRYING, Input.TRANSPORT_ERROR): (Action.FAILED, State.TRYING),
    (State.COMPLETED, Input.REQUEST): (Action.RESEND, State.COMPLETED),
    (State.COMPLETED, Input.EXPIRE): (Action.NOTHING, State.TERMINATED),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (Action.FAILED, State.TERMINATED),
}

INVITE_CLIENT: Table = {
    # figure 5 and RFC 6026 section 7.2
    (State.CALLING, Input.PROVISIONAL): (Action.PASS, State.PROCEEDING),
    (State.CALLING, Input.SUCCESS): (Action.PASS, State.ACCEPTED),
    (State.CALLING, Input.FAILURE): (Action.PASS_AND_ACK, State.COMPLETED),
    (State.CALLING, Input.GIVE_UP): (Action.TIMED_OUT, State.TERMINATED),
    (State.CALLING, Input.TRANSPORT_ERROR): (Action.FAILED, State.TERMINATED),
    (State.PROCEEDING, Input.PROVISIONAL): (Action.PASS, State.PROCEEDING),
    (State.PROCEEDING, Input.SUCCESS): (Action.PASS, State.ACCEPTED),
    (State.PROCEEDING, Input.FAILURE): (Action.PASS_AND_ACK, State.COMPLETED),
    (State.PROCEEDING, Input.GIVE_UP): (Action.TIMED_OUT, State.TERMINATED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (Action.FAILED, State.TERMINATED),
    (State.COMPLETED, Input.PROVISIONAL): (Action.NOTHING, State.COMPLETED),
    (State.COMPLETED, Input.SUCCESS): (Action.NOTHING, State.COMPLETED),
    (State.COMPLETED, Input.FAILURE): (Action.ACK, State.COMPLETED),
    (State.COMPLETED, Input.EXPIRE): (Action.NOTHING, State.TERMINATED),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (Action.NOTHING, State.TERMINATED),
    (State.ACCEPTED, Input.PROVISIONAL): (Action.NOTHING, State.ACCEPTED),
    (State.ACCEPTED, Input.SUCCESS): (Action.PASS, State.ACCEPTED),
    (State.ACCEPTED, Input.FAILURE): (Action.NOTHING, State.ACCEPTED),
    (State.ACCEPTED, Input.EXPIRE): (Action.NOTHING, State.TERMINATED),
    (State.ACCEPTED, Input.TRANSPORT_ERROR): (Action.NOTHING, State.ACCEPTED),
}

NON_INVITE_CLIENT: Table = {
    # figure 6; timer K is zero
    (State.TRYING, Input.PROVISIONAL): (Action.NOTHING, State.PROCEEDING),
    (State.TRYING, Input.SUCCESS): (Action.PASS, State.COMPLETED),
    (State.TRYING, Input.FAILURE): (Action.PASS, State.COMPLETED),
    (State.TRYING, Input.GIVE_UP): (Action.TIMED_OUT, State.TERMINATED),
    (State.TRYING, Input.TRANSPORT_ERROR): (Action.FAILED, State.TERMINATED),
    (State.PROCEEDING, Input.PROVISIONAL): (Action.NOTHING, State.PROCEEDING),
    (State.PROCEEDING, Input.SUCCESS): (Action.PASS, State.COMPLETED),
    (State.PROCEEDING, Input.FAILURE): (Action.PASS, State.COMPLETED),
    (State.PROCEEDING, Input.GIVE_UP): (Action.TIMED_OUT, State.TERMINATED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (Action.FAILED, State.TERMINATED),
    (State.COMPLETED, Input.PROVISIONAL): (Action.NOTHING, State.COMPLETED),
    (State.COMPLETED, Input.SUCCESS): (Action.NOTHING, State.COMPLETED),
    (State.COMPLETED, Input.FAILURE): (Action.NOTHING, State.COMPLETED),
    (State.COMPLETED, Input.EXPIRE): (Action.NOTHING, State.TERMINATED),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (Action.NOTHING, State.TERMINATED),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A table with its first state and the timer that each state starts on entry: (input, seconds)."""

    name: str
    table: Table
    first: State
    timers: Mapping[State, tuple[Input, float]] = field(default_factory=dict)


_GIVE_UP = (Input.GIVE_UP, TIMEOUT)
_LINGER = (Input.EXPIRE, TIMEOUT)
_AT_ONCE = (Input.EXPIRE, 0.0)

INVITE_SERVER_MACHINE = Machine(
    "INVITE server",
    INVITE_SERVER,
    State.PROCEEDING,
    {State.COMPLETED: _GIVE_UP, State.CONFIRMED: _AT_ONCE, State.ACCEPTED: _LINGER},
)
NON_INVITE_SERVER_MACHINE = Machine("non-INVITE server", NON_INVITE_SERVER, State.TRYING, {State.COMPLETED: _AT_ONCE})
# A ringing phone may take minutes: timer B runs in calling only (17.1.1.2); the user of an INVITE bounds the ringing.
INVITE_CLIENT_MACHINE = Machine(
    "INVITE client",
    INVITE_CLIENT,
    State.CALLING,
    {State.CALLING: _GIVE_UP, State.COMPLETED: _AT_ONCE, State.ACCEPTED: _LINGER},
)
NON_INVITE_CLIENT_MACHINE = Machine(
    "non-INVITE client",
    NON_INVITE_CLIENT,
    State.TRYING,
    {State.TRYING: _GIVE_UP, State.PROCEEDING: _GIVE_UP, State.COMPLETED: _AT_ONCE},
)
MACHINES = (INVITE_SERVER_MACHINE, NON_INVITE_SERVER_MACHINE, INVITE_CLIENT_MACHINE, NON_INVITE_CLIENT_MACHINE)


class Transaction:
    """One run of one machine."""

    __slots__ = ("_started", "alarm", "deadline", "machine", "state")

    def __init__(self, machine: Machine, now: float) -> None:
        """Enter the first state of the machine at `now`."""
        self.machine = machine
        self.state = machine.first
        self.deadline: float | None = None
        self.alarm: Input | None = None
        self._started = now
        self._enter(machine.first, now)

    def _enter(self, state: State, now: float) -> None:
        self.state = state
        timer = self.machine.timers.get(state)
        self.alarm, self.deadline = (timer[0], now + timer[1]) if timer else (None, None)

    def allows(self, what: Input) -> bool:
        """Tell whether the table has a row for this input now."""
        return (self.state, what) in self.machine.table

    def feed(self, what: Input, now: float) -> Action:
        """Take one step. Raises InvalidInput for what the table does not have: a bug of ours, never the peer's doing."""
        try:
            action, following = self.machine.table[self.state, what]
        except KeyError:
            raise InvalidInput(f"{self.machine.name} transaction: no {what} in state {self.state}") from None
        if following is not self.state:
            # Timer F runs from the request, also after a provisional answer (17.1.2.2).
            since = self._started if self.state is State.TRYING and following is State.PROCEEDING else now
            self._enter(following, since)
            if self.alarm is Input.EXPIRE and self.deadline is not None and self.deadline <= now:
                self.feed(Input.EXPIRE, now)  # a timer of zero: over at once
        return action

    def advance(self, now: float) -> Action:
        """Let time pass: the alarm of the state rings when it is due."""
        if self.deadline is None or self.alarm is None or now < self.deadline:
            return Action.NOTHING
        return self.feed(self.alarm, now)

    def cancelled(self, now: float) -> None:
        """Bound the wait for the final answer of an INVITE that CANCEL was sent for: 64*T1, then it counts as cancelled (9.1)."""
        if self.state is State.PROCEEDING:
            self.alarm, self.deadline = Input.GIVE_UP, now + TIMEOUT

    @property
    def over(self) -> bool:
        """True when the transaction can be forgotten."""
        return self.state is State.TERMINATED


def response_input(status: int) -> Input:
    """Class of a status code as a machine input (7.2)."""
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE
