"""Writing a proposal: dialogs and the user's editor, checked by the engine's code, then sent as one command."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autoloop.engine.rounds.kill_criteria import checked_criterion
from autoloop.metrics.expectations import expectation_text
from autoloop.model import Proposal, Run, UserError
from autoloop.protocol import Edit, Propose, Variant
from msgspec import UNSET
from textual.app import SuspendNotSupported

from autoloop_tui.console.drawing.paint import number, plain
from autoloop_tui.console.loop_view import TROUBLE, View
from autoloop_tui.console.present.proposals.edit_rows import rows_of
from autoloop_tui.console.present.proposals.edits import (
    EditCheck,
    edit_check,
    edit_lines,
    editor_command,
    edits_of_file,
    file_for_editor,
)
from autoloop_tui.console.screens.base import ConsoleHost
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.pick_run import PickRun
from autoloop_tui.console.screens.proposals.editor import EditResult, EditTable


def propose_variant(host: ConsoleHost, base: Run, like: Proposal | None = None) -> None:
    """Let the user write a new proposal from `base` and send it. `like`: the proposal to start from."""
    check, view = _check(host, base, None), host.feed.view
    if check is None or view is None:
        return

    def written(answer: EditResult | None) -> None:
        if answer is not None:
            criterion = answer.kill_criterion
            variant = Variant(edits=answer.edits, reason=answer.reason, expect=answer.expect, kill_criterion=criterion)
            host.ask(Propose(run=base.id, variants=[variant]))

    dialog = EditTable(
        f"A new proposal from {plain(base.name)} ({base.id})",
        check,
        rows_of(like, check.suffix) if like else (),
        book=view.metrics,
        reason=plain(like.reason) if like else "",
        expect=_expected(like, view) if like else "",
        kill_criterion=plain(like.kill_criterion or "") if like else "",
        check_criterion=partial(checked_criterion, base=base, metrics=view.metrics),
        new=True,
    )
    host.push_screen(dialog, written)


def pick_base(host: ConsoleHost, view: View, start: str | None, then: Callable[[Run], None]) -> None:
    """Let the user choose a run of the loop."""
    key = view.key_metric

    def result(run: Run) -> str:
        summary = run.summary.metrics.get(key) if run.summary else None
        return f"{view.metrics.short(key)} {number(summary.last)}" if summary else ""

    def chosen(run_id: str | None) -> None:
        run = view.run(run_id)
        if run is not None:
            then(run)

    host.push_screen(PickRun("From which run?", view.snapshot.runs, start, result), chosen)


def _expected(proposal: Proposal, view: View) -> str:
    return expectation_text(proposal.expects, view.metrics) if proposal.expects else ""


def edit_values(host: ConsoleHost, proposal: Proposal, base: Run) -> None:
    """Let the user edit the values a proposal changes, its reason and its expectation, and add other changes."""
    check, view = _check(host, base, proposal), host.feed.view
    if check is None or view is None:
        return
    dialog = EditTable(
        f"Edit proposal {proposal.id}, from {plain(base.name)}",
        check,
        rows_of(proposal, check.suffix),
        book=view.metrics,
        reason=plain(proposal.reason),
        expect=_expected(proposal, view),
        kill_criterion=plain(proposal.kill_criterion or ""),
        check_criterion=partial(checked_criterion, base=base, metrics=view.metrics),
    )

    def written(answer: EditResult | None) -> None:
        if answer is None:
            host.show_message(f"proposal {proposal.id} is unchanged")
            return
        was = dialog.before
        host.ask(
            Edit(
                proposal=proposal.id,
                edits=answer.edits,
                reason=answer.reason if answer.reason != was.reason else UNSET,
                expect=(answer.expect or "") if answer.expect != was.expect else UNSET,
                kill_criterion=answer.kill_criterion if answer.kill_criterion != was.kill_criterion else UNSET,
            )
        )

    host.push_screen(dialog, written)


def edit_in_editor(host: ConsoleHost, proposal: Proposal, base: Run, text: str | None = None) -> None:
    """Let the user edit a proposal in their editor. Invalid edits can be reopened."""
    check = _check(host, base, proposal)
    if check is None:
        return
    given = file_for_editor(proposal, f"{base.name} ({base.id})", check.suffix)
    try:
        written = _in_editor(host, given if text is None else text, f"proposal-{proposal.id}-")
    except UserError as error:
        host.show_message(str(error), ok=False)
        return
    edits = edits_of_file(written, check.suffix)
    if not edits or edits == edit_lines(proposal):
        host.show_message(f"proposal {proposal.id} is unchanged")
        return
    problem = check(edits).blocked
    if problem is None:
        _send_edit(host, proposal, edits)
        return

    def again(agreed: bool | None) -> None:
        if agreed:
            edit_in_editor(host, proposal, base, written)
        else:
            host.show_message(f"proposal {proposal.id} is unchanged")

    host.push_screen(Confirm("These edits cannot be used", plain(problem), "Reopen"), again)


def _in_editor(host: ConsoleHost, text: str, prefix: str) -> str:
    """Return `text` as edited in the user's editor. Raises UserError if the editor fails or its result is not UTF-8."""
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


def _check(host: ConsoleHost, base: Run, instead_of: Proposal | None) -> EditCheck | None:
    """Return a check of edits of `base`; None, after a message, if edits cannot be checked."""
    view = host.feed.view
    round_ = view.snapshot.round if view else None
    if view is None or view.engine is None or round_ is None:
        host.show_message(f"the engine has stopped: press {host.keys_of('app.engine')} to restart it", ok=False)
        return None
    try:
        return edit_check(host.feed.store, view.loop, base, round_.number, instead_of)
    except TROUBLE as error:
        host.show_message(str(error), ok=False)
        return None
