"""Bodies of requests and answers as models: the OpenAPI document is made from them, and request bodies are read by them.

Imported only when one of these is needed: building the models takes longer than the rest of the interface.
Answers are not built through them; a test holds every answer against its schema instead.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

Time = Annotated[AwareDatetime, Field(description="RFC 3339, UTC.")]
Status = Literal["pass", "warn", "fail", "skip", "unknown"]
State = Literal["ringing", "answered", "ended", "rejected"]
TOKEN = r"^[A-Za-z0-9.!%*_+`'~-]+$"


_NAME = Annotated[str, Field(pattern=TOKEN, max_length=64)]
_WORD = Annotated[str, Field(pattern=TOKEN, max_length=256)]
Parameters = Annotated[
    dict[_NAME, _WORD],
    Field(max_length=16),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"type": "string", "pattern": TOKEN, "maxLength": 64},
            "additionalProperties": {"type": "string", "pattern": TOKEN, "maxLength": 256},
            "maxProperties": 16,
        }
    ),
]


class In(BaseModel):
    """A body that is read: a member that is not known is refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, defer_build=True, hide_input_in_errors=True)


class Out(BaseModel):
    """An answer, or a part of one. Members may be added in later versions."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True)


# --- request bodies ----------------------------------------------------------------------------------------------------


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


class SignIn(In):
    """The token, for a cookie."""

    token: str = Field(max_length=1024)


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


class TraceBody(In):
    """A trace: SIP messages as text, or a capture with the key log that opens its TLS."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["text"], "properties": {"text": {"type": "string"}}},
                {"required": ["capture"], "properties": {"capture": {"type": "string"}}},
            ]
        }
    )
    text: str | None = Field(None, description="SIP messages as text, as a log shows them.", json_schema_extra={"minLength": 1})
    capture: str | None = Field(
        None, description="pcap or pcapng in Base64.", json_schema_extra={"contentEncoding": "base64", "minLength": 1}
    )
    key_log: str | None = Field(None, description="TLS secrets, lines as SSLKEYLOGFILE has them.")

    @model_validator(mode="after")
    def _one(self) -> "TraceBody":
        if (self.text is None) == (self.capture is None):
            raise ValueError("one of text and capture is wanted")
        return self


class CompareRequest(In):
    """The partner's trace, and the call of ours to hold it against."""

    theirs: TraceBody
    call: str = Field(max_length=200, description="Id of a call.")


Region = Annotated[str, Field(max_length=64)]


class RehearsalRequest(In):
    """What is to be rehearsed. What is left out is chosen."""

    partner: str | None = Field(None, max_length=64, description="Name of a partner. Default: the only one.")
    regions: list[Region] | None = Field(None, max_length=100, description="Default: all that the partner maps.")
    parts: list[Literal["connectivity", "end-to-end", "compare", "form"]] | None = Field(
        None, min_length=1, max_length=4, description="Default: connectivity and end-to-end."
    )
    escalations: list[Literal["bye", "bye+data", "invite-back", "refer"]] | None = Field(
        None, min_length=1, max_length=4, description="An end-to-end test for each. Default: bye and invite-back."
    )
    step_seconds: float | None = Field(None, gt=0, le=86400, description="How long a step waits from when its turn has come. Default: 600.")
    tries: int | None = Field(
        None, ge=0, le=1000, description="Failed tries after which a step is given up. Default: 0, until its time is over."
    )
    name: str | None = Field(None, max_length=200, description="What people call it.")


class KeyBody(In):
    """Public keys for the tokens of a partner."""

    pem: str = Field(min_length=1, max_length=65536, description="PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE blocks, ten at most.")
    org_id: str | None = Field(None, max_length=18, description="iss of its tokens. Default: any.")
    call_center: str | None = Field(None, max_length=255, description="sub of its tokens. Default: any.")
    partner: str | None = Field(None, max_length=64, description="Name of the partner. Default: the name of the keys.")


# --- calls ---------------------------------------------------------------------------------------------------------------


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


class Calls(Out):
    """A page of calls, newest first."""

    calls: list[Call]
    next: str | None = Field(description="Send as `cursor` to read on; null: there is no more.")


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
    evidence: list[Quote] = []
    source: str = ""
    why: str = ""
    fix: str = ""
    platforms: dict[str, str] = {}


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
    dtmf: list[KeyPressed] = []
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


Column = list[float | None]


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


class RehearsalReport(Out):
    """The protocol of a rehearsal: `schema` names its version."""

    model_config = ConfigDict(extra="allow")
    schema_: str = Field(alias="schema", pattern=r"^sbc-sim\.rehearsal/\d+$")


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
    findings: list[Finding] = []


class Attempts(Out):
    """Attempts, newest first."""

    attempts: list[Attempt]
    next: str | None


# --- traces ----------------------------------------------------------------------------------------------------------------


class JudgedCall(Call):
    """A call that was found in a trace."""

    ladder: str
    findings: list[Finding]


class Judged(Out):
    """What a trace holds."""

    calls: list[JudgedCall]
    notes: list[str] = Field(description="What was skipped or could not be read, and what to do about it.")


class HeaderChange(Out):
    """A header that changed on the way."""

    what: str
    header: str
    before: str | None
    after: str | None
    position: int | None = Field(description="Of the first character that differs.")
    weight: Literal["breaks", "matters", "harmless"]
    why: str
    rules: list[str]


class BodyLine(Out):
    """A line of a body that is there on one side only."""

    sign: Literal["-", "+"] = Field(description="- before, + after.")
    text: str
    why: str


class Broken(Out):
    """A rule that held for a message as it was sent, and not as it arrived."""

    rule: str
    status: Status
    detail: str


class Repeats(Out):
    """How often more each side saw a message."""

    theirs: int
    ours: int


class ComparedMessage(Out):
    """A message that both sides saw, or one of them."""

    summary: str
    cseq: str
    direction: Literal["toSbc", "fromSbc"]
    seen_by: Literal["both", "theirs", "ours"]
    why: str
    delay_ms: float | None
    repeats: Repeats
    changes: list[HeaderChange]
    body: list[BodyLine]
    broken: list[Broken]


class ComparedCall(Out):
    """A call at both ends."""

    their_call_id: str
    our_call_id: str
    matched_by: str
    worst: Literal["breaks", "matters", "harmless"] | None
    clock_offset_ms: float | None = Field(description="How far our clock is ahead, if both ways take equally long.")
    one_way_ms: float | None
    messages: list[ComparedMessage]


class Comparison(Out):
    """The partner's trace against ours. Secrets are masked."""

    calls: list[ComparedCall]
    notes: list[str]


# --- the service -------------------------------------------------------------------------------------------------------------


class Index(Out):
    """What is where; the links are relative to the path that was asked for."""

    name: str
    version: str | None
    links: dict[str, str]
    docs: str


class Live(Out):
    """The process answers."""

    live: Literal[True]


class Ready(Out):
    """Whether calls can be taken."""

    ready: bool
    reasons: list[str]


class StoreHealth(Out):
    """Whether what happens is also kept."""

    kind: str
    durable: bool = Field(description="What happens now survives a restart: false in memory, and while entries cannot be written.")
    trouble: str = Field(description="One sentence with the cure while entries cannot be written, or older calls cannot be read.")
    waiting: int
    lost: int


class Info(Out):
    """The service about itself."""

    model_config = ConfigDict(extra="allow")
    store: StoreHealth


class Rule(Out):
    """A rule of the catalogue."""

    id: str
    title: str
    severity: str
    why: str
    fix: str
    source: str
    platforms: dict[str, str]
    setting: str | None
    keywords: list[str]


class Rules(Out):
    """The catalogue, or what a word finds."""

    rule_set: str
    rules: list[Rule]


class SetupSip(Out):
    """Where calls go."""

    host: str
    port: int
    uri: str
    transport: Literal["tls"]


class SetupCa(Out):
    """The CA to trust."""

    path: str = Field(description="Relative to the address of the page.")
    fingerprint: str = Field(description="SHA-256")


class SetupMedia(Out):
    """Where SRTP goes."""

    host: str
    port_start: int = Field(description="0: any free port.")
    port_end: int
    mode: Literal["ports", "mux"]


class SetupUui(Out):
    """The header that selects the echo test."""

    header: str
    value: str
    decoded: str


class Allowed(Out):
    """One line for a firewall."""

    protocol: Literal["tcp", "udp"]
    address: str
    ports: str
    direction: Literal["in", "out"] = Field(description="As seen by the simulator.")
    why: str


class TestNumber(Out):
    """A number to call."""

    number: str
    label: str
    does: str


class Snippet(Out):
    """Settings of a platform to copy."""

    platform: str
    title: str
    text: str
    tested: bool = Field(description="False: from documentation.")


class SetupRegion(Out):
    """How calls reach a region."""

    name: str
    label: str
    host: str | None = Field(description="Its public host name.")
    address: str = Field(description="HOST:PORT of the simulator for it.")
    hosts_line: str | None = Field(description="Line for /etc/hosts, or a record for your DNS, that leads the name here.")
    uri: str


class Setup(Out):
    """How to point an SBC here."""

    sip: SetupSip
    ca: SetupCa | None
    certificate_names: list[str]
    media: SetupMedia
    uui: SetupUui
    allow_list: list[Allowed]
    regions: list[SetupRegion]
    numbers: list[TestNumber]
    snippets: list[Snippet]


class AttemptFinding(Out):
    """What was not in order in a try."""

    rule: str
    status: str
    detail: str


class AttemptCheck(Out):
    """One thing that a step demands."""

    name: str
    status: Literal["pass", "fail", "skip"]
    text: str


class StepAttempt(Out):
    """One try of a step: a call, or a request."""

    at: Time
    call: str | None = Field(description="Id of a call.")
    voice_call: str | None = Field(description="voiceCallId.")
    status: Literal["running", "passed", "failed"]
    text: str
    findings: list[AttemptFinding]
    checks: list[AttemptCheck]
    faults: list[dict[str, Any]] = Field(description="What was done wrong on purpose.")


class RehearsalStep(Out):
    """A step of a rehearsal."""

    id: str
    kind: str
    region: str | None
    title: str
    expects: str
    needs: str = Field(description="Id of the step before whose success this one cannot be done; empty: none.")
    state: Literal["pending", "waiting", "running", "passed", "failed", "skipped"]
    missing: list[str] = Field(description="What still has to come, a sentence each.")
    why: str = Field(description="Why the last try failed, or why the step was left out.")
    deadline: Time | None = Field(description="Until then a try counts, also after one that failed.")
    attempts: list[StepAttempt] = Field(description="The first and the newest.")
    tried: int = Field(description="How many tries there were.")
    call: str | None
    voice_call: str | None
    started_at: Time | None
    ended_at: Time | None


class RehearsalNote(Out):
    """A call or connection that belonged to no step."""

    at: Time
    call: str | None
    text: str


class RehearsalHead(Out):
    """A rehearsal without its steps."""

    id: str
    name: str
    partner: str
    regions: list[str]
    parts: list[str]
    escalations: list[str]
    step_seconds: float
    tries: int
    profile: str
    rule_set: str
    state: Literal["running", "passed", "failed", "stopped"]
    created_at: Time
    updated_at: Time
    ended_at: Time | None
    counts: dict[str, int] = Field(description="Steps by state; a running one counts as waiting.")
    notes: list[RehearsalNote]


class Rehearsal(RehearsalHead):
    """A rehearsal. Secrets are masked."""

    steps: list[RehearsalStep]


class RehearsalList(Out):
    """Rehearsals, newest first."""

    rehearsals: list[RehearsalHead]


class CallComparison(Comparison):
    """A trace held against one call."""

    call: str = Field(description="Id of our call.")


class RehearsalComparison(Out):
    """A trace held against the calls of a rehearsal."""

    rehearsal: Rehearsal
    fine: bool = Field(description="Nothing broke on the way.")
    text: str
    comparisons: list[CallComparison]


class FaultScope(In):
    """For whom a fault is meant; what is left out fits everybody."""

    number: str | None = Field(None, max_length=256, description="User part of the Request-URI, or its beginning followed by *.")
    region: str | None = Field(None, max_length=256)
    partner: str | None = Field(None, max_length=256)
    path: str | None = Field(None, max_length=256, description="Telephony faults: a part of the path.")


class FaultBody(In):
    """A fault to be set. Which values a type takes stands in docs/faults.md; one that makes no sense is refused with the nearest one."""

    type: str = Field(description="busy, loss, telephony-slow ...: see docs/faults.md.")
    value: float | str | None = Field(None, description="Its strength; what it counts depends on the type.")
    seed: int | None = Field(None, description="From which all its chance follows. Default: from its name.")
    scope: FaultScope | None = None
    probability: float | None = Field(None, gt=0, le=1, description="Share of the calls or requests that it strikes. Default: 1.")
    count: int | None = Field(None, ge=1, description="So many hits, then it is used up.")
    seconds: float | None = Field(None, gt=0, description="It ends so long after it was set.")


class Fault(Out):
    """A fault that is set."""

    name: str
    type: str
    value: float | str | None
    seed: int
    scope: dict[str, str]
    probability: float
    count: int | None
    seconds: float | None
    by: str = Field(description="Where it comes from: api or settings.")
    hits: int = Field(description="Calls or requests that it has struck.")
    remaining: int | None = Field(description="Hits that are left; null: any number.")
    created_at: Time
    expires_at: Time | None


class FaultKind(Out):
    """A type of fault."""

    name: str
    area: str = Field(description="signalling, media, tls or telephony.")
    does: str = Field(description="What the simulator does, as a sentence without its subject.")
    unit: str = Field(description="What `value` counts; empty: it takes none.")
    usual: float | str | None = Field(description="The value without one.")
    words: list[str] = Field(description="The values that there are, when it is a word.")
    least: float | None = Field(None, description="Bounds of a value that is a number.")
    most: float | None = None


class Faults(Out):
    """The faults that are set, the oldest first, and the types that there are."""

    faults: list[Fault]
    types: list[FaultKind]


class FaultsRemoved(Out):
    """How many faults were taken away."""

    removed: int


class NumberFault(Out):
    """What a test number does wrong on purpose."""

    type: str
    value: float | str | None


class Number(Out):
    """A test number."""

    number: str
    name: str = Field(description="Reaches it too, as user part; the scenario of its calls.")
    does: str
    reaches: str = Field(description="Who answers: echo or agent.")
    faults: list[NumberFault]
    also: list[str] = Field(description="Further user parts that stand for it (sip.numbers).")


class Numbers(Out):
    """The test numbers; none when they are off (sip.test_numbers)."""

    numbers: list[Number]


class VoiceCall(Out):
    """A voice call of the Telephony Integration API. Members that PATCH brought stand beside these, by their names there."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True, extra="allow")
    voice_call_id: str
    vendor_call_key: str
    org: str
    call_center: str
    partner: str
    state: Literal["created", "active", "queued", "routed", "accepted", "closed"]
    initiation_method: str
    from_: str = Field(alias="from")
    to: str
    start_time: str
    parent_voice_call_id: str
    call_attributes: dict[str, Any] | None
    participants: list[dict[str, Any]]
    routing: dict[str, Any] | None = Field(description="What is pending.")
    messages: int
    last_message: dict[str, Any] | None
    requests: int
    is_active_call: bool
    created_at: Time | None
    updated_at: Time | None
    accepted_at: Time | None
    closed_at: Time | None
    call: str = Field(description="Id of the SIP call that named it last; empty: none did.")
    findings: list[Finding]


class VoiceCalls(Out):
    """A page of voice calls, newest first."""

    voice_calls: list[VoiceCall]
    next: str | None = Field(description="Send as `cursor` to read on; null: there is no more.")


class TelephonyRequest(Out):
    """One request to the Telephony Integration API, tokens masked."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True, extra="allow")
    id: str
    at: Time | None
    method: str
    path: str
    operation: str | None
    status: int
    request: Any
    answer: Any
    findings: list[Finding]


class VoiceCallFull(VoiceCall):
    """A voice call with its requests."""

    linked_calls: list[str] = Field(description="Voice calls that name this one as their parent.")
    log: list[TelephonyRequest] = Field(description="Requests about it, oldest first.")


class PublicKey(Out):
    """One RSA key."""

    bits: int
    sha256: str = Field(alias="sha256", description="Of its SubjectPublicKeyInfo, the first 16 hex digits.")


class TelephonyKey(Out):
    """Public keys of one name."""

    name: str
    partner: str | None
    org_id: str | None
    call_center: str | None
    origin: Literal["settings", "api"]
    keys: list[PublicKey]


class TelephonyKeys(Out):
    """All public keys."""

    verify: Literal["require", "report", "off"]
    keys: list[TelephonyKey]


class Reset(Out):
    """How many calls are forgotten."""

    forgotten: int


class OpenApi(Out):
    """This document."""

    model_config = ConfigDict(extra="allow")
    openapi: str


class Problem(Out):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="A stable word for programs.")
    detail: str = Field(description="What was seen.")
    fix: str = Field(description="What to do.")
    instance: str | None = None
    limit: int | None = Field(None, description="The bound that was passed, in octets.")
    member: str | None = Field(None, description="The member of the body that makes no sense.")
    seen: list["Near"] | None = Field(None, description="Calls that fitted what was waited for, but did not get that far.")


class Near(Out):
    """A call that came near."""

    id: str
    state: State


class RegionMedia(Out):
    """Where the media of a region's calls go."""

    advertised: str | None = Field(description="Address in the SDP; null: the one that the partner reached.")
    port_start: int = Field(description="0: any free ones.")
    port_end: int


class RegionAt(Out):
    """A region as this process plays it."""

    name: str
    label: str
    host: str | None = Field(description="In SNI, certificate and Request-URI of calls that mean it.")
    default: bool = Field(description="Calls that name no region belong here.")
    listen: str | None = Field(description="HOST:PORT of its own listener; null: it shares the common one.")
    address: str = Field(description="HOST:PORT that partners send its calls to.")
    media: RegionMedia
    allow_from: list[str] = Field(description="Networks that may call; empty: everyone.")
    numbers: list[str] = Field(description="User parts that are served; empty: any.")
    own_certificate: bool = Field(description="Its certificate was set, not made.")
    found_by: list[str] = Field(description="By what a call can mean it, in the order in which that is looked for.")
    partners: list[str] = Field(description="Names of the partners that map it.")


class Regions(Out):
    """The regions that are enabled."""

    regions: list[RegionAt]


class PartnerAt(Out):
    """A partner as the settings describe it."""

    name: str
    label: str
    location: str
    provider: str
    regions: list[str] = Field(description="Regions that it maps.")
    signalling: list[str] = Field(description="Source networks; empty: from anywhere.")
    media: list[str]
    signalling_ports: str
    media_ports: str
    return_uri: str | None = Field(description="Where calls are given back to; null: the Contact of the call.")
    ca_file: str | None
    org_id: str | None
    call_center: str | None
    public_keys: list[str] = Field(description="PEM files.")
    by_region: dict[str, dict[str, Any]] = Field(description="What differs in a region.")


class Partners(Out):
    """Who may call."""

    partners: list[PartnerAt]


class ShownCertificate(Out):
    """A certificate that new connections see."""

    region: str | None = Field(description="null: clients that name no region, or all of them after a rotation everywhere.")
    host: str | None
    how: str = Field(description="original, or what it was rotated to.")
    since: Time | None = Field(description="When it was rotated.")
    subject: str
    names: list[str]
    issuer: str
    not_before: Time
    not_after: Time
    fingerprint: str = Field(description="SHA-256 of the leaf.")
    chain: list[str] = Field(description="Subjects of what is sent behind the leaf.")


class ShownCertificates(Out):
    """What is shown to whom."""

    certificates: list[ShownCertificate]


class RotationBody(In):
    """A rotation to rehearse. Calls that are up go on; connections from now on see the new chain."""

    how: str = Field(
        "new-leaf",
        max_length=64,
        description="new-leaf, new-ca, expired, wrong-name, self-signed, missing-intermediate, or original to go back.",
    )
    region: str | None = Field(None, max_length=64, description="Only in this region. Default: everywhere.")


class Rotated(ShownCertificate):
    """What is shown after a rotation."""

    ca_pem: str | None = Field(None, description="After new-ca: the certificate that partners must trust now.")
