"""The contents of the finish page: the result of the loop, failed runs, and where the reports are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from autoloop.model import Change, LoopEndKind, LoopState, Outcome, RunState
from autoloop.reports import result_lines
from autoloop.store import Store
from autoloop.text.plural import plural
from autoloop.text.values import duration

from autoloop_tui.console.drawing.cutting import wrapped
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, look, plain
from autoloop_tui.console.drawing.pieces import Piece, crop, wide
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.loop_state import name, short_name, state
from autoloop_tui.console.present.proposals.queue import why
from autoloop_tui.console.present.rounds.rows import changes_in_short

MOST_FAILURES = 5
"""Number of failed runs listed; Rounds shows all of them."""

BROKEN = (RunState.FAILED, RunState.LOST)


def changes_to_first(view: View, found: Outcome) -> list[Change]:
    """Return the changes from the baseline to the best config; empty if unknown."""
    first = view.run(found.first.run)
    return found.changes or (first.changes if first and first.base_run == found.baseline.run else [])


def page(
    store: Store, view: View, width: int, *, short: bool, key: Callable[[str], str], glyphs: Glyphs
) -> list[list[Piece]]:
    """Return rows of at most `width` cells. `short`: include the changes from the baseline in one row; the result of an
    ended loop has them anyway. `key` returns the key of an action."""
    loop, runs, dot = view.loop, view.snapshot.runs, glyphs.dot
    failed = [run for run in runs if run.state in BROKEN]
    active = loop.state is LoopState.ACTIVE
    seen = look(loop.state.value)
    stands = state(view, key=key, glyphs=glyphs)[0] if active else (seen.text(glyphs), seen.variable)
    took = (loop.ended_at or time.time()) - loop.created_at
    head: list[Piece] = [
        (stands[0], f"bold {stands[1]}"),
        (f"{dot}{plural(len(view.snapshot.rounds), 'round')}{dot}{plural(len(runs), 'run')}", ""),
        (f"{dot}{len(failed)} failed", "slot-failed" if failed else "dim"),
        (f"{dot}{duration(took)}", "dim"),
    ]
    room = width - wide(head) - 2
    called = next((each for each in (name(view), short_name(view)) if cells(each) <= room), "")
    rows = [crop([(f" {called} " if called else " ", "bold"), *head], 0, width, glyphs.ellipsis), []]
    if active:
        rows.append([(" The loop is still running; this is the result so far.", "dim")])
    elif loop.end is not None and loop.end.kind is not LoopEndKind.ROUNDS_DONE:
        rows += [[(f" {line}", "dim")] for line in wrapped(f"ended: {plain(loop.end.text)}", width - 2)]
    found = view.outcome
    star = glyphs.of("★ ", "* ") if found is not None and found.better else ""
    lines = result_lines(store, msgspec.structs.replace(loop, outcome=found), view.metrics)
    for place, text in enumerate(lines):
        names = ("bold slot-finished" if star else "bold") if place == 0 else ""
        for at, line in enumerate(wrapped((star if place == 0 else "") + text, width - 4)):
            rows.append([(f" {'  ' if at else ''}{line}", names)])
        if place == 0 and active and found is not None and short and (changes := changes_to_first(view, found)):
            edits = changes_in_short(changes).replace("→", glyphs.arrow)
            rows.append([(clip(f"   {edits}", width, glyphs.ellipsis), "diff-after")])
    if not lines:
        rows.append([(" nothing to compare yet: no finished run has a key metric", "dim")])
    if failed:
        rows += [[], [(f" {len(failed)} failed", "bold slot-failed")]]
        for run in failed[:MOST_FAILURES]:
            said = f"{plain(run.name)} ({run.id}): {why(run) or run.state.value}"
            rows += [[(f"   {'  ' if at else ''}{line}", "")] for at, line in enumerate(wrapped(said, width - 6)[:2])]
        if len(failed) > MOST_FAILURES:
            rows.append([(f"   and {len(failed) - MOST_FAILURES} more: {key('app.rounds')}", "dim")])
    if loop.spec.markdown_out and not active:
        rows += [[], [(f" report: {plain(_within(loop.spec.markdown_out, loop.spec.cwd))}", "")]]
        rows.append([(" `autoloop-tui report --html FILE` writes the HTML report", "dim")])
    return rows


def _within(path: str, folder: str | None) -> str:
    """Return the path relative to the project's folder if it is inside."""
    place = Path(path)
    return str(place.relative_to(folder)) if folder and place.is_relative_to(folder) else path
