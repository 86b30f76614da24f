"""A part of an answer (RFC 9110 section 14): what players ask for when someone jumps within a recording."""

from __future__ import annotations

import re
from dataclasses import replace

from sbc_sim.http.exchange import Reply
from sbc_sim.http.problem import Problem

_ONE = re.compile(r"bytes=(?P<first>\d{0,15})-(?P<last>\d{0,15})", re.IGNORECASE)


def ranged(reply: Reply, wanted: str) -> Reply:
    """Cut an answer to the Range header `wanted`: one range is served, several or unreadable ones get all. Raises Problem 416."""
    reply = replace(reply, headers=(*reply.headers, ("Accept-Ranges", "bytes")))
    match = _ONE.fullmatch(wanted.strip())
    if match is None or not (match["first"] or match["last"]):
        return reply
    first, last = _bounds(match["first"], match["last"], len(reply.body))
    if match["first"] and first > int(match["last"] or first):
        return reply  # not a range at all (RFC 9110 section 14.1.1)
    if first >= len(reply.body):
        size = len(reply.body)
        headers = (("Content-Range", f"bytes */{size}"),)
        raise Problem(416, "bad-range", f"{wanted[:40]!r} is not within the {size} octets.", "Leave the Range header out.", headers)
    part = ("Content-Range", f"bytes {first}-{last}/{len(reply.body)}")
    return replace(reply, status=206, body=reply.body[first : last + 1], headers=(*reply.headers, part))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the last so many octets
        return max(0, size - int(last)) if int(last) else size, size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
