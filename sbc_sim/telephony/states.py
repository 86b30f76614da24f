"""The life of a voice call as a table, after the documented order of requests (facts 2.2, 2.3). What is not in it is out of order."""

from __future__ import annotations

from enum import StrEnum


class VoiceCallState(StrEnum):
    """Where a voice call stands."""

    CREATED = "created"
    ACTIVE = "active"
    """Something was said of it or in it since it was created."""
    QUEUED = "queued"
    """An Omni-Channel flow, or an enqueueTime, has put it into a queue: a PendingServiceRouting is there."""
    ROUTED = "routed"
    """It was given a target."""
    ACCEPTED = "accepted"
    """A human rep has taken it."""
    CLOSED = "closed"


class Step(StrEnum):
    """What a request does to a voice call."""

    UPDATE = "update"
    SPEAK = "message"
    ENQUEUE = "omniFlow"
    ROUTE = "route"
    REROUTE = "reroute"
    CLEAR = "clearRouting"
    ACCEPT = "accept"
    CALL_BACK = "requestCallback"
    CLOSE = "close"


_S, _I = VoiceCallState, Step
_OPEN = {
    _I.ENQUEUE: _S.QUEUED,
    _I.ROUTE: _S.ROUTED,
    _I.ACCEPT: _S.ACCEPTED,
    _I.CLOSE: _S.CLOSED,
}
"""What any open call takes, and where that leads."""
_PENDING = {_I.REROUTE: _S.QUEUED, _I.CLEAR: _S.ACTIVE}

VOICE_CALL: dict[tuple[VoiceCallState, Step], VoiceCallState] = {
    **{(_S.CREATED, step): state for step, state in (_OPEN | {_I.UPDATE: _S.ACTIVE, _I.SPEAK: _S.ACTIVE, _I.CALL_BACK: _S.ACTIVE}).items()},
    **{(_S.ACTIVE, step): state for step, state in (_OPEN | {_I.UPDATE: _S.ACTIVE, _I.SPEAK: _S.ACTIVE, _I.CALL_BACK: _S.ACTIVE}).items()},
    **{
        (queue, step): state
        for queue in (_S.QUEUED, _S.ROUTED)
        for step, state in (_OPEN | _PENDING | {_I.UPDATE: queue, _I.SPEAK: queue, _I.CALL_BACK: queue}).items()
    },
    **{
        (_S.ACCEPTED, step): state
        for step, state in (_OPEN | {_I.REROUTE: _S.QUEUED, _I.UPDATE: _S.ACCEPTED, _I.SPEAK: _S.ACCEPTED}).items()
    },
    (_S.CLOSED, _I.UPDATE): _S.CLOSED,  # recordings and durations come late
    (_S.CLOSED, _I.CLOSE): _S.CLOSED,
}


def why_not(state: VoiceCallState, step: Step) -> str:
    """Say why a step is out of order, and what would be in order."""
    if state is VoiceCallState.CLOSED:
        return f"{step.value} came for a voice call that is closed; a PATCH whose isActiveCall is not true has closed it"
    if step in (Step.CLEAR, Step.REROUTE):
        return (
            f"{step.value} came although nothing is pending: no omniFlow, routeVoiceCall or enqueueTime came before (state {state.value})"
        )
    return f"{step.value} came in state {state.value}"
