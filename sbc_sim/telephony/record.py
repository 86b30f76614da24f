"""A voice call as the API keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sbc_sim.telephony.remark import Remark
from sbc_sim.telephony.states import VOICE_CALL, Step, VoiceCallState

MOST_REMARKS = 20
"""Remarks that one voice call keeps; those after are only in the requests."""

LONG = frozenset({"callAttributes", "participants", "routing", "lastMessage", "details"})
"""Members of a voice call that may be tens of thousands of characters long, or tell of such."""


def brief(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `VoiceCall.data` gave, without what may be long: for lists and events, which are searched for secrets many at a time."""
    left_out = LONG.union(data.get("details") or ())
    return {name: value for name, value in data.items() if name not in left_out}


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """One voice call. Times that end in ``_at`` are unix seconds of ours; those of the partner stay as they were written."""

    id: str
    """18 characters."""
    vendor_call_key: str
    org: str
    """As in the token's iss, or empty when none was asked for."""
    call_center: str
    partner: str
    created_at: float
    updated_at: float
    caller: str = ""
    """`from` of the request: the customer."""
    called: str = ""
    """`to` of the request: the number of the contact centre."""
    initiation_method: str = ""
    start_time: str = ""
    state: VoiceCallState = VoiceCallState.CREATED
    parent: str = ""
    """parentVoiceCallId, as given."""
    attributes: Mapping[str, Any] | None = None
    """callAttributes, read."""
    participants: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """Other members that create and PATCH brought, by their names in the API."""
    routing: Mapping[str, Any] | None = None
    """What is pending: operation, flow, target, fallbackQueue, flowInputParameters, agent, queue."""
    messages: int = 0
    last_message: Mapping[str, Any] | None = None
    requests: int = 0
    closed_at: float | None = None
    accepted_at: float | None = None
    call: str = ""
    """Id of the SIP call that named it last."""
    findings: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_open(self) -> bool:
        """Not closed yet."""
        return self.state is not VoiceCallState.CLOSED

    def step(self, step: Step, now: float) -> VoiceCall | None:
        """Take a step; None when it is out of order."""
        state = VOICE_CALL.get((self.state, step))
        if state is None:
            return None
        closed = now if state is VoiceCallState.CLOSED and self.closed_at is None else self.closed_at
        accepted = now if step is Step.ACCEPT and self.accepted_at is None else self.accepted_at
        return replace(self, state=state, closed_at=closed, accepted_at=accepted, updated_at=now)

    def remarked(self, remarks: tuple[Remark, ...]) -> VoiceCall:
        """Keep what was said of a request; what is the same is kept once."""
        kept = list(self.findings)
        for remark in remarks:
            data = remark.data()
            if data not in kept and len(kept) < MOST_REMARKS:
                kept.append(data)
        return self if len(kept) == len(self.findings) else replace(self, findings=tuple(kept))

    def data(self) -> dict[str, Any]:
        """As JSON: VOICE_CALL in the journal."""
        return {
            **self.details,
            "voiceCallId": self.id,
            "vendorCallKey": self.vendor_call_key,
            "org": self.org,
            "callCenter": self.call_center,
            "partner": self.partner,
            "state": self.state.value,
            "initiationMethod": self.initiation_method,
            "from": self.caller,
            "to": self.called,
            "startTime": self.start_time,
            "parentVoiceCallId": self.parent,
            "callAttributes": None if self.attributes is None else dict(self.attributes),
            "participants": [dict(one) for one in self.participants],
            "details": sorted(self.details),
            "routing": None if self.routing is None else dict(self.routing),
            "messages": self.messages,
            "lastMessage": None if self.last_message is None else dict(self.last_message),
            "requests": self.requests,
            "isActiveCall": self.is_open,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "acceptedAt": self.accepted_at,
            "closedAt": self.closed_at,
            "call": self.call,
            "findings": [dict(one) for one in self.findings],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> VoiceCall:
        """Read back what `data` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        names = data.get("details") or ()
        return cls(
            id=str(data["voiceCallId"]),
            vendor_call_key=str(data["vendorCallKey"]),
            org=str(data["org"]),
            call_center=str(data["callCenter"]),
            partner=str(data["partner"]),
            created_at=float(data["createdAt"]),
            updated_at=float(data["updatedAt"]),
            caller=str(data["from"]),
            called=str(data["to"]),
            initiation_method=str(data["initiationMethod"]),
            start_time=str(data["startTime"]),
            state=VoiceCallState(data["state"]),
            parent=str(data["parentVoiceCallId"]),
            attributes=data["callAttributes"],
            participants=tuple(data["participants"]),
            details={str(name): data[name] for name in names},
            routing=data["routing"],
            messages=int(data["messages"]),
            last_message=data["lastMessage"],
            requests=int(data["requests"]),
            closed_at=data["closedAt"],
            accepted_at=data["acceptedAt"],
            call=str(data["call"]),
            findings=tuple(data["findings"]),
        )
