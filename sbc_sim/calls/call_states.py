"""The life of a call as a table: what is missing is illegal."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class CallState(StrEnum):
    """Where a call stands."""

    INVITED = "invited"
    RINGING = "ringing"
    ANSWERED = "answered"
    """200 sent, ACK not yet."""
    ESTABLISHED = "established"
    DECLINED = "declined"
    """Refused on purpose, the ACK not yet."""
    IGNORING = "ignoring"
    """The partner's BYE waits for an answer that it does not get."""
    ENDING = "ending"
    """Our BYE waits for its answer."""
    ENDED = "ended"
    REJECTED = "rejected"


class CallInput(StrEnum):
    """What moves a call."""

    REFUSE = "refuse"
    RING = "ring"
    ANSWER = "answer"
    ACK = "ack"
    CANCEL = "cancel"
    PEER_BYE = "peer-bye"
    OUR_BYE = "our-bye"
    DECLINE = "decline"
    IGNORE_BYE = "ignore-bye"
    OVER = "over"
    """Our BYE was answered or never will be; a refusal acknowledged; enough of a BYE ignored."""


CALL: Mapping[tuple[CallState, CallInput], CallState] = {
    (CallState.INVITED, CallInput.REFUSE): CallState.REJECTED,
    (CallState.INVITED, CallInput.DECLINE): CallState.DECLINED,
    (CallState.DECLINED, CallInput.OVER): CallState.REJECTED,
    (CallState.INVITED, CallInput.RING): CallState.RINGING,
    (CallState.RINGING, CallInput.REFUSE): CallState.REJECTED,
    (CallState.RINGING, CallInput.ANSWER): CallState.ANSWERED,
    (CallState.RINGING, CallInput.CANCEL): CallState.ENDED,
    # the caller may BYE an early dialog (RFC 3261 section 15)
    (CallState.RINGING, CallInput.PEER_BYE): CallState.ENDED,
    (CallState.ANSWERED, CallInput.ACK): CallState.ESTABLISHED,
    (CallState.ANSWERED, CallInput.PEER_BYE): CallState.ENDED,
    # only after 64*T1 without ACK (13.3.1.4)
    (CallState.ANSWERED, CallInput.OUR_BYE): CallState.ENDING,
    (CallState.ESTABLISHED, CallInput.PEER_BYE): CallState.ENDED,
    (CallState.ESTABLISHED, CallInput.OUR_BYE): CallState.ENDING,
    (CallState.ESTABLISHED, CallInput.IGNORE_BYE): CallState.IGNORING,
    (CallState.IGNORING, CallInput.IGNORE_BYE): CallState.IGNORING,
    (CallState.IGNORING, CallInput.OVER): CallState.ENDED,
    # both hang up at once
    (CallState.ENDING, CallInput.PEER_BYE): CallState.ENDING,
    (CallState.ENDING, CallInput.ACK): CallState.ENDING,
    (CallState.ENDING, CallInput.OVER): CallState.ENDED,
}

SHOWN_STATES = {CallInput.RING: "ringing", CallInput.ANSWER: "answered"}
"""What the journal tells by CALL_STATE; the last state comes with CALL_ENDED."""
