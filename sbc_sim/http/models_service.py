"""The service itself: health, setup, rules, certificates, regions and partners, problems.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from sbc_sim.http.models_base import In, Out, State, Time


class SignIn(In):
    """The token, for a cookie."""

    token: str = Field(max_length=1024)


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
    unreadable: str = Field(description="One sentence with the cure while older calls, and those of other replicas, cannot be read.")


class Info(Out):
    """The service about itself."""

    model_config = ConfigDict(extra="allow")
    store: StoreHealth


class ReplicaEntry(Out):
    """A process that shares the store with others."""

    name: str = Field(description="What its calls carry as `replica`.")
    state: Literal["live", "gone", "lost"] = Field(
        description="gone: it stopped and said so; lost: not heard of, the others ended its calls."
    )
    own: bool = Field(description="True for the one that answers.")
    slot: int
    started_at: Time
    seen_at: Time = Field(description="Last sign of life, by the database's clock.")
    about: dict[str, Any] = Field(description="Where it is reached.")


class Replicas(Out):
    """All that live, and those that left within the last hour; none when the store is not shared."""

    replicas: list[ReplicaEntry]


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
    replica: str | None = Field(None, description="The replica that has, or had, what was asked for.")
    address: str | None = Field(None, description="Address of that replica's HTTP interface, as far as it is known.")
    seen_at: str | None = Field(None, description="Last sign of life of that replica, when it does not answer.")
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


class OptionsState(Out):
    """How OPTIONS of ours to one address of a partner fare (sip.options_seconds)."""

    region: str | None = Field(description="Region whose return_uri it is; null: the partner's own.")
    uri: str = Field(description="Request-URI: host and port of the return_uri.")
    result: str = Field(description="Of the newest: waiting, answered, refused, unanswered, lost, unreachable, tls.")
    status: int | None = Field(description="Of the newest answer.")
    last_sent_at: Time | None
    last_answer_at: Time | None
    round_trip_ms: float | None = Field(description="From the OPTIONS to its answer.")
    failures: int = Field(description="In a row.")
    why: str | None = Field(description="Why the newest failed, and the cure.")


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
    options: list[OptionsState] = Field(description="OPTIONS of ours to its return_uri, and that of each region; empty: none are sent.")


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
        max_length=64,
        description="new-leaf, new-ca, expired, wrong-name, self-signed, missing-intermediate, or original to go back.",
    )
    region: str | None = Field(None, max_length=64, description="Only in this region. Default: everywhere.")


class Rotated(ShownCertificate):
    """What is shown after a rotation."""

    ca_pem: str | None = Field(None, description="After new-ca: the certificate that partners must trust now.")
