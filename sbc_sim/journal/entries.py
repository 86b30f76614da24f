"""Journal entries: what happened, in order. The API, page, metrics, reports and tests all read these and nothing else.

An entry is plain data so that any store can keep it: `data` holds only JSON values, `raw` the octets of a message.
Call, number and UUI values stand here unmasked; exports mask them when they leave (exports/redaction).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an entry tells. The comment lists the members of `data`."""

    CONNECTION_OPENED = "connection.opened"
    # connection: int, peer: {host, port, localHost, localPort, listener, dialled}, tls: {version, cipher, serverName,
    #   clientCertificate, certificateRequested: bool (by the server, on a connection that we dialled)}|null
    CONNECTION_CLOSED = "connection.closed"
    # connection: int, why: str
    ATTEMPT = "attempt"
    # id: str, peer: {host, port, localHost, localPort, listener}, problem: TlsProblem value, detail, alert,
    #   alertFromPeer, version, serverName,
    # clientCertificate, firstBytes (hex), findings: [finding]
    MESSAGE = "message"
    # connection: int, direction: "in"|"out", method, status: int|null, reason, uri, cseq: int|null, sipCallId, summary
    #   ("INVITE", "200 OK (INVITE)"),
    # repeated: bool, peer: "host:port", warning: str|null; octets in `raw`
    PARSE_ERROR = "parse.error"
    # connection: int, malformation, detail, where, status, offset; first 4 KiB of the octets in `raw`
    REJECTED = "rejected"
    # status: int, rule, method: a request refused outside or inside a call (counted by rejections_total{code,rule})
    CALL_STARTED = "call.started"
    # sipCallId, direction "inbound"|"outbound", from, to, requestUri, region, partner, chosenBy, connection, peer
    #   "host:port", userAgent, numbers {...}, escalationOf: id of the call that this one gives back (outbound only),
    #   xHeaders: {name: value} captured in the profile extended
    SCENARIO = "scenario"
    # scenario: echo, agent or the name of a test number, why: str, faults: [{name, type, ...}] done on purpose
    CALL_STATE = "call.state"
    # state: ringing|answered|ended|rejected
    UUI = "uui"
    # raw, decoded, fields, named, parameters, jwt {header, claims, masked}|null, lengths {value, line, decoded},
    #   isEcho, leadingOctet, header, findings [ids]
    MEDIA_AGREED = "media.agreed"
    # codec, payloadType, suite, tag, profile, remote "host:port", local "host:port", rtcpMux, dtmfPayloadType,
    #   direction, ptime, offeredCodecs, held, change: bool
    MEDIA = "media"
    # LegReport fields in camelCase, final: bool
    DTMF = "dtmf"
    # digit, durationMs
    FINDING = "finding"
    # a finding, see finding_data
    VERDICT = "verdict"
    # status, counts, findings: [finding], profile, ruleSet
    CALL_ENDED = "call.ended"
    # endedBy: "partner"|"sbc"|"network", endReason: str, state: "ended"|"rejected", status: int|null
    AGENT = "agent"
    # event: prompt|prompt-over|speech|digit|silence|step|end, step: name of the scenario's step, text: what was said or
    #   heard, in words, line: of the scenario file
    ESCALATION = "escalation"
    # mode, state: "began"|"data"|"calling"|"returned"|"failed"|"over", why, target "host:port", call: id of the other
    #   leg, text; each entry adds to the one before
    PARTNER_CHECK = "partner.check"
    # customerAlive: bool|null, repReached: bool|null, linked: bool|null, repCall,
    #   late: {fact: seconds after the window}, by: "rest"|"api"|"return"|"deadline"|"cut", text
    VOICE_CALL = "voice.call"
    # a voice call of the Telephony Integration API as it is now (telephony/record.py), also without a SIP call
    TELEPHONY = "telephony"
    # one request to the Telephony Integration API: id, method, path, operation, status, voiceCallId, vendorCallKey, org,
    #   partner, request (tokens masked), answer, findings: [finding], durationMs
    FAULT_CHANGED = "fault.changed"
    # name, change: "set"|"removed"|"expired"|"used up", fault {...}|null
    REHEARSAL = "rehearsal"
    # a rehearsal as it is now: see calls/rehearsal.py
    NOTE = "note"
    # text: something worth telling that is no rule; goesOn: true in a call that others had ended as lost, and that lives, at `replica`


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    at: float
    """Unix seconds."""
    kind: Kind
    call: str | None
    """Id of the call it belongs to, None when it belongs to none."""
    data: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False)
