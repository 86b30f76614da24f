"""SIP over a stream with holes: messages that are not whole are cut out, so that the next one is read from its start line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sbc_sim.traces.looks import START_LINES, is_sip
from sbc_sim.traces.tcp import Piece

_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$")
_HEADER_END = re.compile(rb"\r?\n\r?\n")


def whole_messages(pieces: Sequence[Piece], midstream: bool) -> tuple[list[Piece], int]:
    """Cut out what stands around holes. `pieces`: of one direction in order; `midstream`: they do not begin with the connection.

    Gives the pieces that are left, with their times, and the number of octets cut out.
    """
    kept: list[Piece] = []
    dropped = 0
    runs = list(_runs(pieces))
    for number, run in enumerate(runs):
        data = b"".join(piece.data for piece in run)
        begun = number == 0 and not midstream
        start = 0 if begun or is_sip(data) else _next_start(data, 0)
        end = len(data) if number == len(runs) - 1 else _last_end(data, start)
        dropped += len(data) - (end - start)
        kept.extend(_between(run, start, end))
    return kept, dropped


def _runs(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    for piece in pieces:
        if piece.lost and run:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _next_start(data: bytes, place: int) -> int:
    found = START_LINES.search(data, place)
    return found.start() if found is not None else len(data)


def _last_end(data: bytes, place: int) -> int:
    """Where the last whole message ends, by Content-Length (RFC 3261 section 18.3)."""
    while True:
        head = _HEADER_END.search(data, place)
        if head is None:
            return place
        length = _LENGTH.search(data, place, head.end())
        end = head.end() + (int(length[1]) if length is not None else 0)
        if end > len(data):
            return place
        place = end


def _between(run: list[Piece], start: int, end: int) -> Iterator[Piece]:
    """Cut pieces to what lies from `start` to `end` of their joined octets."""
    place = 0
    for piece in run:
        first, last = max(start, place), min(end, place + len(piece.data))
        if first < last:
            yield Piece(piece.at, piece.side, piece.data[first - place : last - place])
        place += len(piece.data)
