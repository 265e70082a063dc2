"""A live chart: lines over the dashed base run, bands, named levels, a hatched zone of NaN values, ticks and a legend."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.curves import Scale
from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import Line, nan_since
from autoloop_tui.console.drawing.paint import cells, number, plain
from autoloop_tui.console.drawing.pieces import Piece, crop, message
from autoloop_tui.console.drawing.plot import STEPS_FROM, VALUES_FROM, plot, scale_of
from autoloop_tui.console.widgets.row_pane import RowPane

FILLED_CLASS = "-filled"
"""The class of an app whose charts fill the area below the first line."""


SHORTEST = 6
"""Minimum width of a useful label in cells; if there is less room, only the line's letter is shown."""


class Chart(RowPane):
    """Shows the lines last passed to `set_series`; the first is in front, and its last value is shown in the legend."""

    def __init__(
        self, title: str = "", unit: str = "", *, log_y: bool = False, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.chart_title = title
        self.unit = unit
        self.log_y = log_y
        self.lines: list[Line] = []
        """The lines, the front one first."""
        self.levels: list[Level] = []
        self._x_high: float | None = None
        self._painted: object = None

    def set_series(self, lines: Sequence[Line], levels: Sequence[Level] = (), *, x_high: float | None = None) -> int:
        """Show `lines`. `x_high`: a step that the axis must include (the run's last), so that a growing line does not
        rescale it.

        Returns the number of repainted rows; 0 if nothing has changed.
        """
        self.lines, self.levels, self._x_high = list(lines), list(levels), x_high
        return self.repaint()

    def set_title(self, title: str, unit: str = "") -> None:
        self.chart_title, self.unit = title, unit
        self.repaint()

    def toggle_log_y(self) -> None:
        """Switch between a linear and a logarithmic value axis."""
        self.log_y = not self.log_y
        self.repaint()

    def on_resize(self) -> None:
        self.repaint()

    def on_show(self) -> None:
        self.repaint()

    def repaint(self) -> int:
        """Redraw if anything has changed and the chart is visible; return the number of repainted rows."""
        if self.size.width <= 0 or self.size.height <= 0 or not self.is_on_screen:
            return 0
        how = (self.size, self.chart_title, self.unit, self.log_y, self._x_high, self.glyphs, self.filled, *self.levels)
        now = (*how, *(line.stamp for line in self.lines))
        if now == self._painted:
            return 0
        self._painted = now
        return self.show(self._draw(self.size.width, self.size.height))

    @property
    def filled(self) -> bool:
        return self.app.has_class(FILLED_CLASS)

    def _draw(self, width: int, height: int) -> list[list[Piece]]:
        room = height - 1
        # The axis names its scale if there is room.
        log_y = self.log_y and (room < STEPS_FROM or width < VALUES_FROM)
        rows = [legend(self.chart_title, self.unit, self.lines, width, log_y=log_y, glyphs=self.glyphs)]
        scale = scale_of(self.lines, self.levels, log_y=self.log_y, x_high=self._x_high)
        if scale is None:
            return rows + message([(why_empty(self.lines, self.log_y), "dim")], width, room)
        return rows + self.plot(scale, width, room)

    def plot(self, scale: Scale, width: int, height: int) -> list[list[Piece]]:
        """Return the rows of the plot with its axes."""
        return plot(self.lines, scale, width, height, glyphs=self.glyphs, levels=self.levels, filled=self.filled)


def why_empty(lines: Sequence[Line], log_y: bool) -> str:
    if log_y and any(len(line.series) for line in lines):
        return "no positive value for a log axis"
    return "no finite value yet" if any(len(line.series) for line in lines) else "no points yet"


def legend(title: str, unit: str, lines: Sequence[Line], width: int, *, log_y: bool, glyphs: Glyphs) -> list[Piece]:
    """Return the title, the newest value of the first line, and a key to the lines; labels are shortened first."""
    rule, mark = glyphs.rule, glyphs.ellipsis
    left: list[Piece] = [(rule * 2 + " ", "rule"), (plain(title), "bold")]
    since = nan_since(lines[0].series) if lines else None
    if since is not None:
        left.append((f" NaN since step {since}", "bold slot-failed"))
    elif lines and len(lines[0].series) and not lines[0].base:
        left.append((f" {number(lines[0].series.values[-1])}", lines[0].look))
    if unit:
        left.append((f" {unit}", "dim"))
    if log_y:
        left.append((" (log)", "key"))
    left = crop([*left, (" ", "")], 0, width)
    room = width - sum(cells(text) for text, _ in left)
    # Each label gets an equal share of the room; if that is too little, only the colours identify the lines.
    widths = [cells(line.label) for line in lines]
    fixed = sum(4 + cells(line.letter) for line in lines)
    longest = max(widths, default=0) if sum(widths) + fixed <= room else (room - fixed) // max(1, len(lines))
    right: list[Piece] = []
    for line in lines if room >= sum(2 + cells(line.letter) for line in lines) else ():
        sign = glyphs.of("╌", "-") if line.base else glyphs.of("━", "=")
        label = middle(line.label, longest, mark) if longest >= SHORTEST or longest >= cells(line.label) else ""
        swatch = f"{sign}{line.letter} " if label else line.letter or sign
        right += [(" ", ""), (swatch, line.look), (label, "dim" if line.base else ""), (" " if label else "", "")]
    gap = room - sum(cells(text) for text, _ in right)
    return [*left, (rule * gap, "rule"), *right]
