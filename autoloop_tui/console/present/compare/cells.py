"""The rows of the Compare screen: the runs compared, and their parameters and metrics with a column for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoloop.metrics import MetricBook
from autoloop.model import Run, Series
from autoloop.text.number_column import NumberColumn

from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.columns import Cell, Column, Laid, line
from autoloop_tui.console.drawing.cutting import ending, middle
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, look, number, plain, short_count
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.present.compare.comparison import ABSENT, Comparison, Parameter, equal
from autoloop_tui.console.present.compare.short_names import telling
from autoloop_tui.console.present.rounds.rows import short_value

BEST = 9
"""Width of the column that names the leading run, in cells."""

ONE_ROW = 18
"""Cells per run needed for a value with its change beside it; with fewer, the change is shown below."""

TELLING = 12
"""Minimum cells of a shortened name that still identifies its run; with fewer, only its letter is shown."""

SAMPLE = 300
"""Number of rows measured to set column widths."""


@dataclass
class Side:
    """A run of the comparison. `config`: flattened, None if unreadable. `read`: its history is complete. `caught_up`:
    everything written so far has been read."""

    badge: Badge
    run: Run
    config: dict[str, Any] | None
    columns: Mapping[str, Series]
    read: bool = False
    caught_up: bool = False

    @property
    def letter(self) -> str:
        return self.badge.letter


class ComparisonPainter:
    """Creates rows for a set of sides."""

    def __init__(self, sides: Sequence[Side], book: MetricBook, *, glyphs: Glyphs) -> None:
        self.sides, self.book, self.glyphs = sides, book, glyphs
        self.mark = glyphs.ellipsis
        self.nothing = glyphs.nothing
        self._telling = dict(
            zip((side.letter for side in sides), telling([plain(side.run.name) for side in sides]), strict=True)
        )

    # ---------------------------------------------------------------------------------------------------------- legend

    def note(self, width: int, *, chosen: bool, rounds: str, mark: str) -> list[Piece]:
        """Return what is compared. `chosen`: the user marked the runs; `rounds`, `mark`: the keys to mark runs."""
        if not self.sides:
            text = " no run has finished yet"
        elif not chosen:
            how = f"{mark} in Rounds ({rounds}) marks"
            texts = [
                "no marks: the leader of the newest round, its base, and the last run that finished",
                "no marks: the leader of the newest round and others",
                "no marks: the first run of the newest round and others",
                "no marks",
            ]
            told = next((each for each in texts if cells(each) + cells(how) + 3 <= width), texts[-1])
            text = f" {told}; {how}"
        elif len(self.sides) == 1:
            text = f" only one run: mark more with {mark} in Rounds ({rounds})"
        else:
            text = f" {len(self.sides)} marked runs, against {self.sides[0].letter}"
        return crop([(text, "dim")], 0, width, self.mark)

    def legend(self, side: Side, width: int) -> list[Piece]:
        """Return the legend of a run: letter, name, state and progress, and what could not be read."""
        run, seen = side.run, look(side.run.state.value)
        name = max(12, min(40, width - 52))
        row: list[Piece] = [
            (f" {side.letter} {self.glyphs.of('━', '=')} ", f"bold {side.badge.look}"),
            (fit(middle(run.name, name, self.mark), name), "bold"),
            (f" {fit(run.id, 8, mark=self.mark)} ", "dim"),
            (fit(seen.text(self.glyphs), 11), seen.variable),
            (f"round {run.round} ", "dim"),
        ]
        begun = bool(side.columns) or run.output_dir is not None
        row.append((f"{short_count(run.step):>6} steps ", "dim") if begun else (f"{'not started':>12} ", "slot-warn"))
        if side.config is None:
            row.append(("config cannot be read ", "slot-failed"))
        if not side.columns and begun:
            row.append(("no history" if side.read or side.caught_up else "reading", "slot-warn"))
        elif not side.read and run.state.ended:
            row.append(("reading", "dim"))
        return crop(row, 0, width, self.mark)

    def head(self, laid: Laid) -> list[Piece]:
        """Return the column heads: each run's letter in its colour, followed by the distinguishing part of its name if there
        is room."""
        titles: dict[str, Cell] = {column.key: (column.title, "dim") for column, _ in laid}
        widths = {column.key: width for column, width in laid}
        for side in self.sides:
            if side.letter in widths:
                room = widths[side.letter] - 4
                name = self._telling[side.letter]
                name = name if cells(name) <= room else middle(name, room, self.mark) if room >= TELLING else ""
                titles[side.letter] = [("  ", ""), (side.letter, f"bold {side.badge.look}"), (f" {name}", "dim")]
        return line(laid, titles, self.mark)

    # ------------------------------------------------------------------------------------------------------ parameters

    def parameter_columns(self, width: int, shown: Sequence[Parameter]) -> Laid:
        """Return columns as wide as the values need, within limits; the path gets what is left, up to its own need."""
        count = max(1, len(self.sides))
        some = shown[:SAMPLE]
        values = [value for row in some for value in row.values if value is not ABSENT]
        longest = max((len(short_value(value, 32)) for value in values), default=0)
        each = max(11, min(longest + 2, 34))
        if width - count * (each + 1) < 24:
            each = max(8, (width - 24) // count - 1)
        path = min(max(12, width - count * (each + 1)), max([16, *(cells(row.path) for row in some)]))
        return [(Column("path", "parameter", path), path), *self._sides(each)]

    def _sides(self, width: int) -> Laid:
        return [(Column(side.letter, "", width), width) for side in self.sides]

    def parameter(self, parameter: Parameter, laid: Laid) -> list[Piece]:
        """Return the row of a parameter: path and values; those that differ from the first run are marked with `*` and
        coloured."""
        widths = {column.key: width for column, width in laid}
        dim = "dim" if parameter.observing else ""
        path = ending(parameter.path, widths["path"], self.mark)
        made: dict[str, Cell] = {"path": (path, "bold" if parameter.differs and not dim else dim)}
        for side, value in zip(self.sides, parameter.values, strict=True):
            if side.config is None:
                made[side.letter] = ("  ?", "dim")
                continue
            other = parameter.differs and not equal(value, parameter.values[0])
            text = self._value(value, widths[side.letter] - 2)
            made[side.letter] = [
                ("* " if other else "  ", "diff-after"),
                (text, "diff-after bold" if other else "dim" if value is ABSENT or not parameter.differs else ""),
            ]
        return line(laid, made, self.mark)

    def _value(self, value: Any, width: int) -> str:
        if value is ABSENT:
            return self.nothing
        if isinstance(value, float):
            exact = short_value(value)
            return exact if len(exact) <= width else number(value, width)
        return clip(short_value(value), width, self.mark)

    def parameter_in_full(self, parameter: Parameter, width: int) -> list[Piece]:
        row: list[Piece] = [(f" {plain(parameter.path)}", "bold")]
        for side, value in zip(self.sides, parameter.values, strict=True):
            text = "?" if side.config is None else "absent" if value is ABSENT else short_value(value, 400)
            row += [(f"  {side.letter} ", f"bold {side.badge.look}"), (plain(text), "")]
        return crop(row, 0, width, self.mark)

    # --------------------------------------------------------------------------------------------------------- metrics

    def metric_columns(self, width: int, names: Sequence[str]) -> tuple[Laid, bool]:
        """Return the columns, and whether a metric takes two rows because changes do not fit beside the values."""
        count = max(1, len(self.sides))
        wanted = max([12, *(cells(self.book.short(name)) + 2 for name in names)])
        each = (width - min(wanted, 24) - BEST - 1) // count - 1
        two = each < ONE_ROW
        if two:
            wanted, each = min(wanted, 24), max(5, min(14, (width - 14 - BEST - 1) // count - 1))
        each = min(each, 24)
        name = max(8, min(wanted, width - BEST - 1 - (each + 1) * count))
        best = Column("best", "", BEST)
        return [(Column("metric", "metric", name), name), *self._sides(each), (best, BEST)], two

    def metric(self, metric: Comparison, laid: Laid, *, two: bool) -> list[Piece]:
        widths = {column.key: width for column, width in laid}
        made: dict[str, Cell] = {"metric": self._name(metric.metric, widths["metric"]), "best": self._best(metric)}
        room = min((widths[side.letter] - 2 for side in self.sides), default=8)
        column = NumberColumn.of([each.last if each else None for each in metric.values], room=min(8, room))
        for place, side in enumerate(self.sides):
            value, delta = metric.values[place], metric.deltas[place]
            width = widths[side.letter] - 2
            best = metric.best and place == metric.first
            text = column.text(value.last if value else None, self.nothing)
            text = text if cells(text) <= width else number(value.last if value else None, width)
            names = "slot-finished bold" if best else "dim" if value is None else ""
            pieces: list[Piece] = [
                (self.glyphs.of("✓ ", "+ ") if best else "  ", "slot-finished"),
                (text if two else fit(text, min(8, width)), names),
            ]
            if delta is not None and not two:
                change, look_ = delta.piece(width - 9, glyphs=self.glyphs)
                pieces += [(" ", ""), (change, look_)]
            made[side.letter] = pieces
        return line(laid, made, self.mark)

    def changes(self, metric: Comparison, laid: Laid) -> list[Piece]:
        """Return the row below the values: each run's change against the first."""
        widths = {column.key: width for column, width in laid}
        made: dict[str, Cell] = {}
        for side, delta in zip(self.sides, metric.deltas, strict=True):
            if delta is not None:
                text, names = delta.piece(widths[side.letter] - 2, glyphs=self.glyphs)
                made[side.letter] = ("  " + text, names)
        return [("  ", ""), *line(laid, made, self.mark)]

    def _name(self, metric: str, width: int) -> list[Piece]:
        arrow = self.glyphs.towards(self.book.direction(metric))
        return [(ending(self.book.short(metric), width - 2, self.mark), ""), (f" {arrow}", "dim")]

    def _best(self, metric: Comparison) -> Cell:
        """Return the leading run: `✓ best b` if that has been shown, otherwise `lowest b`, which may be chance."""
        if metric.even or metric.first is None:
            return (f"{self.glyphs.about} even", "dim") if metric.even else ("", "")
        side = self.sides[metric.first]
        word, names = ("highest " if self.book.direction(metric.metric) == "high" else "lowest "), "dim"
        if metric.best:
            word, names = self.glyphs.of("✓ best ", "+ best "), "slot-finished"
        return [(word, names), (side.letter, f"bold {side.badge.look}")]

    def metric_in_full(self, metric: Comparison, width: int) -> list[Piece]:
        """Return the full row of a metric: name, better direction, each value with its spread within the run, and its
        verdict."""
        good = {"high": ", higher is better", "low": ", lower is better", None: ", better direction unknown"}
        said = good[self.book.direction(metric.metric)]
        row: list[Piece] = [(f" {plain(metric.metric)}", "bold"), (said, "dim")]
        for side, value, delta in zip(self.sides, metric.values, metric.deltas, strict=True):
            row.append((f"  {side.letter} ", f"bold {side.badge.look}"))
            if value is None:
                row.append((self.nothing, "dim"))
                continue
            noise = f" {self.glyphs.of('±', '+-')}{number(2 * value.tail_mad, 6)}"
            row += [(number(value.last), ""), (noise, "dim")]
            if delta is not None:
                row.append((f" {delta.words}", delta.look))
        return crop(row, 0, width, self.mark)
