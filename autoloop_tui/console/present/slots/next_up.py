"""The foot of the Slots screen: proposals awaiting a decision, and what happens next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoloop.engine.planning.limits import in_words
from autoloop.engine.runs.presence import in_words as in_words_of
from autoloop.hooks.health import failing
from autoloop.metrics import config_name
from autoloop.model import LoopEndKind, LoopState, Proposal, ProposalStatus, RoundState, Standing
from autoloop.text.plural import plural
from autoloop.text.values import duration

from autoloop_tui.console.drawing.cutting import tail, wrapped
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import Look, cells, clip, look, plain
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.loop_state import engine_gone, waits
from autoloop_tui.console.present.proposals.queue import base_name, change_pieces

LONGEST = 3
"""Maximum number of rows for the reason of a wait or of the loop's end."""


def proposals_shown(view: View, width: int, height: int) -> int:
    """Return how many pending proposals get their own row on a screen of this size."""
    most = 4 if width >= 160 and height >= 40 else 2 if width >= 100 and height >= 30 else 0
    return min(most, len(view.pending))


def upcoming(
    view: View, proposals: int, width: int, *, key: Callable[[str], str], now: float, glyphs: Glyphs
) -> list[list[Piece]]:
    """Return a row for each of the first `proposals` pending ones, then what live rules ask, what is being waited for, and
    what happens next."""
    shown = view.pending[:proposals]
    if view.loop.state is not LoopState.ACTIVE:
        return _ended(view, width, key, glyphs)
    if view.orphaned:
        gone = engine_gone(view, now)
        text = f"{gone}: {in_words_of(view.present)}, no runs start; {key('app.engine')} continues the loop"
        return _message_rows(text, look("failed"), width, glyphs)
    told = [*_questions(view, width, key, glyphs), *_waits(view, width, glyphs), *_hooks(view, width, glyphs)]
    told += [crop(row, 0, width, glyphs.ellipsis) for row in _next(view, len(shown), width, key, now, glyphs)]
    return [*_proposal_rows(view, shown, width, glyphs), *told]


ADVISED = (LoopEndKind.LIMIT, LoopEndKind.FAILS_FOR_ALL, LoopEndKind.OUT_OF_MEMORY)
"""Ends that already explain in their text how to resume."""


def _ended(view: View, width: int, key: Callable[[str], str], glyphs: Glyphs) -> list[list[Piece]]:
    """Return why the loop has ended; a stopped loop can be resumed."""
    loop = view.loop
    text = loop.reason or loop.state.value
    if loop.state is LoopState.STOPPED and not (loop.end and loop.end.kind in ADVISED):
        text = f"{text}; {key('app.engine')} continues it"
    text = f"{text.rstrip('.')}; {key('app.finish')}: the result"
    rows = _message_rows(text, look(loop.state.value), width, glyphs)
    for line in _outcome(view):
        rows += [[("   ", ""), (part, "")] for part in _few_lines(line, width - 4, glyphs)]
    if then := _then(view, key):
        rows += [[("   ", ""), (part, "")] for part in _few_lines(then.strip(), width - 4, glyphs)]
    return [*rows, *_hooks(view, width, glyphs)]


def _outcome(view: View) -> list[str]:
    """Return whether a config is better than the baseline, and what it changed; Rounds and the report have the rest."""
    found = view.loop.outcome
    if found is None:
        return []
    from autoloop.verdicts.wording import outcome_lines

    def name_of(each: Standing) -> str:
        run = view.run(each.run)
        if run is None:
            return plain(each.run)
        return plain(f"{config_name(run)} ({each.runs} seeds)" if each.runs > 1 else run.name)

    return [
        plain(line) for line in outcome_lines(found, name_of, view.metrics.short(found.metric))[: 1 + bool(found.changes)]
    ]


def _proposal_rows(view: View, shown: Sequence[Proposal], width: int, glyphs: Glyphs) -> list[list[Piece]]:
    if not shown:
        return []
    names = [plain(base_name(p, view.run(p.base_run))) for p in shown]
    base = min(max(map(cells, names)), width // 5)
    room = width - base - 12
    changes = [change_pieces(proposal, room // 2, glyphs=glyphs) for proposal in shown]
    wide = max(map(_length, changes))
    rows: list[list[Piece]] = []
    mark, seen = glyphs.ellipsis, look("pending")
    for proposal, name, change in zip(shown, names, changes, strict=True):
        reason = clip(proposal.reason[: 4 * width], room - wide - 2, mark)
        rows.append(
            [
                (f" {seen.mark(glyphs)} ", seen.variable),
                (f"{f'#{proposal.id}':<5} ", "bold"),
                (tail(name, base, mark) + "  ", "dim"),
                *change,
                (" " * (wide - _length(change) + 2) + reason, "dim"),
            ]
        )
    return rows


def _length(pieces: list[Piece]) -> int:
    return sum(cells(text) for text, _ in pieces)


def _questions(view: View, width: int, key: Callable[[str], str], glyphs: Glyphs) -> list[list[Piece]]:
    """Return a row with the question of a live rule; its run continues meanwhile."""
    asked = list(view.questions.values())
    if not asked:
        return []
    seen, mark = look("pending"), glyphs.ellipsis
    first = asked[0]
    run = view.run(first.base_run)
    what = "relaunch" if first.edits else "stop"
    step = f", at step {first.live.step}" if first.live else ""
    others = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
    text = f"live rule {first.origin}: {what} {plain(run.name if run else first.base_run)}{step}?{others}"
    decides = f"   {key('app.proposals')} decides"
    sign = f" {seen.mark(glyphs)} "
    room = width - cells(sign) - cells(decides)
    return [[(sign, f"bold {seen.variable}"), (clip(text, room, mark), seen.variable), (decides, "bold key")]]


def _waits(view: View, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    """Return why nothing starts although runs are queued."""
    return [row for why in waits(view) for row in _message_rows(why, look("paused"), width, glyphs)]


def _hooks(view: View, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the failing hooks, so that users who rely on their messages notice."""
    words = [plain(each.words) for each in failing(view.snapshot.deliveries)]
    return [row for each in words for row in _message_rows(each, look("failed"), width, glyphs)]


def _message_rows(text: str, seen: Look, width: int, glyphs: Glyphs) -> list[list[Piece]]:
    """Return a sentence in several rows, because the top line has no room for it."""
    lines = _few_lines(text, width - 4, glyphs)
    signs = [f" {seen.mark(glyphs)} ", *["   "] * (len(lines) - 1)]
    return [[(sign, f"bold {seen.variable}"), (line, seen.variable)] for sign, line in zip(signs, lines, strict=True)]


def _after_round(view: View) -> str:
    spec, round_ = view.loop.spec, view.snapshot.round
    if spec.proposes and round_ and round_.number < spec.rounds:
        return "then its proposals"
    return f"then the winner is extended to {spec.extend_winner} steps" if spec.extend_winner else "then it is finished"


def _then(view: View, key: Callable[[str], str]) -> str | None:
    """Return the progress of extending the winner; None before it is proposed."""
    then = view.then
    if then is None:
        return None
    run = view.run(then.run or then.base_run)
    name = plain(run.name) if run else then.base_run
    if then.status is ProposalStatus.PENDING:
        return f" all rounds finished: {key('app.proposals')} to decide whether {name} continues to {then.extend} steps"
    if run is not None and then.run:
        end = run.state.value if run.state.ended else "then it is finished"
        return f" the winner, {name}, continues: step {run.step} of {run.total_steps}, {end}"
    return f" the winner, {name}: {then.status.value}" + (f" by {plain(str(then.decided_by))}" if then.decided_by else "")


def _next(view: View, above: int, width: int, key: Callable[[str], str], now: float, glyphs: Glyphs) -> list[list[Piece]]:
    loop, round_ = view.loop, view.snapshot.round
    if round_ is None:
        return [[(" the first round is starting", "dim")]]
    if round_.state is not RoundState.DECIDING:
        left = view.unended
        going = _then(view, key) or f" round {round_.number} has {plural(left, 'run')} left, {_after_round(view)}"
        limits = in_words(loop, len(view.snapshot.attempts))
        if not limits:
            return [[(going, "dim")]]
        told = f"{going}{glyphs.dot}{limits}"
        return [[(told, "dim")]] if cells(told) <= width else [[(going, "dim")], [(f" budget: {limits}", "dim")]]
    made, seen = view.decisions, look("pending")
    more = len(view.pending) - above
    there = key("app.proposals")
    undo, hold, start = (key(f"proposals.{name}") for name in ("undo", "hold", "start"))
    pieces: list[Piece] = [(f" {seen.mark(glyphs)} round {round_.number + 1}", f"bold {seen.variable}")]
    if round_.start_at is not None and not loop.held:
        pieces.append((f" starts in {duration(max(0.0, round_.start_at - now))}", "bold slot-warn"))
        pieces.append((f" with {made['approved']} approved", ""))
        keys = f"   {there}, then {undo} undoes, {hold} holds, {start} starts"
        return [[*pieces, (keys, "bold key")]]
    counts = [
        f"{made[state]} {word}"
        for state, word in (("pending", "to decide"), ("approved", "approved"), ("blocked", "blocked"))
        if made[state]
    ]
    pieces.append((f": {', '.join(counts) or 'nothing to run'}", ""))
    pieces.append((f" ({more} not shown here)" if above and more else "", "dim"))
    if loop.held:
        pieces.append((f"   held: {there}, then {start} starts it", "slot-warn"))
    else:
        does = "decides" if made["pending"] else "shows them" if made["approved"] else "proposes"
        pieces.append((f"   {there} {does}", "bold key"))
        if round_.decide_by:
            pieces.append((f"   automatically in {duration(round_.decide_by - now)}", "dim"))
    return [[piece for piece in pieces if piece[0]]]


def _few_lines(text: str, width: int, glyphs: Glyphs) -> list[str]:
    """Return `text` in at most LONGEST lines; the rest is dropped at a word boundary and marked by an ellipsis."""
    lines = wrapped(text, width)
    if len(lines) <= LONGEST:
        return lines
    last, mark = lines[LONGEST - 1].rstrip(" ,;"), f" {glyphs.ellipsis}"
    while cells(last + mark) > width and " " in last:
        last = last.rpartition(" ")[0].rstrip(" ,;")
    return [*lines[: LONGEST - 1], clip(last + mark, width, glyphs.ellipsis)]
