"""Settings of the Telephony Integration API: what Salesforce does not publish about it, or publishes in two ways.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sbc_sim.settings_values import Listen, Section, Words, number


class Telephony(Section):
    """The Telephony Integration API (REST) at /telephony/v1, and how SIP calls are held against it."""

    enabled: bool = Field(True, description="False: there is none, and SIP calls are not held against it.")
    verify: Literal["require", "report", "off"] = Field(
        "require", description="Tokens: require a good one, take any and report what is wrong, or look at none."
    )
    create_status: Annotated[Literal[200, 201], BeforeValidator(number)] = Field(201, description="Status of a good POST /voiceCalls.")
    refused_status: Annotated[Literal[401, 403], BeforeValidator(number)] = Field(
        401, description="Status for a token that is there, but not good; without one it is always 401."
    )
    jti_reuse: Literal["refuse", "warn"] = Field("refuse", description="A token whose jti was used before.")
    same_vendor_key: Literal["same", "conflict"] = Field("same", description="A vendorCallKey that is used: the same voice call, or 409.")
    bad_attributes: Literal["partial", "refuse"] = Field(
        "partial", description="callAttributes that are no JSON in a string: a voice call with errors, or 400."
    )
    unknown_patch: Literal["refuse", "create"] = Field("refuse", description="PATCH on an unknown vendorCallKey: 404, or a new voice call.")
    out_of_order: Literal["warn", "refuse"] = Field("warn", description="A request that does not fit the state: a finding, or 409.")
    message_key: Literal["refuse", "warn"] = Field("refuse", description="Messages to a key other than the first call's: 400 or a finding.")
    context_handle: Literal["correlationId", "contextID"] = Field(
        "correlationId", description="How createVoiceCallContext spells its handle: older or newer text."
    )
    context_header: str = Field("", pattern=r"^([A-Za-z0-9-]{1,64})?$", description="Header of an INVITE with that handle. Empty: none.")
    handle_seconds: float = Field(180.0, gt=0, le=3600, description="How long routable numbers and context handles are good.")
    provisioned: bool = Field(True, description="False: reserveRoutableNumber and createVoiceCallContext get 403 PERM_MISSING.")
    channels: Words = Field((), description="Dialled numbers with a phone channel, for omniFlow. Empty: every number has one.")
    calls_per_second: float = Field(50.0, gt=0, description="Voice calls that an org may create each second; more get 429.")
    utterances_per_second: float = Field(5000.0, gt=0, description="Messages that an org may send each second; more get 429.")
    concurrent_calls: int = Field(25_000, ge=1, description="Open voice calls of one org; more get 429.")
    max_calls: int = Field(2000, ge=1, description="Voice calls kept, of all orgs; closed ones make room; 429 when all are open.")
    clock_skew_seconds: float = Field(60.0, ge=0, le=3600, description="So far ahead may iat of a token lie.")
    agent: str = Field("", description="Id of the rep that omniFlow names (005...). Empty: made of the flow's name.")
    queue: str = Field("", description="Id of the queue that omniFlow names (00G...). Empty: made of the flow's name.")
    recording_url: str = Field("", description="recordingUrl of GET voicemailDrop. Empty: 404.")
    greeting_url: str = Field("", description="greetingUrl of GET voicemailGreeting. Empty: 404.")
    outbound_number: str = Field("", description="phoneNumber of GET defaultOutboundPhoneNumber. Empty: 404.")
    tls_listen: Listen | None = Field(None, description="ADDRESS:PORT for the API by https, with our certificate. Default: http only.")
    scrt2_domains: Words = Field((), description="What scrt2Domain of a real call may be. Empty: any host name.")
    unknown_call: Literal["warn", "fail", "refuse"] = Field(
        "fail", description="An INVITE that names an unknown voice call: a finding that warns or fails, or 404."
    )
    unknown_org: Literal["warn", "fail", "refuse"] = Field(
        "fail", description="An INVITE whose org is unknown or not that of the voice call: a finding that warns or fails, or 404."
    )
    uui_token: Literal["warn", "fail", "refuse"] = Field(
        "fail", description="An INVITE whose JWT is not good: a finding that warns or fails, or 403."
    )
    close_seconds: float = Field(30.0, gt=0, le=60, description="So long after its SIP call a voice call may stay open without a finding.")
