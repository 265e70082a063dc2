"""Rows of coloured text as data, and functions to fit them to a width. `present` creates them; a `RowPane` displays them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from autoloop.text.values import count

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, window

Piece = tuple[str, str]
"""Text and the names of its looks, separated by spaces: our theme variables, `bold`, `match`, `line`; may be empty."""


def span(old: Sequence[Piece], new: Sequence[Piece], width: int, y: int) -> tuple[int, int, int, int]:
    """Return the part of a row that differs, as x, y, width, height; an unchanged start need not be sent again."""
    start = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        start += cells(after[0])
    # If the rows have the same length, an unchanged end can be skipped as well.
    stop = width
    length = sum(cells(text) for text, _ in new)
    if sum(cells(text) for text, _ in old) == length:
        stop = min(width, length)
        for before, after in zip(reversed(old), reversed(new), strict=False):
            if before != after or stop <= start:
                break
            stop -= cells(after[0])
    start = min(start, width - 1)
    return start, y, max(1, stop - start), 1


def crop(pieces: Sequence[Piece], start: int, width: int, mark: str = "") -> list[Piece]:
    """Return the cells `start` … `start + width` of a row of printable text; half a wide character becomes a space.

    `mark`: placed in the last cell if anything but spaces follows.
    """
    if mark and start + width > 0 and any(text.strip() for text, _ in crop(pieces, start + width, sys.maxsize)):
        return [*crop(pieces, start, width - 1), (mark, "dim")]
    kept: list[Piece] = []
    place = 0
    for text, names in pieces:
        length = cells(text)
        first, after = max(start - place, 0), min(start + width - place, length)
        if first < after:
            whole = first == 0 and after == length
            kept.append((text if whole else window(text, first, after - first, mark=""), names))
        place += length
    return kept


def wide(pieces: Sequence[Piece]) -> int:
    """Return the number of cells that `pieces` occupy."""
    return sum(cells(text) for text, _ in pieces)


def padded(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """Return the pieces cut or padded to exactly `width` cells."""
    cut = crop(pieces, 0, width)
    return [*cut, (" " * (width - wide(cut)), "")]


def part_of(first: int, last: int, total: int, glyphs: Glyphs) -> str:
    """Return which part of a list or text is visible, counted from 1: `1–15 of 30`."""
    return f"{count(first)}{glyphs.of('–', '-')}{count(last)} of {count(total)}"


def message(lines: Sequence[Piece], width: int, height: int) -> list[list[Piece]]:
    """Return a few lines in the middle of an otherwise empty pane."""
    above = max(0, (height - len(lines)) // 2)
    return [[] for _ in range(above)] + [[(fit(text, width, "^"), names)] for text, names in lines][: max(0, height)]


def heading(title: str, status: Sequence[Piece], width: int, *, focused: bool, glyphs: Glyphs) -> list[Piece]:
    """Return a rule with a pane's title on the left and its status on the right; the title is shortened first."""
    rule = glyphs.rule
    right = [piece for piece in status if piece[0]]
    taken = sum(cells(text) for text, _ in right) + (4 if right else 0)
    if taken > width - 6:  # Too narrow for both: keep the status.
        return crop(right, 0, width)
    room = width - taken - 4
    name = clip(title, room, glyphs.ellipsis)
    row = [(rule * 2, "rule"), (f" {name} ", "bold key" if focused else "bold")]
    gap = width - taken - 4 - cells(name)
    if not right:
        return [*row, (rule * gap, "rule")]
    return [*row, (rule * gap, "rule"), (" ", ""), *right, (" ", ""), (rule * 2, "rule")]
