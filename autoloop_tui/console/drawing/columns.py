"""The columns of a table: which of them fit into a width, and a row of cells laid out in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autoloop_tui.console.drawing.paint import cells, fit
from autoloop_tui.console.drawing.pieces import Piece, crop

GAP = 1
"""Cells between two columns."""


class Column(NamedTuple):
    """A column at least `width` cells wide. If space is short, columns with the largest `need` are dropped first, those with
    `need` 0 never. A column with `most` grows up to that width."""

    key: str
    title: str
    width: int
    align: str = "<"
    need: int = 0
    most: int = 0


Laid = list[tuple[Column, int]]
"""The columns that fit, each with its width."""


Cell = Piece | list[Piece]


def lay_out(columns: Sequence[Column], width: int) -> Laid:
    """Return the columns that fit into `width` cells. Remaining cells go to growing columns, those with the smallest `need`
    first."""
    chosen = list(columns)
    while chosen and sum(column.width + GAP for column in chosen) - GAP > width:
        last = max(chosen, key=lambda column: column.need)
        if last.need == 0:
            break
        chosen.remove(last)
    widths = {column.key: column.width for column in chosen}
    left = width - sum(widths.values()) - GAP * (len(chosen) - 1)
    for column in sorted(chosen, key=lambda column: column.need):
        more = max(0, min(left, column.most - column.width))
        widths[column.key] += more
        left -= more
    return [(column, widths[column.key]) for column in chosen]


def line(laid: Laid, cells_of: Mapping[str, Cell], mark: str = "…") -> list[Piece]:
    """Lay out one row: clip or pad each cell to its column. Texts must be plain."""
    row: list[Piece] = []
    for place, (column, width) in enumerate(laid):
        if place:
            row.append((" " * GAP, ""))
        cell = cells_of.get(column.key, ("", ""))
        if isinstance(cell, tuple):
            row.append((fit(cell[0], width, column.align, mark), cell[1]))
            continue
        used = sum(cells(text) for text, _ in cell)
        padding = [(" " * max(0, width - used), "")]
        fitted = crop(cell, 0, width, mark) if used > width else cell
        row += padding + fitted if column.align == ">" else fitted + padding
    return row
