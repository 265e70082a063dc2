"""A grid of as many charts as fit. It can be navigated, filtered by a regular expression, zoomed, and read at a step."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import ClassVar

from autoloop.regex import compile_regex
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.message import Message

from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece, message, padded, wide
from autoloop_tui.console.drawing.plot import plot, scale_of
from autoloop_tui.console.logs.search import Query
from autoloop_tui.console.present.charts.panel import Panel, readout, title
from autoloop_tui.console.widgets.chart import FILLED_CLASS, legend, why_empty
from autoloop_tui.console.widgets.prompt_pane import PromptPane

CELL = 40, 12
"""Minimum cells and rows of a chart in the grid."""

SPACE = "  "
"""Separates two facts in the last row."""

Drawn = tuple[object, list[list[Piece]]]


def shares(room: int, count: int) -> list[int]:
    """Divide `room` among `count` places as evenly as possible."""
    return [room // count + (place < room % count) for place in range(count)]


class ChartGrid(PromptPane):
    """Its owner calls `show_panels`. Only visible panels are requested, and drawn only if they have changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "walk(-1, 0)", "Chart to the left", show=False, id="grid.left"),
        Binding("l,right", "walk(1, 0)", "Chart to the right", show=False, id="grid.right"),
        Binding("j,down", "walk(0, 1)", "Chart below", show=False, id="grid.down"),
        Binding("k,up", "walk(0, -1)", "Chart above", show=False, id="grid.up"),
        Binding("g,home", "go(0)", "First chart", show=False, id="grid.first"),
        Binding("G,end", "go(-1)", "Last chart", show=False, id="grid.last"),
        Binding("ctrl+d,pagedown", "page(1)", "Next page of charts", show=False, id="grid.page_down"),
        Binding("ctrl+u,pageup", "page(-1)", "Previous page of charts", show=False, id="grid.page_up"),
        Binding("enter", "zoom", "This chart alone, or all charts", show=False, id="grid.open"),
        Binding("slash", "filter", "Only metrics that match a regular expression", show=False, id="grid.filter"),
        Binding("space", "pin", "Pin this metric first in this project", show=False, id="grid.pin"),
        Binding("comma", "read(-1)", "Read the values at a step, to the left", show=False, id="grid.read_left"),
        Binding("full_stop", "read(1)", "Read the values at a step, to the right", show=False, id="grid.read_right"),
        Binding("escape", "back", "Clear the cursor, zoom and filter", show=False, id="grid.back"),
    ]

    class Moved(Message):
        """The focus has moved to another chart, or a chart was zoomed."""

    class Pinned(Message):
        """A metric is to be pinned or unpinned."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chosen: str | None = None
        """The focused metric."""
        self.zoomed = False
        self.log_y = False
        self.cursor: int | None = None
        """The step at which values are read."""
        self.empty = ""
        """The text shown if there is no metric."""
        self.names: list[str] = []
        """The metrics that pass the filter."""
        self._all: Mapping[str, str] = {}
        self._panel_of: Callable[[str], Panel] | None = None
        self._filter: Query | None = None
        self._top = 0
        """The first visible row of charts."""
        self._drawn: dict[str, Drawn] = {}

    # -------------------------------------------------------------------------------------------- called by the owner

    def show_panels(self, names: Mapping[str, str], panel_of: Callable[[str], Panel]) -> None:
        """Show the metrics in order. `names` maps each to its display name; `panel_of` returns the contents of its chart."""
        self._all, self._panel_of = names, panel_of
        self.repaint()

    def choose(self, name: str) -> None:
        """Focus a metric."""
        self.chosen = name
        self.repaint()
        self.post_message(self.Moved())

    def toggle_log_y(self) -> bool:
        self.log_y = not self.log_y
        self.repaint()
        return self.log_y

    # -------------------------------------------------------------------------------------------- painting

    @property
    def in_sight(self) -> list[str]:
        """The metrics with a visible chart."""
        if self.zoomed:
            return [self.chosen] if self.chosen else []
        columns, rows = self._shape()
        return self.names[self._top * columns : (self._top + rows) * columns]

    def _shape(self) -> tuple[int, int]:
        """Return the number of columns and rows of charts: as few as show all of them, or as many as fit."""
        width, height = self.size.width, self.size.height - 1 - self._rows_below
        if self.zoomed:
            return 1, 1
        most = max(1, width // CELL[0]), max(1, height // CELL[1])
        count = len(self.names)
        if count >= most[0] * most[1]:
            return most
        shapes = [(columns, -(-count // columns)) for columns in range(1, most[0] + 1)]
        fitting = [shape for shape in shapes if 0 < shape[1] <= most[1]]
        return max(fitting, key=lambda shape: min(width / shape[0] / CELL[0], height / shape[1] / CELL[1]), default=most)

    def repaint(self) -> None:
        width, height = self.size
        if width <= 0 or height <= 1 or not self.is_on_screen or self._panel_of is None:
            return
        self.names = [name for name, short in self._all.items() if self._keeps(name, short)]
        if self.chosen not in self.names:
            self.chosen = next(iter(self.names), None)
        if self.chosen is None:
            text = f"no metric of {len(self._all)} matches {self._filter.text}" if self._filter else self.empty
            room = height - 1 - self._rows_below
            rows = message([(plain(line), "") for line in text.splitlines()], width, room)
            self.show([*rows, *([[]] * (room - len(rows))), self._status(width, None)])
            return
        columns, rows_ = self._shape()
        at = self.names.index(self.chosen) // columns
        rows_in_all = -(-len(self.names) // columns)
        self._top = max(0, min(self._top, at, rows_in_all - rows_), at - rows_ + 1) if not self.zoomed else self._top
        panels = {name: self._panel_of(name) for name in self.in_sight}
        across, down = shares(width, columns), shares(height - 1 - self._rows_below, rows_)
        self._drawn = {
            name: self._draw(name, panel, across[place % columns], down[place // columns])
            for place, (name, panel) in enumerate(panels.items())
        }
        self.show([*self._tiled(columns, rows_), self._status(width, panels[self.chosen])])

    def _keeps(self, name: str, short: str) -> bool:
        return self._filter is None or self._filter.matches(name) or self._filter.matches(short)

    def _tiled(self, columns: int, rows: int) -> list[list[Piece]]:
        drawn = [each for _, each in self._drawn.values()]
        lines: list[list[Piece]] = []
        for row in range(rows):
            beside = drawn[row * columns : (row + 1) * columns]
            tall = len(beside[0]) if beside else 0
            lines += [[piece for cell in beside for piece in cell[y]] for y in range(tall)]
        return (lines + [[]] * self.size.height)[: self.size.height - 1 - self._rows_below]

    def _draw(self, name: str, panel: Panel, width: int, height: int) -> Drawn:
        """Return the rows of a chart, each exactly as wide as its place. Moving the focus redraws no curve."""
        free = not self.zoomed
        how = (width, height, self.log_y, self.cursor, self.glyphs, self.app.has_class(FILLED_CLASS), panel.stamp)
        known = self._drawn.get(name)
        if known is not None and known[0] == how:
            below = known[1][1:]
        else:
            below = [padded(row, width) for row in self._plot(panel, width - free, height - 1)]
            below += [[(" " * width, "")]] * (height - 1 - len(below))
        if self.zoomed and self.cursor is None:
            head = legend(panel.name, "", panel.lines, width, log_y=False, glyphs=self.glyphs)
        else:
            focused = name == self.chosen and not self.zoomed
            head = title(panel, width - free, focused=focused, cursor=self.cursor, glyphs=self.glyphs)
        return how, [padded(head, width), *below]

    def _plot(self, panel: Panel, width: int, height: int) -> list[list[Piece]]:
        scale = scale_of(panel.lines, panel.levels, log_y=self.log_y, x_high=panel.x_high)
        if scale is None:
            return message([(why_empty(panel.lines, self.log_y), "dim")], width, height)
        filled = self.app.has_class(FILLED_CLASS)
        lines, levels, glyphs = panel.lines, panel.levels, self.glyphs
        return plot(lines, scale, width, height, glyphs=glyphs, levels=levels, filled=filled, cursor=self.cursor)

    def _status(self, width: int, panel: Panel | None) -> list[Piece]:
        """Return the position among the metrics and the figures of the focused one."""
        parts: list[Sequence[Piece]] = []
        if self.chosen is not None:
            place = f"{self.names.index(self.chosen) + 1} of {len(self.names)}"
            shown = len(self.in_sight)
            parts.append([(place if self.zoomed or shown == len(self.names) else f"{place}, {shown} shown", "dim")])
        if self._filter is not None:
            parts.append([(f"/{clip(self._filter.text, 24)}", "key")])
            parts.append([(f"{len(self.names)} of {len(self._all)} metrics", "dim")])
        if self._note[0]:
            parts.insert(0, [(clip(self._note[0], width - 1, self.glyphs.ellipsis), self._note[1])])
        if panel is not None and self.cursor is not None:
            parts += [[piece] for piece in readout(panel.lines, self.cursor, bands=True)]
        elif panel is not None:
            parts += [[(plain(panel.name), "bold")], *panel.told]
        row: list[Piece] = []
        left = width
        for part in parts:  # A fact without room is omitted entirely: half a number would be a different number.
            left -= wide(part) + len(SPACE)
            if left < 0 and row:
                break
            row += [(SPACE if row else " ", ""), *part]
        return row

    # -------------------------------------------------------------------------------------------- keys

    def action_walk(self, across: int, down: int) -> None:
        if self.chosen is None:
            return
        at = self.names.index(self.chosen) + across + down * self._shape()[0]
        if 0 <= at < len(self.names):
            self.choose(self.names[at])
        elif down > 0 and self.names.index(self.chosen) // self._shape()[0] < (len(self.names) - 1) // self._shape()[0]:
            self.choose(self.names[-1])  # the last row is shorter

    def action_go(self, place: int) -> None:
        if self.names:
            self.choose(self.names[place])

    def action_page(self, pages: int) -> None:
        if self.chosen is None:
            return
        columns, rows = self._shape()
        at = self.names.index(self.chosen) + pages * columns * rows
        self._top += pages * rows
        self.choose(self.names[min(max(at, 0), len(self.names) - 1)])

    def action_zoom(self) -> None:
        if self.chosen is not None:
            self.zoomed = not self.zoomed
            self.post_message(self.Moved())

    def action_pin(self) -> None:
        if self.chosen is not None:
            self.post_message(self.Pinned(self.chosen))

    def action_read(self, columns: int) -> None:
        """Move the cursor along the points of the first line of the focused chart."""
        if self.chosen is None or self._panel_of is None:
            return
        line = next((line for line in self._panel_of(self.chosen).lines if len(line.series)), None)
        if line is None:
            return
        steps = line.series.steps
        stride = max(1, len(steps) // max(1, self.size.width // self._shape()[0] - 10))
        at = len(steps) - 1 if self.cursor is None else bisect_left(steps, self.cursor) + columns * stride
        self.cursor = steps[min(max(at, 0), len(steps) - 1)]
        self.repaint()

    def action_back(self) -> None:
        if self.cursor is not None:
            self.cursor = None
        elif self.zoomed:
            self.zoomed = False
            self.post_message(self.Moved())
        elif self._filter is not None:
            self._filter = None
        else:
            raise SkipAction  # Let the key bubble: outside it means "back".
        self.repaint()

    # -------------------------------------------------------------------------------------------- filter

    def action_filter(self) -> None:
        self.ask("only metrics that match a regular expression, such as loss|eval - empty: all", self._filter)

    def read_query(self, text: str) -> Query:
        return Query(text, compile_regex(text, ignore_case=text == text.lower()))

    def typed(self, query: Query | None) -> None:
        self._filter = query
        self.repaint()

    def answered(self, query: Query | None) -> None:
        self._filter = query
        self.repaint()
        self.post_message(self.Moved())

    # -------------------------------------------------------------------------------------------- mouse

    def on_click(self, event: events.Click) -> None:
        columns, rows = self._shape()
        across = list(accumulate(shares(self.size.width, columns)))
        down = list(accumulate(shares(self.size.height - 1 - self._rows_below, rows)))
        at = bisect_right(across, event.x) + bisect_right(down, event.y) * columns
        in_sight = self.in_sight
        if not self.zoomed and at < len(in_sight):
            if in_sight[at] == self.chosen:
                self.action_zoom()
            else:
                self.choose(in_sight[at])

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_walk(0, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_walk(0, 1)

    def on_show(self) -> None:
        self.repaint()
