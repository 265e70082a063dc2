"""The loop's name, its state and the reason why no run starts, for the first line of every screen."""

from __future__ import annotations

import time
from collections.abc import Callable

from autoloop.engine.planning.limits import quiet_in_words, quiet_until
from autoloop.model import Loop, LoopState, ProposalStatus, RoundState, RunState

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import look, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View


def name(view: View) -> str:
    loop = view.loop
    return f"{loop.spec.name} ({loop.name})" if loop.spec.name else loop.name


def status(view: View, *, key: Callable[[str], str], glyphs: Glyphs) -> list[Piece]:
    """How the loop stands, in one line."""
    loop, round_ = view.loop, view.snapshot.round
    dot = glyphs.dot
    pieces = state(view, key=key, glyphs=glyphs)
    if round_:
        runs = view.in_round
        ended = len(runs) - view.unended
        pieces.append((f"{dot}round {round_.number}/{loop.spec.rounds}{dot}{ended}/{len(runs)} runs", ""))
        failed = sum(run.state in (RunState.FAILED, RunState.LOST) for run in runs)
        if failed:
            pieces.append((f"{dot}{failed} failed", "slot-failed"))
    queued = view.snapshot.queued
    if queued:
        pieces.append((f"{dot}{queued} queued", "dim"))
    return pieces


def state(view: View, *, key: Callable[[str], str], glyphs: Glyphs) -> list[Piece]:
    """The loop's state as glyph, word and colour; `key` gives the key of an action."""
    loop, round_ = view.loop, view.snapshot.round
    if view.orphaned:
        seen = look("lost")
        told = f"{seen.mark(glyphs)} the engine has stopped: {key('app.engine')} resumes the loop"
        return [(told, f"bold {seen.variable}")]
    if loop.state is LoopState.ACTIVE:
        if loop.paused:
            seen, word = look("paused"), f"paused: {key('app.pause')} resumes"
        elif round_ and round_.state is RoundState.DECIDING:
            seen = look("pending")
            if loop.held:
                word = f"held: {key('proposals.start')} starts the round"
            elif view.decisions["pending"] or round_.start_at is None:
                word = "waits for your decisions"
            else:
                word = f"round {round_.number + 1} starts in a moment"
        elif view.then and view.then.status is ProposalStatus.PENDING:
            seen, word = look("pending"), "waits for your decision on the winner"
        elif waits(view):
            seen, word = look("paused"), "no run starts"  # the foot of Slots says why, whole
        elif view.questions:
            seen, word = look("pending"), "a live rule asks"
        else:
            seen, word = look("running"), "running"
    elif loop.state is LoopState.FINISHED:
        seen, word = look("finished"), f"finished: {plain(loop.reason or '')}"
    else:
        seen, word = look("stopped"), stopped(loop)
    return [(f"{seen.mark(glyphs)} {word}", seen.variable)]


def stopped(loop: Loop) -> str:
    """`stopped by ada`, or `stopped: ` and the reason."""
    if loop.end is None:
        return "stopped"
    text = plain(loop.end.text).rstrip(".")
    return text if loop.end.interrupted else f"stopped: {text}"


def waits(view: View) -> list[str]:
    """Why no run starts although the loop goes on; nothing where one may."""
    loop = view.loop
    if loop.state is not LoopState.ACTIVE or loop.paused:
        return []
    if loop.waits_for:
        return [plain(loop.waits_for)]
    quiet = quiet_until(loop.spec.quiet_hours, time.time())
    return [quiet_in_words(quiet)] if quiet and view.snapshot.queued else []
