"""The metrics of a run beside its chart: last and best value, change since the start, noise, and the change against the
base."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from autoloop.metrics import MetricBook, summarise
from autoloop.model import MetricSummary, Series
from textual import events
from textual.message import Message

from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.drawing.paint import fit, number, signed
from autoloop_tui.console.drawing.pieces import Piece, heading
from autoloop_tui.console.present.metric_delta import Delta
from autoloop_tui.console.widgets.row_pane import RowPane

BUDGET = 0.005
"""Seconds per tick for summarising series that have grown; the rest follows at the next tick."""


class Figures:
    """Summaries of a run's metrics, each updated when its series has grown."""

    def __init__(self, book: MetricBook) -> None:
        self._book = book
        self._known: dict[str, tuple[tuple[int, int], MetricSummary | None]] = {}

    def update(self, columns: Mapping[str, Series], first: str | None = None) -> None:
        """Update the summaries for at most BUDGET, beginning with `first`."""
        until = time.monotonic() + BUDGET
        for name in [*([first] if first is not None and first in columns else []), *columns]:
            series = columns[name]
            state = (id(series), len(series))
            if name not in self._known or self._known[name][0] != state:
                self._known[name] = (state, summarise({name: series}, self._book).metrics.get(name))
                if time.monotonic() > until:
                    return

    def of(self, name: str) -> MetricSummary | None:
        return self._known[name][1] if name in self._known else None


def ordered(columns: Mapping[str, Series], book: MetricBook, pins: Sequence[str] = ()) -> list[str]:
    """Return the metrics in display order: pinned, then key metrics in the book's order, then the others by name."""
    keys = [name for name in dict.fromkeys((*pins, *book.key_metrics)) if name in columns]
    return keys + sorted((name for name in columns if name not in keys), key=book.short)


class MetricList(RowPane):
    """One row per metric; the one shown in the chart is marked."""

    DEFAULT_CSS: ClassVar[str] = "MetricList { width: 1fr; }"

    class Chosen(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names: list[str] = []
        self._top = 0

    def paint(
        self,
        names: list[str],
        chosen: str | None,
        figures: Figures,
        to_base: Callable[[str], Delta | None] | None,
        book: MetricBook,
    ) -> None:
        """`to_base` returns the change of a metric against the base run; None if there is no base run."""
        width, height = self.size
        if not width or not height:
            return
        self._names = names
        room = height - 2
        at = names.index(chosen) if chosen in names else 0
        self._top = max(0, min(max(self._top, at - room + 1), at, len(names) - room))
        columns = [("last", 8), ("best", 8), ("change", 9)]
        if width >= 54:
            columns.append(("noise", 8))
        if width >= 68 and to_base:
            columns.append(("to base", 9))
        wide = width - 3 - sum(size + 1 for _, size in columns)
        head: list[Piece] = [(fit("", wide + 2), ""), *((f" {name:>{size}}", "dim") for name, size in columns)]
        status: list[Piece] = [(f"{at + 1} of {len(names)}", "dim")] if names else []
        rows = [heading("metrics", status, width, focused=False, glyphs=self.glyphs), head]
        for name in names[self._top : self._top + room]:
            cells = self._cells(name, figures.of(name), to_base(name) if to_base else None, book)
            mark = name == chosen
            gutter = self.glyphs.of("▌", ">") if mark else " "
            line = " line" if mark else ""
            row: list[Piece] = [
                (f"{gutter} ", f"key{line}"),
                (fit(middle(book.short(name), wide, self.glyphs.ellipsis), wide), line),
            ]
            for column, size in columns:
                text, look = cells.get(column, ("", ""))
                row.append((f" {fit(text, size, '>')}", look + line))
            row.append((" ", line))
            rows.append(row)
        self.show(rows)

    def _cells(self, name: str, found: MetricSummary | None, delta: Delta | None, book: MetricBook) -> dict[str, Piece]:
        if found is None:
            return {}
        good = book.direction(name)
        better = found.delta > 0 if good == "high" else found.delta < 0
        judged = found.delta and good
        return {
            "last": (number(found.last, 8), "bold"),
            "best": (number(found.best if good else None, 8), ""),
            "change": (signed(found.delta, 9), ("slot-finished" if better else "slot-warn") if judged else ""),
            "noise": (number(found.tail_mad, 8), "dim"),
            "to base": delta.piece(9, glyphs=self.glyphs) if delta else ("", ""),
        }

    def on_click(self, event: events.Click) -> None:
        index = self._top + event.y - 2
        if event.y >= 2 and index < len(self._names):
            self.post_message(self.Chosen(self._names[index]))
