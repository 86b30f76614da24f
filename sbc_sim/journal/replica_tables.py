"""Where replicas write down that they are there, and what they ask of each other: part of the layout of a store that several share.

The words are understood by PostgreSQL and SQLite alike. Times are unix seconds by the database's clock.
"""

from __future__ import annotations

REPLICA_TABLES = (
    # `id`: one for each life of a process; `name`: what its calls carry, one living replica each; `about`: JSON, where it is reached;
    # `closer`, `closing_at`: who ends the calls of a lost one, since when; `closed_at`: when that was done.
    """CREATE TABLE replicas (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        slot BIGINT NOT NULL,
        started_at DOUBLE PRECISION NOT NULL,
        seen_at DOUBLE PRECISION NOT NULL,
        state TEXT NOT NULL,
        about TEXT NOT NULL,
        closer TEXT,
        closing_at DOUBLE PRECISION,
        closed_at DOUBLE PRECISION)""",
    "CREATE UNIQUE INDEX replicas_slot ON replicas (slot) WHERE state = 'live'",
    "CREATE UNIQUE INDEX replicas_name ON replicas (name) WHERE state = 'live'",
    "CREATE INDEX replicas_state ON replicas (state, seen_at)",
    # `id`: (microseconds << 10) | slot of the sender, so that the order of each sender shows; `target`: a name, or nothing for all others.
    """CREATE TABLE orders (
        id BIGINT PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL,
        sender TEXT NOT NULL,
        target TEXT NOT NULL,
        what TEXT NOT NULL,
        data TEXT NOT NULL)""",
    "CREATE INDEX orders_target ON orders (target, id)",
    "CREATE INDEX orders_at ON orders (at)",
)
"""Statements that make both tables."""

ORDERS_CHANNEL = "sbc_sim_orders"
"""PostgreSQL tells on it that there are new orders, or that a replica came or went."""
