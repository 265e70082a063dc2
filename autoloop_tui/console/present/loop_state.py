"""The loop's name, state, and the reason why no runs start, for the top line of every screen."""

from __future__ import annotations

import time
from collections.abc import Callable

from autoloop.engine.planning.limits import quiet_in_words, quiet_until
from autoloop.model import Loop, LoopState, ProposalStatus, RoundState, RunState
from autoloop.text.values import duration

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import look, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View


def name(view: View) -> str:
    loop = view.loop
    return f"{loop.spec.name} ({loop.name})" if loop.spec.name else loop.name


def short_name(view: View) -> str:
    """Return the name given by the user, or the generated one."""
    return view.loop.spec.name or view.loop.name


def status(view: View, *, key: Callable[[str], str], glyphs: Glyphs) -> list[Piece]:
    """Return the loop's state in one line."""
    loop, round_ = view.loop, view.snapshot.round
    dot = glyphs.dot
    pieces = state(view, key=key, glyphs=glyphs)
    if round_:
        pieces.append((f"{dot}round {round_.number}/{loop.spec.rounds}{dot}", ""))
        finished, failed, stopped = _counts(view)
        pieces += [(str(finished), "slot-finished" if finished else ""), (f"/{len(view.in_round)} done", "")]
        pieces += [(f"{dot}{failed} failed", "bold slot-failed")] if failed else []
        pieces += [(f"{dot}{stopped} stopped", "slot-stopped")] if stopped else []
    return pieces


def short_status(view: View, *, key: Callable[[str], str], glyphs: Glyphs, word: bool = True) -> list[Piece]:
    """Return the same for little room: `▶ running r2/3 5/8 ✗1`; without `word`, running is shown by its symbol only."""
    round_ = view.snapshot.round
    first, names = state(view, key=key, glyphs=glyphs)[0]
    ended = view.loop.state is not LoopState.ACTIVE  # the reason is shown elsewhere; a key that helps is kept
    short = first.partition(":")[0] if ended else first
    runs = names == look("running").variable
    pieces: list[Piece] = [(first[:1] if runs and not word else short, names)]
    if round_:
        finished, failed, _ = _counts(view)
        pieces += [(f" r{round_.number}/{view.loop.spec.rounds} ", ""), (str(finished), "slot-finished" if finished else "")]
        pieces += [(f"/{len(view.in_round)}", "")]
        pieces += [(f" {look('failed').mark(glyphs)}{failed}", "bold slot-failed")] if failed else []
    return pieces


def _counts(view: View) -> tuple[int, int, int]:
    """Return how many runs of the round have finished, failed and been stopped."""
    states = [run.state for run in view.in_round]
    broken = states.count(RunState.FAILED) + states.count(RunState.LOST)
    return states.count(RunState.FINISHED), broken, states.count(RunState.STOPPED)


def state(view: View, *, key: Callable[[str], str], glyphs: Glyphs) -> list[Piece]:
    """Return the loop's state as symbol, word and colour; `key` returns the key of an action."""
    loop, round_ = view.loop, view.snapshot.round
    if view.orphaned:
        seen = look("failed")
        told = f"{seen.mark(glyphs)} {engine_gone(view, time.time())}: {key('app.engine')} continues it"
        return [(told, f"bold {seen.variable}")]
    if loop.state is LoopState.ACTIVE:
        if loop.paused:
            seen, word = look("paused"), f"paused: {key('app.pause')} continues"
        elif round_ and round_.state is RoundState.DECIDING:
            seen = look("pending")
            if loop.held:
                word = f"held: {key('proposals.start')} starts the round"
            elif view.decisions["pending"] or round_.start_at is None:
                word = "waiting for your decisions"
            else:
                word = f"round {round_.number + 1} starts in a moment"
        elif view.then and view.then.status is ProposalStatus.PENDING:
            seen, word = look("pending"), "waiting for your decision on the winner"
        elif waits(view):
            seen, word = look("paused"), "no runs start"  # the foot of Slots shows the full reason
        elif view.questions:
            seen, word = look("pending"), "a live rule asks"
        else:
            seen, word = look("running"), "running"
    elif loop.state is LoopState.FINISHED:
        seen, word = look("finished"), f"finished: {plain(loop.reason or '')}"
    else:
        seen, word = look("stopped"), stopped(loop)
    return [(f"{seen.mark(glyphs)} {word}", seen.variable)]


def engine_gone(view: View, now: float) -> str:
    """Return that the engine has stopped, and since when."""
    gone = view.gone_since
    if gone is None:
        return "the engine has stopped"
    age = duration(max(0.0, now - gone.at))
    return f"the engine stopped {age} ago" if gone.seen else f"the engine has stopped (last sign {age} ago)"


def stopped(loop: Loop) -> str:
    """Return `stopped by ada`, or `stopped: ` and the reason."""
    if loop.end is None:
        return "stopped"
    text = plain(loop.end.text).rstrip(".")
    return text if loop.end.interrupted else f"stopped: {text}"


def waits(view: View) -> list[str]:
    """Return why no runs start although the loop is active; empty if they may."""
    loop = view.loop
    if loop.state is not LoopState.ACTIVE or loop.paused:
        return []
    if loop.waits_for:
        return [plain(loop.waits_for)]
    quiet = quiet_until(loop.spec.quiet_hours, time.time())
    return [quiet_in_words(quiet)] if quiet and view.snapshot.queued else []
