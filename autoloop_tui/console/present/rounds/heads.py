"""The head of a round above its runs in the table."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.metrics import MetricBook, config_name
from autoloop.model import LoopState, Outcome, RoundState
from autoloop.text.values import duration

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, look, number, plain, signed
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.present.rounds.rows import LoopRuns, RoundFacts, RunRows
from autoloop_tui.console.present.rounds.winners import Winner


def round_head(
    facts: RoundFacts,
    loop: LoopRuns,
    first: Sequence[list[Piece]],
    width: int,
    *,
    now: float,
    name_loop: bool,
    glyphs: Glyphs,
) -> list[Piece]:
    """Return the head: the number of runs, the `first` config (the first wording that fits), decisions and duration."""
    rule, dot = glyphs.rule, glyphs.dot
    round_ = facts.round
    parts: list[tuple[int, list[Piece]]] = []  # the largest number is dropped first
    if name_loop:
        given = loop.loop.spec.name
        parts.append((2, [(plain(f"{given} ({loop.loop.name})" if given else loop.loop.name), "bold")]))
    parts.append((0, [(f"round {round_.number}", "bold")]))
    if state := _state(loop, round_.state):
        name, word = state
        seen = look(name)
        parts.append((3, [(f"{seen.mark(glyphs)} {word}", seen.variable)]))
    counts: list[Piece] = [(f"{facts.finished}/{facts.runs} ok", "slot-finished" if facts.finished else "dim")]
    if facts.failed:
        counts.append((f" {facts.failed} failed", "slot-failed"))
    if facts.stopped:
        counts.append((f" {facts.stopped} stopped", "slot-stopped"))
    parts.append((0, counts))
    room = width - sum(length(pieces) + len(dot) for _, pieces in parts) - len(dot) - 4
    if fitting := next((pieces for pieces in first if length(pieces) <= room), None):
        parts.append((1, fitting))
    if facts.approved or facts.rejected:
        parts.append((5, [(f"edits {facts.approved} approved {facts.rejected} rejected", "dim")]))
    parts.append((4, [(duration((round_.ended_at or now) - round_.started_at), "dim")]))
    while sum(length(pieces) + len(dot) for _, pieces in parts) + 4 > width and len(parts) > 2:
        parts.remove(max(parts, key=lambda part: part[0]))
    row: list[Piece] = [(rule * 2 + " ", "rule")]
    for place, (_, pieces) in enumerate(parts):
        row += ([(dot, "rule")] if place else []) + pieces
    row = crop([*row, (" ", "")], 0, width, glyphs.ellipsis)
    return [*row, (rule * max(0, width - length(row)), "rule")]


def _state(loop: LoopRuns, state: RoundState) -> tuple[str, str] | None:
    """Return the look and word of an unfinished round; nothing runs in a stopped loop."""
    if state is RoundState.DONE:
        return None
    if loop.loop.state is not LoopState.ACTIVE:
        return "stopped", "stopped"
    return ("running", "running") if state is RoundState.RUNNING else ("pending", "to decide")


def first_pieces(
    first: Winner | None, star: str, outcome: Outcome | None, known: RunRows, book: MetricBook
) -> list[list[Piece]]:
    """Return `lowest tail mean eval_l1 0.3319 -0.04 by NAME, not shown better`, or with its `star` if it was shown to be
    better; followed by shorter wordings."""
    row = known.rows.get(first.run) if first else None
    if first is None or outcome is None or row is None:
        return []
    statistic: Piece = (f"{outcome.statistic} ", "dim")
    extreme: Piece = (f"{'highest' if outcome.highest else 'lowest'} ", "dim")
    metric: Piece = (f"{book.short(outcome.metric)} ", "dim")
    sign: list[Piece] = [(f"{star} ", "bold slot-finished")] if star else []
    value: list[Piece] = [(number(first.value), "bold")]
    if first.change:
        value.append((f" {signed(first.change, 8)}", "slot-finished" if first.shown else "dim"))
    by: Piece = (f" by {plain(config_name(row.run) if first.runs > 1 else row.run.name)}", "dim")
    said = ", the baseline" if first.change is None else "" if first.shown else ", not shown better"
    end: list[Piece] = [(said, "dim")] if said else []
    return [
        [*sign, extreme, statistic, metric, *value, by, *end],
        [*sign, statistic, *value, by, *end],
        [*sign, *value, by, *end],
        [*sign, *value, *end],
    ]


def length(pieces: list[Piece]) -> int:
    return sum(cells(text) for text, _ in pieces)
