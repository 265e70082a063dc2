"""The cells of the table of runs: its columns, and the row of a run or config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoloop.metrics import MetricBook
from autoloop.model import Call, MetricSummary, RunState
from autoloop.text.number_column import NumberColumn
from autoloop.text.values import duration
from autoloop.verdicts import Judge

from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.columns import Cell, Column
from autoloop_tui.console.drawing.cutting import middle
from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs
from autoloop_tui.console.drawing.paint import cells, look, number, plain, short_count, signed
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.present.metric_delta import Delta, against
from autoloop_tui.console.present.rounds.arranging import Place
from autoloop_tui.console.present.rounds.figures import Figures, spread
from autoloop_tui.console.present.rounds.rows import RunRow, author, base_metric
from autoloop_tui.console.present.rounds.winners import NONE, Winners

TREND = 8
"""Width of the trend in cells."""

FIXED = ("state", "name", "from", "steps", "id", "tries", "took", "reason")
"""Columns other than those of metrics; each has a fixed priority for being dropped."""

OF_FIRST = {"best": "best", "last": "last", "change": "vs base"}
"""Columns of the first metric, with their titles."""

SORTED = (*FIXED, *OF_FIRST, "round")
"""Sort keys other than further metrics."""


def columns(
    places: Sequence[Place],
    figures: Sequence[Figures],
    book: MetricBook,
    sort: str,
    *,
    reverse: bool,
    glyphs: Glyphs,
    width: int,
) -> list[Column]:
    """Return all columns for some rows of a table `width` cells wide, in order; if rows are not grouped by round, there is a
    column for it. `figures`: of the metrics, beginning with the one shown first."""
    rows = [place.row for place in places]
    longest_name = max((_name_cells(place) for place in places), default=3)
    longest_origin = max((len(row.origin) for row in rows), default=0)
    longest_state = max((cells(look(row.run.state.value).text()) for row in rows), default=6)
    metrics = []
    for at, each in enumerate(figures[1:]):
        title = f"{book.short(each.metric)} {glyphs.towards(book.direction(each.metric))}".rstrip()
        wide = each.last.width + (each.change.width + 3 if each.change.width else 0)
        metrics.append(Column(each.metric, title, max(wide, cells(title)), need=14 + at))
    first: list[Column] = []
    if figures:
        top = figures[0]
        first = [
            Column("best", "best", max(top.best.width, 4), need=4),
            Column("last", "last", max(top.last.width, 4), need=1),
            *([Column("change", "vs base", max(top.change.width + 2, 7), need=2)] if top.change.width else []),
            *([Column("seeds", "seeds", top.spread.width + 7, need=5)] if any(row.members for row in rows) else []),
            Column("trend", "trend", TREND, need=8),
        ]
    all_columns = [
        Column("mark", "", 3, need=0),
        *([Column("round", "round", 5, ">", need=3)] if sort != "round" else []),
        Column("state", "state", longest_state if width >= 100 else 6, need=0),
        Column("name", "run", min(longest_name, 30 if width >= 100 else 20), need=0, most=min(60, longest_name)),
        *first,
        Column("took", "took", 6, ">", need=6),
        Column("steps", "steps", 6, ">", need=9),
        *metrics,
        Column("id", "id", 8, need=10),
        Column("from", "from", 14, need=7, most=min(46, longest_origin)),
        *([Column("tries", "tries", 5, ">", need=11)] if any(row.run.attempts > 1 for row in rows) else []),
        Column("reason", "reason", 24, need=13, most=60),
    ]
    mark = glyphs.of("▲", "^") if reverse else glyphs.of("▼", "v")
    return [_sorted(column, mark) if column.key == sort else column for column in all_columns]


def _name_cells(place: Place) -> int:
    return cells(place.row.run.name) + cells(place.stem) + (2 if place.row.members else 0)


def _sorted(column: Column, mark: str) -> Column:
    """Return the column with the sort symbol in its title, widened if necessary."""
    title = f"{column.title}{mark}" if column.width <= cells(column.title) + 1 else f"{column.title} {mark}"
    return column._replace(title=title, width=max(column.width, cells(title)))


@dataclass
class RunPainter:
    """Creates rows. `live`: figures of running runs so far, by run; `live_bases`: those of their bases at the same step;
    `live_steps`: the newest known step of a run; `trends`: sparklines of the first metric."""

    book: MetricBook
    now: float = 0.0
    marked: Mapping[str, Badge] = field(default_factory=dict)
    glyphs: Glyphs = UNICODE
    gone: Mapping[str, str] = field(default_factory=dict)
    """Runs that the store calls running but that have no process."""
    judge: Judge | None = None
    """Decides which config is better; without it no change is called better."""
    figures: Sequence[Figures] = ()
    winners: Mapping[int, Winners] = field(default_factory=dict)
    """By loop."""
    live: Mapping[str, Mapping[str, MetricSummary]] = field(default_factory=dict)
    live_bases: Mapping[str, Mapping[str, MetricSummary]] = field(default_factory=dict)
    live_steps: Mapping[str, int] = field(default_factory=dict)
    trends: Mapping[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        return self.glyphs.ellipsis

    @property
    def nothing(self) -> str:
        return self.glyphs.nothing

    def row(self, place: Place, widths: Mapping[str, int], *, folded: bool = True) -> dict[str, Cell]:
        """Return the cells of a row by column; `widths` has the columns wanted. `folded`: a config's runs are hidden."""
        row, run = place.row, place.row.run
        seen = look(self.gone.get(run.id, run.state.value))
        dim = "dim" if run.state in (RunState.QUEUED, RunState.STOPPED) else ""
        badge = None if row.members else self.marked.get(run.id)
        star, (said, diverged) = self._star(row), row.said(self.book)
        warned = look("warning").mark(self.glyphs)
        sign = (star, "bold slot-finished") if star or not diverged else (warned, "bold slot-failed")
        took = row.took(self.now)
        mark: Piece = (f"{badge.letter:2}", f"bold {badge.look}") if badge else ("  ", "")
        made: dict[str, Cell] = {
            "mark": [mark, sign],
            "round": (str(run.round), "dim"),
            "state": (self._state(row, widths["state"]), seen.variable),
            "name": self._name(place, widths["name"], "bold" if badge or star else dim, folded=folded),
            "id": ("" if row.members else plain(run.id), "dim"),
            "from": (row.origin, ""),
            "steps": self._steps(row),
            "tries": (str(run.attempts) if run.attempts else self.nothing, "slot-warn" if run.attempts > 1 else "dim"),
            "took": (self.nothing if took is None else duration(took), dim),
            "trend": (self.trends.get(run.id, ""), seen.variable if not run.state.ended else "dim"),
            "reason": (said, "slot-failed" if diverged else seen.variable if run.state.ended else "dim"),
        }
        if row.origin and cells(row.origin) > widths.get("from", 99) and run.proposal is not None:
            rule = author(row.proposal) if row.proposal else ""
            made["from"] = (plain(f"#{run.proposal} {rule}"), "")
        if self.figures:
            made |= self._first_metric(place, self.figures[0], widths)
        made |= {each.metric: self._metric(place, each) for each in self.figures[1:] if each.metric in widths}
        return made

    def _star(self, row: RunRow) -> str:
        found = self.winners.get(row.loop.id, NONE)
        return next(filter(None, (found.star(each.run.id, self.glyphs) for each in row.members or (row,))), "")

    def _state(self, row: RunRow, width: int) -> str:
        """Return the state; for a config, how many of its runs have finished."""
        seen = look(self.gone.get(row.run.id, row.run.state.value))
        if not row.members:
            return whole if cells(whole := seen.text(self.glyphs)) <= width else seen.text(self.glyphs, short=True)
        done = sum(member.run.state is RunState.FINISHED for member in row.members)
        return f"{seen.mark(self.glyphs)} {done}/{len(row.members)}"

    def _name(self, place: Place, width: int, names: str, *, folded: bool) -> list[Piece]:
        row, stem = place.row, place.stem
        if cells(stem) > (room := max(2, width - 8)):  # deep in a tree
            stem = self.mark + stem[len(stem) - room + 1 :]
        fold = (self.glyphs.of("▸ ", "+ ") if folded else self.glyphs.of("▾ ", "- ")) if row.members else ""
        return [
            (stem, "rule"),
            (fold, "key"),
            (middle(row.run.name, max(1, width - cells(stem) - cells(fold)), self.mark), names),
        ]

    def _steps(self, row: RunRow) -> Piece:
        step = max(row.run.step, self.live_steps.get(row.run.id, 0))
        if not row.run.state.ended and not step:
            return self.nothing, "dim"
        short = row.run.state.ended and step < row.run.total_steps
        return short_count(step), "slot-warn" if short else ""

    # -------------------------------------------------------------------------------------------------------- metrics

    def _first_metric(self, place: Place, figures: Figures, widths: Mapping[str, int]) -> dict[str, Cell]:
        row, key = place.row, figures.metric
        mine, looks = self._reached(row, key), "slot-running" if not row.run.state.ended else ""
        best = mine.best if mine and row.run.state.ended and self.book.direction(key) else None
        made: dict[str, Cell] = {
            "best": (self._number(figures.best, best, widths.get("best", 0)), "" if best is not None else "dim"),
            "last": (
                self._number(figures.last, mine.last if mine else None, widths.get("last", 0)),
                looks if mine else "dim",
            ),
        }
        if "change" in widths:
            made["change"] = self._change(self._delta(place, key), figures.change, widths["change"])
        if "seeds" in widths and row.members:
            found = spread(row, key)
            count = sum(member.metric(key) is not None for member in row.members)
            about = self.glyphs.of("±", "+-") + figures.spread.text(found) if found is not None else ""
            made["seeds"] = [(f"{about.strip()} " if about else "", ""), (f"({count})", "dim")]
        return made

    def _metric(self, place: Place, figures: Figures) -> list[Piece]:
        row = place.row
        mine = self._reached(row, figures.metric)
        width = figures.last.width
        if mine is None:
            return [(figures.last.text(None, self.nothing), "dim")]
        value = (self._number(figures.last, mine.last, width), "slot-running" if not row.run.state.ended else "")
        if not figures.change.width:
            return [value]
        delta = self._delta(place, figures.metric)
        return [value, (" ", ""), *self._change(delta, figures.change, figures.change.width + 2)]

    def _reached(self, row: RunRow, key: str) -> MetricSummary | None:
        return row.metric(key) or self.live.get(row.run.id, {}).get(key)

    def _number(self, column: NumberColumn, value: float | None, width: int) -> str:
        text = column.text(value, self.nothing)
        return text if cells(text) <= max(width, column.width) else number(value, width)

    def _delta(self, place: Place, key: str) -> Delta | None:
        row = place.row
        if place.member:  # the row of its config shows the change that the verdict is about
            return None
        mine = self._reached(row, key)
        theirs = base_metric(row, key) if row.run.state.ended else self.live_bases.get(row.run.id, {}).get(key)
        if mine is None or theirs is None:
            return None
        ours = next((each.run for each in row.members if each.run.state is RunState.FINISHED), row.run)
        return against(mine, theirs, self.judge.between(ours, row.base, key) if self.judge and row.base else None)

    def _change(self, delta: Delta | None, column: NumberColumn, width: int) -> list[Piece]:
        """Return the change with the symbol of its verdict: ✓ better, ✗ worse, ≈ no difference; none if nothing has been
        shown."""
        if delta is None or delta.change != delta.change:
            return []
        text = column.text(delta.change)
        text = text if cells(text) <= width - 2 else signed(delta.change, width - 2)
        return [(text, delta.look), (f" {verdict_mark(delta.call, self.glyphs)}", delta.look)]


def verdict_mark(call: Call, glyphs: Glyphs) -> str:
    marks = {Call.BETTER: look("finished").mark(glyphs), Call.WORSE: look("failed").mark(glyphs)}
    return marks.get(call, glyphs.about if call is Call.NO_DIFFERENCE else "")
