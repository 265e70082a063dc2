"""The strip at the foot of the Slots screen: the proposals that wait for a decision, and what happens next."""

from __future__ import annotations

from collections.abc import Callable

from autoloop.model import LoopState, ProposalStatus, RoundState

from autoloop_tui.drawing.paint import cells, clip, duration, look, plain
from autoloop_tui.feed import View
from autoloop_tui.rows.proposal_queue import change_pieces
from autoloop_tui.rows.proposal_rows import tail
from autoloop_tui.widgets.rows import Piece


def proposals_shown(view: View, width: int, height: int) -> int:
    """How many pending proposals have a row of their own on a screen of this size."""
    most = 4 if width >= 160 and height >= 40 else 2 if width >= 100 and height >= 30 else 0
    return min(most, len(view.pending))


def upcoming(
    view: View, proposals: int, width: int, *, key: Callable[[str], str], now: float, ascii_only: bool
) -> list[list[Piece]]:
    """A row for each of so many pending `proposals`, then one line that says what happens next."""
    shown = view.pending[:proposals]
    if not shown:
        return [_next(view, 0, key, now, ascii_only)]
    names = [plain(run.name if (run := view.run(p.base_run)) else p.base_run) for p in shown]
    base = min(max(map(cells, names)), width // 5)
    room = width - base - 12
    changes = [change_pieces(proposal, room // 2, ascii_only=ascii_only) for proposal in shown]
    wide = max(map(_length, changes))
    rows: list[list[Piece]] = []
    mark, seen = "~" if ascii_only else "…", look("pending")
    for proposal, name, change in zip(shown, names, changes, strict=True):
        reason = clip(proposal.reason[: 4 * width], room - wide - 2, mark)
        rows.append([
            (f" {seen.mark(ascii_only=ascii_only)} ", seen.variable),
            (f"{f'#{proposal.id}':<5} ", "bold"),
            (tail(name, base, mark) + "  ", "dim"),
            *change,
            (" " * (wide - _length(change) + 2) + reason, "dim"),
        ])
    return [*rows, _next(view, len(shown), key, now, ascii_only)]


def _length(pieces: list[Piece]) -> int:
    return sum(cells(text) for text, _ in pieces)


def _next(view: View, above: int, key: Callable[[str], str], now: float, ascii_only: bool) -> list[Piece]:
    loop, round_ = view.loop, view.snapshot.round
    if round_ is None or loop.state is not LoopState.ACTIVE:
        return [(f" {plain(loop.reason or '')}", "dim")]
    if round_.state is RoundState.RUNNING:
        left = sum(not run.state.ended for run in view.snapshot.runs_of(round_.number))
        then = "then its proposals" if loop.spec.decide and round_.number < loop.spec.rounds else "then it is done"
        return [(f" round {round_.number} goes on with {left} run{'s' if left != 1 else ''}, {then}", "dim")]
    proposals = [p for p in view.snapshot.proposals if p.round == round_.number]
    count = {status: sum(p.status is status for p in proposals) for status in ProposalStatus}
    seen = look("pending")
    more = len(view.pending) - above
    pieces: list[Piece] = [
        (f" {seen.mark(ascii_only=ascii_only)} round {round_.number + 1}: ", f"bold {seen.variable}"),
        (f"{count[ProposalStatus.PENDING]} to decide", ""),
        (f" ({more} not shown here)" if above and more else "", "dim"),
        (f", {count[ProposalStatus.APPROVED]} approved, ", ""),
        (f"{count[ProposalStatus.BLOCKED]} blocked", "slot-warn" if count[ProposalStatus.BLOCKED] else "dim"),
    ]
    there = key("app.proposals")
    if loop.held:
        pieces.append((f"   held: {there}, then {key('proposals.start')} starts it", "slot-warn"))
    elif round_.start_at is not None:
        pieces.append((f"   starts in {duration(max(0.0, round_.start_at - now))}", "slot-warn"))
        undo, hold, start = (key(f"proposals.{name}") for name in ("undo", "hold", "start"))
        pieces.append((f"   {there}, then {undo} undoes, {hold} holds, {start} starts", "bold key"))
    else:
        pieces.append((f"   {there} decides", "bold key"))
        if round_.decide_by:
            pieces.append((f"   by itself in {duration(round_.decide_by - now)}", "dim"))
    return [piece for piece in pieces if piece[0]]
