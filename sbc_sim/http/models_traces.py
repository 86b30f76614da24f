"""Traces that are judged and compared.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text.
"""

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from sbc_sim.http.models_base import In, Out, Status
from sbc_sim.http.models_calls import Call, Finding


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
