"""From a key to a written proposal: dialogs and the person's editor, judged by the engine's code, then one command."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from autoloop.configs import suffix_of
from autoloop.model import Proposal, Run, UserError
from autoloop.protocol import Edit, Propose, Variant
from autoloop.variants.check import CheckedVariant
from textual.app import SuspendNotSupported

from autoloop_tui.console.drawing.paint import number, plain
from autoloop_tui.console.loop_view import TROUBLE, View
from autoloop_tui.console.present.proposals.edits import (
    edit_check,
    edit_lines,
    editor_command,
    edits_of_file,
    file_for_editor,
)
from autoloop_tui.console.screens.base import ConsoleHost
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.pick_run import PickRun
from autoloop_tui.console.screens.proposals.editor import EditValues, Judge, WriteEdits


def propose_variant(host: ConsoleHost, base: Run, *, edits: Sequence[str] = (), reason: str = "") -> None:
    """Let a person write a new proposal from `base` and send it."""
    judge = _judge(host, base, None)

    def written(answer: tuple[list[str], str] | None) -> None:
        if answer is not None:
            host.ask(Propose(run=base.id, variants=[Variant(edits=answer[0], reason=answer[1])]))

    if judge:
        what = f"A new proposal from {plain(base.name)} ({base.id})"
        host.push_screen(WriteEdits(what, judge, suffix_of(base.config_path), edits=edits, reason=reason), written)


def pick_base(host: ConsoleHost, view: View, start: str | None, then: Callable[[Run], None]) -> None:
    """Let a person choose a run of the loop."""
    key = view.key_metric

    def result(run: Run) -> str:
        summary = run.summary.metrics.get(key) if run.summary else None
        return f"{view.metrics.short(key)} {number(summary.last)}" if summary else ""

    def chosen(run_id: str | None) -> None:
        run = view.run(run_id)
        if run is not None:
            then(run)

    host.push_screen(PickRun("From which run?", view.snapshot.runs, start, result), chosen)


def edit_values(host: ConsoleHost, proposal: Proposal, base: Run) -> None:
    """Let a person type over the values that a proposal changes; one without any resolved change, over its edits."""
    judge = _judge(host, base, proposal)
    if judge is None:
        return
    what, suffix = f"Edit proposal {proposal.id}, from {plain(base.name)}", suffix_of(base.config_path)
    if proposal.changes:
        host.push_screen(EditValues(proposal, what, judge, suffix), lambda edits: _send_edit(host, proposal, edits))
    else:
        dialog = WriteEdits(what, judge, suffix, edits=proposal.edits, reason=None)
        host.push_screen(dialog, lambda answer: _send_edit(host, proposal, answer and answer[0]))


def edit_in_editor(host: ConsoleHost, proposal: Proposal, base: Run, text: str | None = None) -> None:
    """Let a person write all edits of a proposal in their editor. What cannot be used can be opened again."""
    judge = _judge(host, base, proposal)
    if judge is None:
        return
    suffix = suffix_of(base.config_path)
    given = file_for_editor(proposal, f"{base.name} ({base.id})", suffix)
    try:
        written = _in_editor(host, given if text is None else text, f"proposal-{proposal.id}-")
    except UserError as error:
        host.show_message(str(error), ok=False)
        return
    edits = edits_of_file(written, suffix)
    if not edits or edits == edit_lines(proposal):
        host.show_message(f"proposal {proposal.id} is unchanged")
        return
    problem = judge(edits).blocked
    if problem is None:
        _send_edit(host, proposal, edits)
        return

    def again(agreed: bool | None) -> None:
        if agreed:
            edit_in_editor(host, proposal, base, written)
        else:
            host.show_message(f"proposal {proposal.id} is unchanged")

    host.push_screen(Confirm("These edits cannot be used", plain(problem), "Open again"), again)


def _in_editor(host: ConsoleHost, text: str, prefix: str) -> str:
    """What the person's editor leaves of `text`. UserError if no editor can be run."""
    command = editor_command(os.environ)
    with tempfile.TemporaryDirectory(prefix="autoloop-") as folder:
        path = Path(folder) / f"{prefix}edits.txt"
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            with host.suspend():
                code = subprocess.run([*command, str(path)], check=False).returncode
        except SuspendNotSupported:
            raise UserError(
                f"An editor cannot be opened from this terminal; edit in place with {host.keys_of('proposals.edit')}."
            ) from None
        except OSError as error:
            raise UserError(f"{command[0]} cannot be run: {error.strerror}.") from None
        if code != 0:
            raise UserError(f"{command[0]} exited with code {code}, so nothing was sent.")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError("The edited file cannot be read as UTF-8 text, so nothing was sent.") from None


def _send_edit(host: ConsoleHost, proposal: Proposal, edits: list[str] | None) -> None:
    if edits is None or edits == edit_lines(proposal):
        host.show_message(f"proposal {proposal.id} is unchanged")
    else:
        host.ask(Edit(proposal=proposal.id, edits=edits))


def _judge(host: ConsoleHost, base: Run, instead_of: Proposal | None) -> Judge | None:
    """Says what edits of `base` would give; None, after saying so, where that cannot be known."""
    view = host.feed.view
    round_ = view.snapshot.round if view else None
    if view is None or view.engine is None or round_ is None:
        host.show_message(f"the engine has stopped: press {host.keys_of('app.engine')} to restart it", ok=False)
        return None
    try:
        checked = edit_check(host.feed.store, view.loop, base, round_.number, instead_of)
    except TROUBLE as error:
        host.show_message(str(error), ok=False)
        return None

    def judge(edits: Sequence[str]) -> CheckedVariant:
        try:
            return checked(edits)
        except TROUBLE as error:  # the store is asked for duplicates
            return CheckedVariant({}, blocked=str(error))

    return judge
