"""Replicas and orders as values: who shares a store with us, and what one asks of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SLOTS = 1024
"""So many replicas at most live at once: a slot is the lowest ten bits of every ordinal of a shared store."""
MOST_NAME = 63
"""Longest name of a replica."""
MOST_ABOUT_OCTETS = 4096
MOST_ORDER_OCTETS = 256 * 1024
"""Longest `data` of an order, as JSON."""
ORDER_SECONDS = 60.0
"""An order that nobody took for so long is forgotten."""


class ReplicaState(StrEnum):
    """What is known of a replica."""

    LIVE = "live"
    GONE = "gone"
    """Stopped, and said so."""
    LOST = "lost"
    """Not heard of for longer than `lost_seconds`; others ended its calls."""


@dataclass(frozen=True, slots=True)
class ReplicaOptions:
    """How replicas look after each other."""

    heartbeat_seconds: float = 2.0
    lost_seconds: float = 10.0
    """Who is not heard of for so long is lost. At least twice the heartbeat."""


@dataclass(frozen=True, slots=True)
class Member:
    """This process among the replicas."""

    id: str
    """Of this life of it."""
    name: str
    """What its calls carry: unique among the living."""
    slot: int
    """0 to SLOTS - 1, unique among the living."""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica, as the database tells of it."""

    id: str
    name: str
    slot: int
    started_at: float
    """Unix seconds, by the database's clock."""
    seen_at: float
    state: ReplicaState
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it is reached; JSON values."""
    own: bool = False
    """Whether it is this process."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one replica asks of another, or of all others."""

    id: int
    """Rising with each order of the same sender."""
    at: float
    """Unix seconds, by the database's clock."""
    sender: str
    """Name of the replica that asks."""
    target: str
    """Name of the replica that is asked; empty: all others."""
    what: str
    data: Mapping[str, Any] = field(default_factory=dict)
    age: float = 0.0
    """Seconds between `at` and when it was taken: who stood still takes it late."""


Turn = Callable[[Callable[[], None]], None]
"""Has something called on the thread of the calls: the reactor's callFromThread."""
