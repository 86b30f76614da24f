"""How much of a call may be seen by whom: one place for all documents. A document is made from a trace that was redacted first.

`none`: everything as it was. `share`: for colleagues and tickets: keys and tokens masked, signatures of JWTs cut, phone numbers partly
masked; the default for whatever leaves by report or bundle. `strict`: for strangers: numbers, names, addresses, the content of
User-to-User and the audio too.
"""

from __future__ import annotations

from enum import StrEnum

from sbc_sim.journal.store import Trace


class Redaction(StrEnum):
    """How much is hidden."""

    NONE = "none"
    SHARE = "share"
    STRICT = "strict"


def redacted(trace: Trace, level: Redaction) -> Trace:
    """Copy a trace with what the level hides hidden in the octets and data of every entry and in the view of the call.

    Octets of messages keep their lengths, so that Content-Length and offsets still hold.
    """
    raise NotImplementedError


def redacted_message(raw: bytes, level: Redaction) -> bytes:
    """Copy the octets of one SIP message with what the level hides overwritten; the length stays."""
    raise NotImplementedError
