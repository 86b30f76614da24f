"""What a ladder is made of: rows, the findings beside them, and the facts around them. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sbc_sim.journal.entries import Kind

TOLD = ("fail", "warn")
"""Findings that the ladder shows, worst first."""
AT_THE_TOP = ("TLS", "NET")
AT_THE_MEDIA = ("SRTP", "MEDIA")
"""Areas of rules whose findings are about the connection, and about packets."""
NUMBERED = (Kind.MESSAGE, Kind.PARSE_ERROR)
"""Entries that are messages to a reader, numbered from 0 in the order of the trace: as the API lists them."""


Finding = Mapping[str, Any]


class Shape(StrEnum):
    """How a row is drawn."""

    ARROW = "arrow"
    MEDIA = "media"
    REMARK = "remark"


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding beside a row."""

    status: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the ladder. The partner stands left, the simulator right."""

    at: float
    """Seconds since the call began."""
    shape: Shape
    label: str
    inbound: bool | None = None
    """True: from left to right. None: both ways, or no way at all."""
    notes: tuple[str, ...] = ()
    """What the message carries: SDP, User-to-User."""
    times: int = 1
    last_at: float | None = None
    """When the last repetition came."""
    marks: tuple[Mark, ...] = ()
    received: int = 0
    sent: int = 0
    """Packets of a media row, left to right and right to left."""
    echoed: bool = False
    """What was sent is what was received."""
    message: int | None = None
    """Number of the message (see NUMBERED) that is drawn."""
    key: tuple[object, ...] = field(default=(), repr=False)
    """What makes two messages the same one, repeated."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """A call, ready to be drawn."""

    heading: tuple[str, ...]
    left: tuple[str, str]
    """Who stands left: name and address."""
    right: tuple[str, str]
    facts: tuple[str, ...]
    """About the connection."""
    fact_marks: tuple[Mark, ...]
    rows: tuple[Row, ...]
    loose_marks: tuple[Mark, ...]
    """Findings that belong to no row."""
    ending: tuple[str, ...]
    verdict: str | None
    """pass | warn | fail, None while the call goes on."""
    judged: bool = True
    """False when no verdict is ever given: the call was placed by us."""
    over: bool = True

    @property
    def verdict_line(self) -> str:
        """The verdict in words; empty when none is ever given."""
        if self.verdict:
            return f"verdict: {self.verdict.upper()}"
        if not self.judged:
            return ""
        return "no verdict: the call was cut off before it could be judged" if self.over else "no verdict yet"
