"""The table's data on each run and round: lineage, state and sort order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from autoloop.metrics import MetricBook, diverged_metrics
from autoloop.model import Change, Loop, MetricSummary, Proposal, ProposalStatus, Round, Run, RunState
from autoloop.store import Snapshot
from autoloop.text.changes import after_text, before_text

from autoloop_tui.console.drawing.paint import plain, shown_value
from autoloop_tui.console.present.proposals.queue import why


class LoopRuns(NamedTuple):
    """The data shown of a loop."""

    loop: Loop
    rounds: Sequence[Round]
    runs: Sequence[Run]
    proposals: Sequence[Proposal]

    @classmethod
    def of(cls, snapshot: Snapshot) -> LoopRuns:
        return cls(snapshot.loop, snapshot.rounds, snapshot.runs, snapshot.proposals)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with its origin, or a config with its replicates. `origin`: the base run, proposal number and rule, as in
    `my_rules #12 plateau`. `members`: for a config, the rows of its runs; `run` then has their means."""

    run: Run
    loop: Loop
    base: Run | None
    proposal: Proposal | None
    origin: str
    members: tuple[RunRow, ...] = ()

    @property
    def key(self) -> str:
        """The key of the row in the table; that of a config is derived from its first run."""
        return f"{CONFIG}{self.run.id}" if self.members else self.run.id

    @property
    def text(self) -> str:
        """The lower-case text that the filter searches."""
        run, base = self.run, self.base.name if self.base else ""
        if self.members:
            return "\n".join([run.name.lower(), *(row.text for row in self.members)])
        rule = author(self.proposal) if self.proposal else ""
        searched = (run.name, run.id, run.state.value, run.reason, base, rule)
        return "\n".join(part for part in searched if part).lower()

    def metric(self, name: str) -> MetricSummary | None:
        return self.run.summary.metrics.get(name) if self.run.summary else None

    def said(self, book: MetricBook) -> tuple[str, bool]:
        """Return which metrics show that a finished run diverged and the reason for its state, as one text, and whether it
        diverged."""
        diverged = self.diverged(book)
        return "; ".join(filter(None, (diverged, why(self.run)))), bool(diverged)

    def diverged(self, book: MetricBook) -> str:
        """Return which metrics show that it diverged although it finished; empty if none does."""
        if self.run.state is not RunState.FINISHED:
            return ""  # otherwise the reason for its state says so
        runs = [member.run for member in self.members] or [self.run]
        bad = sorted({book.short(name) for run in runs if run.summary for name in diverged_metrics(run.summary, book)})
        return f"{', '.join(map(plain, bad))} not finite" if bad else ""

    def took(self, now: float) -> float | None:
        """Return the seconds from its start to its end, or until now."""
        start = self.run.started_at
        return None if start is None else max(0.0, (self.run.ended_at or now) - start)


CONFIG = "config "
"""Prefix of the key of a config's row."""


class RoundFacts(NamedTuple):
    """The number of a round's runs by result, and of the decisions on the proposals made from it."""

    round: Round
    runs: int
    finished: int
    failed: int
    stopped: int
    approved: int
    rejected: int


class RunRows:
    """All known runs. `update` keeps the rows of unchanged runs, so it is cheap if little has changed."""

    def __init__(self) -> None:
        self.rows: dict[str, RunRow] = {}
        """By run id, ordered by loop (newest first), round (newest first) and position."""
        self.loops: dict[int, LoopRuns] = {}
        self.relaunched: dict[str, str] = {}
        """Runs relaunched by live rules: the successor's id, by the id of the run that was stopped."""
        self._groups: dict[tuple[int, int], list[Run]] = {}
        self._decided: dict[tuple[int, int], tuple[int, int]] = {}

    def update(self, loops: Iterable[LoopRuns]) -> None:
        """Take over the newest state of all loops shown; everything else is discarded."""
        old, self.rows, self._groups, self._decided, self.relaunched = self.rows, {}, {}, {}, {}
        self.loops = {each.loop.id: each for each in loops}
        for each in self.loops.values():
            by_id = {run.id: run for run in each.runs}
            proposals = {proposal.id: proposal for proposal in each.proposals}
            self.relaunched |= {made.base_run: made.run for made in each.proposals if made.live and made.run is not None}
            decided = Counter((made.round, made.status) for made in each.proposals if not made.live)
            for number in {number for number, _ in decided}:
                approved = decided[number, ProposalStatus.APPROVED] + decided[number, ProposalStatus.LAUNCHED]
                self._decided[each.loop.id, number] = approved, decided[number, ProposalStatus.REJECTED]
            for run in sorted(each.runs, key=lambda run: -run.round):
                self._groups.setdefault((run.loop, run.round), []).append(run)
                base = by_id.get(run.base_run) if run.base_run else None
                proposal = proposals.get(run.proposal) if run.proposal is not None else None
                row = old.get(run.id)
                # The store returns the same object for an unchanged row.
                if row is None or row.run is not run or row.base is not base or row.proposal is not proposal:
                    row = _row(run, each.loop, base, proposal)
                self.rows[run.id] = row

    def metric_names(self) -> set[str]:
        return {name for row in self.rows.values() if row.run.summary for name in row.run.summary.metrics}

    def round_facts(self, loop: int, number_: int) -> RoundFacts | None:
        """Return the facts of a round; None if it is unknown."""
        known = self.loops.get(loop)
        round_ = next((each for each in known.rounds if each.number == number_), None) if known else None
        if round_ is None:
            return None
        runs = self._groups.get((loop, number_), [])
        return RoundFacts(
            round_,
            len(runs),
            sum(run.state is RunState.FINISHED for run in runs),
            sum(run.state in (RunState.FAILED, RunState.LOST) for run in runs),
            sum(run.state is RunState.STOPPED for run in runs),
            *self._decided.get((loop, number_), (0, 0)),
        )

    def lineage(self, run_id: str) -> list[RunRow]:
        """Return the lineage from the oldest known ancestor to the run itself."""
        chain: dict[str, RunRow] = {}
        row = self.rows.get(run_id)
        while row is not None and row.run.id not in chain:
            chain[row.run.id] = row
            row = self.rows.get(row.run.base_run or "")
        return list(chain.values())[::-1]


def best_of(runs: Iterable[Run], metric: str, book: MetricBook) -> tuple[float, Run] | None:
    """Return the best value among `runs` and its run; None if there is none or the better direction is unknown."""
    good = book.direction(metric)
    have = [(run.summary.metrics[metric].best, run) for run in runs if run.summary and metric in run.summary.metrics]
    found = [(best, run) for best, run in have if best is not None]
    if not found or good is None:
        return None
    return (max if good == "high" else min)(found, key=lambda each: each[0])


def ordered(
    rows: Iterable[RunRow], column: str, *, reverse: bool, book: MetricBook, now: float, metric: str = ""
) -> list[RunRow]:
    """Sort rows by a column: metrics best first (smallest if no direction is known), times and steps largest first, texts
    from A; `reverse` reverses that.

    Runs without a value always come last. `round` is the order of `RunRows.rows`; `metric` is that of the columns `best`,
    `last` and `change`.
    """
    rows = list(rows)
    if column == "round":
        return rows[::-1] if reverse else rows
    values: list[tuple[Any, RunRow]]
    if column == "took":
        largest_first, values = True, [(row.took(now), row) for row in rows]
    elif column in _KEYS:
        key, largest_first = _KEYS[column]
        values = [(key(row), row) for row in rows]
    elif column in _OF_METRIC:
        largest_first = book.direction(metric) == "high"
        values = [(_OF_METRIC[column](row, metric), row) for row in rows]
    else:
        largest_first = book.direction(column) == "high"
        values = [(_last(row, column), row) for row in rows]
    known = [each for each in values if each[0] not in (None, "")]
    known.sort(key=lambda each: each[0], reverse=largest_first != reverse)
    return [row for _, row in known] + [row for value, row in values if value in (None, "")]


_STATES = {state: place for place, state in enumerate(("running", "stopping", "queued", "failed", "lost", "stopped"))}
_KEYS: Mapping[str, tuple[Callable[[RunRow], Any], bool]] = {
    "state": (lambda row: _STATES.get(row.run.state.value, 9), False),
    "name": (lambda row: row.run.name.lower(), False),
    "id": (lambda row: row.run.id, False),
    "from": (lambda row: row.origin.lower(), False),
    "steps": (lambda row: row.run.step, True),
    "tries": (lambda row: row.run.attempts, True),
    "reason": (lambda row: (row.run.reason or "").lower(), False),
}


def _last(row: RunRow, metric: str) -> float | None:
    found = row.metric(metric)
    return found.last if found else None


def _best(row: RunRow, metric: str) -> float | None:
    found = row.metric(metric)
    return found.best if found else None


def _change(row: RunRow, metric: str) -> float | None:
    mine, theirs = row.metric(metric), base_metric(row, metric)
    return mine.last - theirs.last if mine and theirs else None


_OF_METRIC: Mapping[str, Callable[[RunRow, str], float | None]] = {"last": _last, "best": _best, "change": _change}


def base_metric(row: RunRow, metric: str) -> MetricSummary | None:
    """Return the final figures of a run's base."""
    return row.base.summary.metrics.get(metric) if row.base and row.base.summary else None


def author(proposal: Proposal) -> str:
    """Return who made a proposal, in short: the rule's or author's name."""
    return proposal.author.name or str(proposal.author)


def changes_in_short(changes: Sequence[Change], most: int = 3) -> str:
    """Return `reg 0.1→0.16, weight_label 0.01→0.005 ×4, +2`: the last key of each path, equal changes merged."""
    alike = Counter(
        f"{change.path.rpartition('.')[2]} {before_text(change, short_value)}→{after_text(change, short_value)}"
        for change in changes
    )
    shown = [text + (f" ×{times}" if times > 1 else "") for text, times in list(alike.items())[:most]]
    left = len(changes) - sum(list(alike.values())[:most])
    return plain(", ".join(shown + ([f"+{left}"] if left else [])))


def short_value(value: object, most: int = 24) -> str:
    """Return a config value in at most `most` characters."""
    return shown_value(value, most)


def _row(run: Run, loop: Loop, base: Run | None, proposal: Proposal | None) -> RunRow:
    rule = author(proposal) if proposal else ""
    number = f"#{run.proposal}" if run.proposal is not None else ""
    origin = " ".join(filter(None, (base.name if base else run.base_run, number, rule)))
    return RunRow(run, loop, base, proposal, plain(origin))
