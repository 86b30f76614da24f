"""Settings of several processes that share a store.

Annotations are evaluated at once here (no `from __future__ import annotations`): pydantic would compile each of them from text at start.
"""

from typing import Self

from pydantic import Field, field_validator, model_validator

from sbc_sim.settings_values import Section


class Replicas(Section):
    """Several processes that share a store (docs/replicas.md): workers of one machine, or pods with one PostgreSQL."""

    name: str | None = Field(
        None,
        max_length=48,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        description="By which calls and the page tell this replica from others. Default: the name of the machine (in Kubernetes of the "
        "pod), and the number of the process where it is not 1.",
    )
    heartbeat_seconds: float = Field(2.0, ge=0.2, le=60, description="Each replica shows the others so often that it is there.")
    lost_seconds: float = Field(
        10.0, ge=1, le=600, description="Who is not heard of for so long is lost: the others end its calls. At least two heartbeats."
    )
    http: str | None = Field(
        None,
        description="Address (http://HOST:PORT) by which other replicas reach this one's HTTP interface, for captures that only it has. "
        "Default: that of http.listen; where it listens everywhere, the host of sip.advertised.",
    )

    @field_validator("http")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value if value is None else value.rstrip("/")

    @model_validator(mode="after")
    def _two_heartbeats(self) -> Self:
        if self.lost_seconds < 2 * self.heartbeat_seconds:
            two = f"{2 * self.heartbeat_seconds:g} s"
            raise ValueError(f"replicas.lost_seconds ({self.lost_seconds:g} s) must be at least two replicas.heartbeat_seconds: {two}")
        return self
