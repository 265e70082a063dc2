"""Events worth notifying the user about, and the terminal's desktop notification."""

from __future__ import annotations

from autoloop.model import ApprovalMode, LoopState, Run, RunState
from autoloop.text.plural import plural

from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.loop_view import View

LONGEST = 200
"""Maximum length of a notification in cells."""


def news(before: View, after: View) -> list[str]:
    """Return what has happened between two views: runs that failed or were lost, questions of live rules, and a round that
    awaits a decision."""
    sentences = [
        f"{run.name} {run.state.value}{f': {run.reason}' if run.reason else ''}"
        for run in after.snapshot.runs
        if _failed(run) and run is not (old := before.run(run.id)) and not (old and _same_end(old, run))
    ]
    asked = {each.id for each in before.questions.values()}
    for each in after.questions.values():
        if each.id not in asked:
            run = after.run(each.base_run)
            sentences.append(f"live rule asks about {run.name if run else each.base_run}: {each.reason}")
    round_ = after.snapshot.round
    if round_ and waits(after) and not (waits(before) and before.snapshot.rounds[-1].number == round_.number):
        count = len(after.pending)
        what = f"{plural(count, 'proposal')} to decide" if count else "it needs your decision"
        sentences.append(f"round {round_.number + 1} waits: {what}")
    return sentences


def has_ended(before: View, after: View) -> bool:
    """Return whether the loop has ended since `before` without being stopped by a user."""
    loop = after.loop
    ended = before.loop.id == loop.id and before.loop.state is LoopState.ACTIVE and loop.state is not LoopState.ACTIVE
    return ended and not (loop.end and loop.end.interrupted)


def waits(view: View) -> bool:
    """Return whether the next round awaits a user's decision instead of starting automatically."""
    return (
        view.loop.state is LoopState.ACTIVE
        and view.snapshot.waits_for_decision
        and bool(view.pending or view.loop.held or view.loop.spec.approve.mode is ApprovalMode.MANUAL)
    )


def _failed(run: Run) -> bool:
    return run.state in (RunState.FAILED, RunState.LOST)


def _same_end(old: Run, new: Run) -> bool:
    return _failed(old) and (old.attempts, old.ended_at) == (new.attempts, new.ended_at)


def osc9(text: str, *, tmux: bool) -> str:
    """Return the control sequence of a desktop notification. tmux passes it on only if it is wrapped and `set -g
    allow-passthrough on` is configured."""
    # The name in front also keeps other terminals from parsing the text as one of their numbered commands.
    told = f"\x1b]9;{clip(f'Auto Loop: {plain(text)}', LONGEST)}\x07"
    return f"\x1bPtmux;{told.replace(chr(27), chr(27) * 2)}\x1b\\" if tmux else told
