"""Calls, their messages, verdicts, media and User-to-User values, and what is asked about them.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from sbc_sim.http.models_base import In, Out, Parameters, State, Status, Time

Column = list[float | None]


class Match(In):
    """What a call must have. All that is named must fit; nothing named fits every call."""

    uui: str | dict[str, Any] | None = Field(None, description="The hex or the text, or an object of fields.")
    to: str | None = Field(None, description="To, or the user part of the Request-URI; separators in numbers do not count.")
    from_: str | None = Field(None, alias="from")
    sip_call_id: str | None = None
    region: str | None = None
    partner: str | None = None
    direction: str | None = None
    scenario: str | None = None


class WaitRequest(In):
    """Which call is waited for, and how far it must be."""

    match: Match = Field(default_factory=Match)
    state: State = Field("ended", description="A call that is past a state has reached it; a rejected call has ended.")
    timeout_s: float = Field(15, ge=0, le=300, description="Seconds.")
    after: str | None = Field(None, description="Only calls that began after this one (an id), or after this time (RFC 3339).")


class UuiValue(In):
    """A User-to-User header."""

    value: str = Field(max_length=65536, description="What stands behind the colon, or the whole line.")


class UuiContent(In):
    """What is to be written as a value: one of json, text and echo."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["json"]},
                {"required": ["text"], "properties": {"text": {"type": "string"}}},
                {"required": ["echo"], "properties": {"echo": {"const": True}}},
            ]
        }
    )
    json_: Any = Field(None, alias="json", description="A JSON value; written without blanks.")
    text: str | None = Field(None, max_length=65536, description="Text, written as UTF-8.")
    echo: Literal[True] | None = Field(None, description="The content that selects the echo test.")
    parameters: Parameters | None = Field(None, description="Further header parameters; encoding=hex unless said otherwise.")

    @model_validator(mode="after")
    def _one(self) -> "UuiContent":
        if ("json_" in self.model_fields_set) + (self.text is not None) + (self.echo is not None) != 1:  # null is a JSON value
            raise ValueError("one of json, text and echo is wanted")
        return self


class UuiLengths(Out):
    """The three lengths that platforms and standards limit."""

    value: int = Field(description="Digits, without parameters.")
    line: int = Field(description="The whole header line.")
    decoded: int = Field(description="Octets of the content.")


class CallUui(Out):
    """User-to-User, in short."""

    raw: str | None
    decoded: str | None
    fields: dict[str, Any] | None
    lengths: UuiLengths
    findings: list[str] = Field(description="Rules that it breaks.")


class CallMedia(Out):
    """Media, in short."""

    codec: str | None
    suite: str | None
    packets_received: int
    packets_sent: int
    lost: int
    jitter_ms: float
    auth_failures: int
    echoed_packets: int
    first_packet_ms: float | None
    remote: str | None = Field(description="HOST:PORT")


class VerdictShort(Out):
    """The verdict without its findings."""

    status: Status | None
    counts: dict[str, int]


class Call(Out):
    """A call. Secrets are masked."""

    id: str
    sip_call_id: str
    region: str | None
    partner: str | None
    direction: str
    state: State
    scenario: str | None
    from_: str = Field(alias="from")
    to: str
    request_uri: str
    user_agent: str | None
    peer: str | None = Field(description="HOST:PORT")
    numbers: dict[str, Any] = Field(description="User parts that carry phone numbers, by the header they stand in.")
    started_at: Time | None
    answered_at: Time | None
    ended_at: Time | None
    ended_by: str | None = Field(description="partner, sbc or network")
    end_reason: str | None
    end_status: int | None = Field(description="Status of the response that refused the call.")
    uui: CallUui | None
    media: CallMedia | None
    verdict: VerdictShort | None
    faults: list[dict[str, Any]] = Field(description="What the simulator did wrong on purpose: name, type and parameters.")
    chosen_by: str = Field(description="How the region was found out: listener, SNI, Request-URI, source network or default.")
    scenario_why: str = Field(description="Why the call reached this scenario.")
    escalation: dict[str, Any] | None = Field(description="How the call was given back to the partner, and what became of it.")
    escalation_of: str | None = Field(description="Id of the call that this one gives back.")
    x_headers: dict[str, str] = Field(description="Custom X-headers of the INVITE, captured in the profile extended.")
    voice_call_id: str | None = Field(description="Voice call of the Telephony Integration API that belongs to it.")
    replica: str = Field(description="Which of several simulators that share a store has the call; empty: the store is not shared.")


class Calls(Out):
    """A page of calls, newest first."""

    calls: list[Call]
    next: str | None = Field(description="Send as `cursor` to read on; null: there is no more.")
    incomplete: str | None = Field(description="Why older calls, and those of other replicas, are missing; null: none is.")


class EscalateRequest(In):
    """How to give a call back."""

    mode: Literal["bye", "bye+data", "invite-back", "refer"] | None = Field(None, description="Leave out: as set (escalation.mode).")
    why: str | None = Field(None, max_length=400, description="In words, for report, Reason header and templates.")
    target: str | None = Field(None, max_length=400, description="sip or sips URI to call, or to refer to, instead of what is set.")


class PartnerRequest(In):
    """What became of the customer after an escalation. What is left out stays as it is known."""

    customer_alive: bool | None = Field(None, description="The customer's leg outlived our BYE.")
    rep_reached: bool | None = Field(None, description="A human rep talks to the customer.")
    linked: bool | None = Field(None, description="The rep's voice call refers to the agent's.")
    rep_call: str | None = Field(None, max_length=80, description="Id of the rep's voice call.")
    text: str | None = Field(None, max_length=400, description="In words, for the report.")


class HangUp(Out):
    """The call that is being ended."""

    id: str
    state: State


class Quote(Out):
    """A place in a message."""

    message: str | None = None
    header: str | None = None
    text: str
    offset: int | None = None


class Finding(Out):
    """A rule, and what it says of a call."""

    rule: str
    status: Status
    severity: str
    title: str
    detail: str
    evidence: list[Quote] = Field(default_factory=list)
    source: str = ""
    why: str = ""
    fix: str = ""
    platforms: dict[str, str] = Field(default_factory=dict)


class Verdict(Out):
    """What the rules say."""

    call: str
    final: bool = Field(description="False while the call goes on.")
    status: Status | None
    counts: dict[str, int]
    findings: list[Finding]
    profile: str | None
    rule_set: str | None
    guesses: list[str] = Field(description="Rules of fail, warn and unknown that rest on a guess about the real SBC.")


class Mark(Out):
    """A place in the text of a message, and the finding about it."""

    start: int
    end: int
    rule: str
    status: Status
    title: str
    detail: str


class Message(Out):
    """A SIP message, a parse error, a refusal or a connection. Members beyond these depend on `kind`."""

    model_config = ConfigDict(extra="allow")
    number: int | None = Field(None, description="Place among the messages of its call, from 0.")
    at: Time
    kind: str
    connection: int | None = None
    direction: Literal["in", "out"] | None = None
    method: str | None = None
    status: int | None = None
    reason: str | None = None
    uri: str | None = None
    cseq: int | None = None
    sip_call_id: str | None = None
    summary: str | None = None
    repeated: bool | None = None
    peer: Any = None
    warning: str | None = None
    malformation: str | None = None
    detail: str | None = None
    where: str | None = None
    offset: int | None = None
    text: str | None = Field(None, description="The message; octets that are no text stand as \\xNN.")
    octets: int | None = None
    truncated: bool | None = None
    raw: str | None = Field(None, description="Base64, with secrets=show.")
    marks: list[Mark] | None = Field(None, description="Places in `text`.")


class Messages(Out):
    """Messages of a call, oldest first."""

    messages: list[Message]
    next: str | None
    dropped: int = Field(description="Entries left out of the middle: of a long call the first 200 and the last 800 are kept.")
    secrets: Literal["shown", "masked"]


class OutsideMessages(Out):
    """What belongs to no call, newest first."""

    messages: list[Message]
    next: str | None
    secrets: Literal["shown", "masked"]


class UuiProblem(Out):
    """One thing that is wrong with a value."""

    fault: str
    detail: str
    position: int | None = None
    within: str = "value"
    shown_position: int | None = Field(None, description="Where that is in the masked `raw`, when elsewhere.")


class UuiDecoded(Out):
    """A User-to-User value taken apart."""

    header: str | None
    raw: str | None
    decoded: str | None
    fields: dict[str, Any] | None
    named: dict[str, Any] | None = Field(description="Field of ours: key in the JSON.")
    parameters: list[list[str | None]]
    jwt: dict[str, Any] | None
    lengths: UuiLengths
    is_echo: bool
    leading_octet: int | None
    problems: list[UuiProblem]
    findings: list[Any]
    secrets: Literal["shown", "masked"]


class CallUuiDecoded(UuiDecoded):
    """The User-to-User header of a call."""

    call: str
    read: bool = Field(description="Whether the INVITE was looked at for it: not when it could not be read or was refused before.")
    explained: list[Finding] = Field(description="Findings about it that warn or fail.")


class UuiLinted(Out):
    """What the rules say of a value."""

    status: Status
    counts: dict[str, int]
    findings: list[Finding]


class UuiEncoded(Out):
    """A value to send."""

    value: str
    header: str = Field(description="The whole line.")
    content: str
    lengths: UuiLengths


class Agreement(Out):
    """What offer and answer settled."""

    at: Time
    codec: str | None = None
    payload_type: int | None = None
    suite: str | None = None
    tag: int | None = None
    profile: str | None = None
    remote: str | None = None
    local: str | None = None
    rtcp_mux: bool | None = None
    dtmf_payload_type: int | None = None
    direction: str | None = None
    ptime: int | None = None
    offered_codecs: list[str] | None = None
    held: bool | None = None
    change: bool | None = None


class KeyPressed(Out):
    """A key that the partner pressed."""

    digit: str
    at: Time | None = None
    duration_ms: float | None = None


class MediaReport(Out):
    """What the media plane saw."""

    model_config = ConfigDict(extra="allow")
    packets_received: int = 0
    packets_sent: int = 0
    echoed_packets: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    auth_failures: int = 0
    first_packet_at: Time | None = None
    last_packet_at: Time | None = None
    first_packet_ms: float | None = None
    remote: str | None = None
    dtmf: list[KeyPressed] = Field(default_factory=list)
    final: bool = False


class Media(Out):
    """Media of a call."""

    call: str
    agreed: Agreement | None
    earlier: list[Agreement]
    report: MediaReport | None
    dtmf: list[KeyPressed]


class AgentEvent(Out):
    """One thing that the agent said, heard or did."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True, extra="allow")
    at: Time | None
    offset_s: float | None = Field(description="Seconds since the call began.")
    words: str


class Told(Out):
    """Something that happened, in words for people."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True, extra="allow")
    at: Time | None
    words: str


class JourneyWords(Out):
    """The same for people."""

    faults: list[str]
    escalation: list[Told]
    check: str | None
    voice_call: str | None


class Journey(Out):
    """What goes with a call beside its messages. Secrets are masked."""

    call: str
    any: bool = Field(description="False for a plain echo call: there is nothing to tell.")
    region: str | None
    chosen_by: str | None
    partner: str | None
    scenario: str | None
    why: str | None
    faults: list[dict[str, Any]]
    flow_input: dict[str, Any] = Field(description="Members of the User-to-User object beyond those that Salesforce reads.")
    agent: list[AgentEvent]
    escalation: dict[str, Any] | None
    escalation_of: str | None
    voice_call: dict[str, Any] | None
    requests: list[Told] = Field(description="Requests to the Telephony Integration API that belong to it.")
    words: JourneyWords


class Series(Out):
    """Media over time: columns of equal length."""

    source: Literal["capture", "journal"]
    step_ms: float
    t: list[float] = Field(description="Seconds since the answer.")
    received: Column
    sent: Column
    lost: Column
    jitter_ms: Column
    level_in: Column = Field(description="dBFS")
    level_out: Column
    echo_delay_ms: float | None
    gap: list[float] | None = Field(description="From, to: packets in between were not kept.")


class ReferenceRow(Out):
    """One header of the INVITE beside the correct one."""

    header: str
    reference: str | None
    found: str | None
    state: Literal["same", "differs", "missing", "extra", "wrong"]
    rules: list[str]


class Reference(Out):
    """A correct INVITE, and how the one of the call differs."""

    text: str
    rows: list[ReferenceRow]


class Report(Out):
    """The report: `schema` names its version."""

    model_config = ConfigDict(extra="allow")
    schema_: str = Field(alias="schema", pattern=r"^sbc-sim\.report/\d+$")


class Peer(Out):
    """Both ends of a connection."""

    host: str
    port: int
    local_host: str
    local_port: int
    listener: str | None = None
    dialled: bool | None = None


class Attempt(Out):
    """A connection that never became a SIP connection."""

    id: str | None
    at: Time
    peer: Peer | None = None
    problem: str | None = None
    detail: str | None = None
    alert: str | None = None
    alert_from_peer: bool | None = None
    version: str | None = None
    server_name: str | None = None
    client_certificate: str | None = None
    first_bytes: str | None = Field(None, description="Hex.")
    findings: list[Finding] = Field(default_factory=list)


class Attempts(Out):
    """Attempts, newest first."""

    attempts: list[Attempt]
    next: str | None
    incomplete: str | None = Field(description="Why older ones, and those of other replicas, are missing; null: none is.")
