"""The cells of the table of runs: its columns, a run's row, a round's head, and a run's lineage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from autoloop.metrics import MetricBook
from autoloop.model import MetricSummary, RoundState, RunState
from autoloop.text.values import duration
from autoloop.verdicts import Judge

from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.columns import Cell, Column
from autoloop_tui.console.drawing.glyphs import UNICODE, Glyphs
from autoloop_tui.console.drawing.paint import cells, fit, look, number, plain, short_count, signed
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.present.metric_delta import against
from autoloop_tui.console.present.proposals.detail import wrapped
from autoloop_tui.console.present.proposals.queue import why
from autoloop_tui.console.present.rounds.rows import LoopRuns, RoundFacts, RunRow, author, changes_in_short, middle

VALUE, CHANGE = 7, 7
"""Cells of a metric and of its change against the base."""

FIXED = ("state", "name", "from", "steps", "id", "tries", "took", "reason")
"""Columns that are no metrics; each has a fixed place in the order of giving way."""


def columns(
    book: MetricBook,
    rows: Sequence[RunRow],
    sort: str,
    *,
    reverse: bool,
    first_metric: int,
    glyphs: Glyphs,
    width: int,
) -> list[Column]:
    """All columns for `rows` in a table `width` wide; where they are not grouped by round each says which it is of."""
    longest_name = max((len(row.run.name) for row in rows), default=0)
    longest_origin = max((len(row.origin) for row in rows), default=0)
    keys = book.key_metrics
    shown = [*keys[first_metric:], *keys[:first_metric]]
    metrics = []
    for place, key in enumerate(shown):
        need = (1, 7, 10, 12, 13, 14)[min(place, 5)]
        title = f"{book.short(key)} {glyphs.towards(book.direction(key))}".rstrip()
        metrics.append(Column(key, title, VALUE + 1 + CHANGE, need=need))
    all_columns = [
        Column("mark", "", 2, need=0),
        *([Column("round", "round", 5, ">", need=2)] if sort != "round" else []),
        Column("state", "state", 10 if width >= 150 else 6, need=0),
        Column("name", "run", 16, need=0, most=min(34, longest_name)),
        Column("id", "id", 8, need=6 if width >= 100 else 11),
        Column("from", "from", 14, need=4, most=min(46, longest_origin)),
        Column("steps", "steps", 6, ">", need=3),
        *metrics,
        Column("tries", "tries", 5, ">", need=9),
        Column("took", "took", 6, ">", need=5),
        Column("reason", "reason", 14, need=8, most=60),
    ]
    mark = glyphs.of("▲", "^") if reverse else glyphs.of("▼", "v")
    return [column._replace(title=f"{column.title} {mark}") if column.key == sort else column for column in all_columns]


@dataclass
class RunPainter:
    """Makes rows. `live`: what running runs have reached so far, by run, and `live_bases` where their bases stood at the
    same step; `steps`: the newest step known of a run."""

    book: MetricBook
    now: float = 0.0
    marked: Mapping[str, Badge] = field(default_factory=dict)
    glyphs: Glyphs = UNICODE
    gone: Collection[str] = ()
    """Runs that the store calls running and of which no process is there."""
    judge: Judge | None = None
    """Says which config is better; without it no change is called so."""
    live: Mapping[str, Mapping[str, MetricSummary]] = field(default_factory=dict)
    live_bases: Mapping[str, Mapping[str, MetricSummary]] = field(default_factory=dict)
    live_steps: Mapping[str, int] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        return self.glyphs.ellipsis

    @property
    def nothing(self) -> str:
        return self.glyphs.nothing

    def row(self, row: RunRow, widths: Mapping[str, int]) -> dict[str, Cell]:
        """The cells of a run, by column; `widths` says which are wanted."""
        run = row.run
        seen = look("gone" if run.id in self.gone else run.state.value)
        dim = "dim" if run.state in (RunState.QUEUED, RunState.STOPPED) else ""
        badge = self.marked.get(run.id)
        took = row.took(self.now)
        made: dict[str, Cell] = {
            "mark": (badge.letter, f"bold {badge.look}") if badge else ("", ""),
            "round": (str(run.round), "dim"),
            "state": (seen.text(self.glyphs, short=widths["state"] < 10), seen.variable),
            "name": (middle(run.name, widths["name"], self.mark), "bold" if badge else dim),
            "id": (plain(run.id), "dim"),
            "from": (row.origin, ""),
            "steps": self._steps(row),
            "tries": (str(run.attempts) if run.attempts else self.nothing, "slot-warn" if run.attempts > 1 else "dim"),
            "took": (self.nothing if took is None else duration(took), dim),
            "reason": (why(run), seen.variable if run.state.ended else "dim"),
        }
        if row.origin and cells(row.origin) > widths.get("from", 99) and run.proposal is not None:
            rule = author(row.proposal) if row.proposal else ""
            made["from"] = (plain(f"#{run.proposal} {rule}"), "")
        made |= {key: self._metric(row, key) for key in widths if key not in made}
        return made

    def _steps(self, row: RunRow) -> Piece:
        step = max(row.run.step, self.live_steps.get(row.run.id, 0))
        if not row.run.state.ended and not step:
            return self.nothing, "dim"
        short = row.run.state.ended and step < row.run.total_steps
        return short_count(step), "slot-warn" if short else ""

    def _metric(self, row: RunRow, key: str) -> list[Piece]:
        mine = row.metric(key) or self.live.get(row.run.id, {}).get(key)
        if mine is None:
            return [(f"{self.nothing:>{VALUE}}", "dim")]
        value = (fit(number(mine.last, VALUE), VALUE, ">"), "slot-running" if not row.run.state.ended else "")
        if not row.run.state.ended:
            theirs = self.live_bases.get(row.run.id, {}).get(key)
        else:
            theirs = row.base.summary.metrics.get(key) if row.base and row.base.summary else None
        if theirs is None:
            return [value]
        delta = against(mine, theirs, self.judge.between(row.run, row.base, key) if self.judge and row.base else None)
        text, names = delta.piece(CHANGE, glyphs=self.glyphs)
        return [value, (" " + fit(text, CHANGE), names)]

    # ---------------------------------------------------------------------------------------------------------- heads

    def round_head(self, facts: RoundFacts, loop: LoopRuns, width: int, *, name_loop: bool) -> list[Piece]:
        """One line on a round: how many runs, the best of them, the decisions made from it, how long it took."""
        rule, dot = self.glyphs.rule, self.glyphs.dot
        round_ = facts.round
        parts: list[tuple[int, list[Piece]]] = []  # The largest number gives way first.
        if name_loop:
            given = loop.loop.spec.name
            parts.append((2, [(plain(f"{given} ({loop.loop.name})" if given else loop.loop.name), "bold")]))
        parts.append((0, [(f"round {round_.number}", "bold")]))
        state = {RoundState.RUNNING: "running", RoundState.DECIDING: "pending"}.get(round_.state)
        if state:
            seen = look(state)
            word = "running" if state == "running" else "to decide"
            parts.append((3, [(f"{seen.mark(self.glyphs)} {word}", seen.variable)]))
        counts: list[Piece] = [(f"{facts.finished}/{facts.runs} ok", "slot-finished" if facts.finished else "dim")]
        if facts.failed:
            counts.append((f" {facts.failed} failed", "slot-failed"))
        if facts.stopped:
            counts.append((f" {facts.stopped} stopped", "slot-stopped"))
        parts.append((0, counts))
        if facts.metric and facts.best is not None and facts.best_run:
            # Of all steps; the columns below have the last value.
            extreme = "highest" if self.book.direction(facts.metric) == "high" else "lowest"
            parts.append((1, [(f"{extreme} {self.book.short(facts.metric)} ", "dim"), (number(facts.best), "bold")]))
            if facts.change is not None:
                text = "=" if facts.change == 0 else signed(facts.change)
                parts[-1][1].append((f" {text}", "dim"))
            parts.append((6, [(f"by {plain(facts.best_run.name)}", "dim")]))
        if facts.approved or facts.rejected:
            parts.append((4, [(f"edits {facts.approved} approved {facts.rejected} rejected", "dim")]))
        parts.append((5, [(duration((round_.ended_at or self.now) - round_.started_at), "dim")]))
        while sum(length(pieces) + len(dot) for _, pieces in parts) + 4 > width and len(parts) > 2:
            parts.remove(max(parts, key=lambda part: part[0]))
        row: list[Piece] = [(rule * 2 + " ", "rule")]
        for place, (_, pieces) in enumerate(parts):
            row += ([(dot, "rule")] if place else []) + pieces
        row = crop([*row, (" ", "")], 0, width, self.mark)
        return [*row, (rule * max(0, width - length(row)), "rule")]

    def detail(
        self, chain: Sequence[RunRow], width: int, height: int, *, name_loop: bool, successor: str | None = None
    ) -> list[list[Piece]]:
        """The last run of `chain` in words, below it the `successor` that a live rule made of it, and where it came from."""
        row = chain[-1]
        seen = look(row.run.state.value)
        first: list[Piece] = [
            (f" {plain(row.run.name)}", "bold"),
            (f" ({plain(row.run.id)}) ", "dim"),
            (seen.text(self.glyphs), seen.variable),
        ]
        of_loop: list[Piece] = [(f"  {row.loop.name}", "dim")] if name_loop else []
        said = why(row.run)
        if not said or length(first) + cells(said) + 2 + length(of_loop) <= width:
            rows = [[*first, (f": {said}" if said else "", seen.variable), *of_loop]]
        else:
            rows = [[*first, *of_loop], *([(f"   {each}", seen.variable)] for each in wrapped(said, width - 4)[:2])]
        if successor is not None:
            rows.append([(" relaunched by a live rule as ", "dim"), (plain(successor), "bold")])
        if len(chain) > 1:
            rows += self.lineage(chain, width, max(1, height - len(rows)))
        elif len(rows) == 1:
            rows.append([(" baseline, unchanged", "dim")])
        return [crop(each, 0, width, self.mark) for each in rows[: max(1, height)]]

    def lineage(self, chain: Sequence[RunRow], width: int, height: int) -> list[list[Piece]]:
        """`root ← … ← this` over at most `height` rows: each run with the rule and the edits that made it.

        Where that is too long the edits are shortened, and then the runs after the root left out.
        """
        links: list[list[Piece]] = []
        for most in (4, 2, 1):
            links = [self._link(row, most, last=row is chain[-1]) for row in chain]
            if len(rows := self._wrapped(links, width)) <= height:
                return rows
        dots = self.glyphs.of("…", "...")
        for left_out in range(1, len(chain) - 1):
            shorter = [links[0], [(f"{dots} {left_out} more", "dim")], *links[1 + left_out :]]
            if len(rows := self._wrapped(shorter, width)) <= height:
                return rows
        return self._wrapped([links[0], *links[-1:]], width)[:height]

    def _link(self, row: RunRow, most: int, *, last: bool) -> list[Piece]:
        link: list[Piece] = [(plain(row.run.name), "bold" if last else "")]
        if row.run.changes or row.proposal:
            rule = f"{author(row.proposal)}: " if row.proposal else ""
            edits = changes_in_short(row.run.changes, most)
            link.append((f" ({plain(rule)}{edits.replace('→', self.glyphs.arrow)})", "dim"))
        return link

    def _wrapped(self, links: Sequence[list[Piece]], width: int) -> list[list[Piece]]:
        """The links with arrows between them in rows of `width`; a link that is longer than a row is clipped."""
        rows: list[list[Piece]] = [[(" ", "")]]
        for place, link in enumerate(links):
            pieces = ([(self.glyphs.of(" ← ", " <- "), "key")] if place else []) + link
            if place and length(rows[-1]) + length(pieces) > width:
                rows.append([])
            rows[-1] += pieces
        return [crop(row, 0, width, self.mark) for row in rows]


def length(pieces: Sequence[Piece]) -> int:
    return sum(cells(text) for text, _ in pieces)
