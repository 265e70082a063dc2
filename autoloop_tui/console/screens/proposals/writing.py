"""From a key to a written proposal: dialogs and the person's editor, judged by the engine's code, then one command."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoloop.model import Proposal, Run, UserError
from textual.app import SuspendNotSupported

from autoloop_tui import client
from autoloop_tui.console.drawing.paint import number, plain
from autoloop_tui.console.loop_view import TROUBLE, View
from autoloop_tui.console.present.proposals.edits import (
    EditJudge,
    Outcome,
    edit_lines,
    editor_command,
    edits_of_file,
    file_for_editor,
)
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.pick_run import PickRun
from autoloop_tui.console.screens.proposals.editor import EditValues, Judge, WriteEdits

if TYPE_CHECKING:
    from autoloop_tui.console.app import ConsoleApp


def propose_variant(app: ConsoleApp, base: Run, *, edits: Sequence[str] = (), reason: str = "") -> None:
    """Let a person write a new proposal from `base` and send it."""
    judge = _judge(app, base, None)

    def written(answer: tuple[list[str], str] | None) -> None:
        if answer is not None:
            app.ask("propose", run=base.id, edits=answer[0], reason=answer[1])

    if judge:
        what = f"A new proposal from {plain(base.name)} ({base.id})"
        app.push_screen(WriteEdits(what, judge, edits=edits, reason=reason), written)


def pick_base(app: ConsoleApp, view: View, start: str | None, then: Callable[[Run], None]) -> None:
    """Let a person choose a run of the loop."""
    key = view.key_metric

    def result(run: Run) -> str:
        summary = run.summary.metrics.get(key) if run.summary else None
        return f"{view.metrics.short(key)} {number(summary.last)}" if summary else ""

    def chosen(run_id: str | None) -> None:
        run = view.run(run_id)
        if run is not None:
            then(run)

    app.push_screen(PickRun("From which run?", view.snapshot.runs, start, result), chosen)


def edit_values(app: ConsoleApp, proposal: Proposal, base: Run) -> None:
    """Let a person type over the values that a proposal changes; one without any resolved change, over its edits."""
    judge = _judge(app, base, proposal)
    if judge is None:
        return
    what = f"Edit proposal {proposal.id}, from {plain(base.name)}"
    if proposal.changes:
        app.push_screen(EditValues(proposal, what, judge), lambda edits: _send_edit(app, proposal, edits))
    else:
        dialog = WriteEdits(what, judge, edits=proposal.edits, reason=None)
        app.push_screen(dialog, lambda answer: _send_edit(app, proposal, answer and answer[0]))


def edit_in_editor(app: ConsoleApp, proposal: Proposal, base: Run, text: str | None = None) -> None:
    """Let a person write all edits of a proposal in their editor. What cannot be used can be opened again."""
    judge = _judge(app, base, proposal)
    if judge is None:
        return
    given = file_for_editor(proposal, f"{base.name} ({base.id})")
    try:
        written = _in_editor(app, given if text is None else text, f"proposal-{proposal.id}-")
    except UserError as error:
        app.told(str(error), ok=False)
        return
    edits = edits_of_file(written)
    if not edits or edits == edit_lines(proposal):
        app.told(f"proposal {proposal.id} is left as it was")
        return
    problem = judge(edits).problem
    if problem is None:
        _send_edit(app, proposal, edits)
        return

    def again(agreed: bool | None) -> None:
        if agreed:
            edit_in_editor(app, proposal, base, written)
        else:
            app.told(f"proposal {proposal.id} is left as it was")

    app.push_screen(Confirm("These edits cannot be used", plain(problem), "Open again"), again)


def _in_editor(app: ConsoleApp, text: str, prefix: str) -> str:
    """What the person's editor leaves of `text`. UserError if no editor can be run."""
    command = editor_command(os.environ)
    with tempfile.TemporaryDirectory(prefix="autoloop-") as folder:
        path = Path(folder) / f"{prefix}edits.txt"
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            with app.suspend():
                code = subprocess.run([*command, str(path)], check=False).returncode
        except SuspendNotSupported:
            raise UserError("An editor cannot be opened from this terminal; edit in place with e.") from None
        except OSError as error:
            raise UserError(f"{command[0]} cannot be run: {error.strerror}.") from None
        if code != 0:
            raise UserError(f"{command[0]} ended with {code}: nothing was sent.")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError("What the editor left cannot be read as UTF-8 text: nothing was sent.") from None


def _send_edit(app: ConsoleApp, proposal: Proposal, edits: list[str] | None) -> None:
    if edits is None or edits == edit_lines(proposal):
        app.told(f"proposal {proposal.id} is left as it was")
    else:
        app.ask("edit", proposal=proposal.id, edits=edits)


def _judge(app: ConsoleApp, base: Run, instead_of: Proposal | None) -> Judge | None:
    """Says what edits of `base` would give; None, after saying so, where that cannot be known."""
    view = app.feed.view
    round_ = view.snapshot.round if view else None
    if view is None or view.engine is None or round_ is None:
        app.told("no engine drives this loop: press R to restart it", ok=False)
        return None
    try:
        judge = EditJudge(app.feed.store, view.loop, view.metrics, client.actor())
        judge.config(base)
    except TROUBLE as error:
        app.told(str(error), ok=False)
        return None

    def outcome(edits: Sequence[str]) -> Outcome:
        try:
            return judge.outcome(base, edits, round_.number, instead_of)
        except TROUBLE as error:  # the store is asked for duplicates
            return Outcome(str(error))

    return outcome
