"""How wide text is when nobody can be asked: bounds for the fonts that browsers take, and lines that keep within a width."""

from __future__ import annotations

from unicodedata import east_asian_width

MONOSPACE = 0.605
"""Width of a character of a monospaced font, in ems: DejaVu Sans Mono has 0.602, others less."""
_WIDE = 1.05
_ELLIPSIS = "\u2026"
_PROSE: dict[str, float] = {
    **dict.fromkeys("ijl|'", 0.30),
    **dict.fromkeys(' ,.;:!ft()[]/\\-I"`r*', 0.42),
    **dict.fromkeys("abcdeghknopqsuvxyz0123456789J?_~^{}", 0.64),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ+<>=#$&", 0.79),
    **dict.fromkeys("mwMW%@", 1.0),
}
"""Widths in ems of DejaVu Sans, the widest of the fonts behind ``system-ui``."""


def width(text: str, size: float, prose: bool = False) -> float:
    """Return the most pixels that a text takes; `prose`: in a proportional font."""
    return size * sum(_one(character, prose) for character in text)


def _one(character: str, prose: bool) -> float:
    if character.isascii():
        return _PROSE.get(character, 0.85) if prose else MONOSPACE
    if east_asian_width(character) in "WF":
        return 2 * MONOSPACE
    return 0.9 if prose else _WIDE


def lines(text: str, room: float, size: float, prose: bool = False, most: int = 4) -> list[str]:
    """Break a text at blanks, and within words that are too long, into at most `most` lines; an ellipsis says that more was there."""
    out: list[str] = []
    line, used = "", 0.0
    # Beyond what fits at the narrowest nothing need be looked at: a value may be huge.
    text = text[: int(most * room / (size * 0.25)) + 1]
    for word in text.split(" "):
        for piece in _pieces(word, room, size, prose):
            wide = width(piece, size, prose)
            gap = width(" ", size, prose) if line else 0.0
            if line and used + gap + wide > room:
                out.append(line)
                line, used, gap = "", 0.0, 0.0
            line, used = f"{line} {piece}" if line else piece, used + gap + wide
        if len(out) > most:
            break
    out.append(line)
    return out if len(out) <= most else [*out[: most - 1], _cut(out[most - 1], room, size, prose)]


def _pieces(word: str, room: float, size: float, prose: bool) -> list[str]:
    if width(word, size, prose) <= room:
        return [word]
    pieces, piece, used = [], "", 0.0
    for character in word:
        wide = size * _one(character, prose)
        if piece and used + wide > room:
            pieces.append(piece)
            piece, used = "", 0.0
        piece, used = piece + character, used + wide
    return [*pieces, piece]


def _cut(line: str, room: float, size: float, prose: bool) -> str:
    while line and width(line + _ELLIPSIS, size, prose) > room:
        line = line[:-1]
    return line + _ELLIPSIS
