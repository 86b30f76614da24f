"""How the API behaves where Salesforce is silent: one frozen value, filled from the settings `telephony.*`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TelephonyOptions:
    """Each member is the setting of its name."""

    verify: str = "require"  # require | report | off
    create_status: int = 201  # 200 | 201
    refused_status: int = 401  # 401 | 403: of a token that is there, but not good
    jti_reuse: str = "refuse"  # refuse | warn
    same_vendor_key: str = "same"  # same | conflict
    bad_attributes: str = "partial"  # partial | refuse
    unknown_patch: str = "refuse"  # refuse | create
    out_of_order: str = "warn"  # warn | refuse
    message_key: str = "refuse"  # refuse | warn
    context_handle: str = "correlationId"  # correlationId | contextID
    context_header: str = ""
    handle_seconds: float = 180.0
    provisioned: bool = True
    channels: tuple[str, ...] = ()  # dialled numbers with a phone channel; empty: every one
    calls_per_second: float = 50.0
    utterances_per_second: float = 5000.0
    concurrent_calls: int = 25_000
    max_calls: int = 2000
    close_seconds: float = 30.0
    clock_skew_seconds: float = 60.0
    agent: str = ""
    queue: str = ""
    recording_url: str = ""
    greeting_url: str = ""
    outbound_number: str = ""
