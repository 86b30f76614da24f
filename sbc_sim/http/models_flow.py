"""The whole flow: rehearsals, faults and test numbers, voice calls and the keys of their tokens.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from sbc_sim.http.models_base import In, Out, Region, Time
from sbc_sim.http.models_calls import Finding
from sbc_sim.http.models_traces import Comparison


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


class RehearsalReport(Out):
    """The protocol of a rehearsal: `schema` names its version."""

    model_config = ConfigDict(extra="allow")
    schema_: str = Field(alias="schema", pattern=r"^sbc-sim\.rehearsal/\d+$")


class AttemptFinding(Out):
    """What was not in order in a try."""

    rule: str
    status: str
    detail: str
    evidence: str = Field(default="", description="The first place that shows it: message, header or line, and its text.")


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
    status: Literal["running", "passed", "failed", "skipped"] = Field(description="skipped: a fault was set, so the try does not count.")
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
    vendor_call_key: str | None = Field(default=None, description="vendorCallKey of the voice call that was created.")


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
    owner: str | None = Field(description="Name of the replica that watches over it, where several share a store.")
    state: Literal["running", "passed", "failed", "incomplete", "stopped"] = Field(
        description="incomplete: nothing failed, but a step was left out."
    )
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


class VoiceCallBrief(Out):
    """A voice call of the Telephony Integration API, without what may be long."""

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
    parent_voice_call_id: str | None
    messages: int
    requests: int
    is_active_call: bool
    created_at: Time | None
    updated_at: Time | None
    accepted_at: Time | None
    closed_at: Time | None
    call: str | None = Field(description="Id of the SIP call that named it last; null: none did.")
    findings: list[Finding]


class VoiceCall(VoiceCallBrief):
    """A voice call, whole. Members that PATCH brought stand beside these, by their names there."""

    model_config = ConfigDict(alias_generator=to_camel, defer_build=True, extra="allow")
    call_attributes: dict[str, Any] | None
    participants: list[dict[str, Any]]
    routing: dict[str, Any] | None = Field(description="What is pending.")
    last_message: dict[str, Any] | None


class VoiceCalls(Out):
    """A page of voice calls, newest first."""

    voice_calls: list[VoiceCallBrief]
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
