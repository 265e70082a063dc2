"""Texts and numbers of the Proposals screen: the order of the queue, its counts, what starts when, and how earlier uses of a
rule turned out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from autoloop.metrics import MetricBook, config_name
from autoloop.model import Change, LoopState, Proposal, ProposalStatus, RoundState, Run, RunState
from autoloop.text.changes import after_text, before_text, extension_text
from autoloop.text.plural import plural
from autoloop.text.values import duration

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, look, plain, shown_value
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.loop_state import stopped
from autoloop_tui.console.present.metric_delta import Delta, against

if TYPE_CHECKING:
    from autoloop.verdicts import Judge  # not needed for the first paint

ORDER = ("pending", "approved", "blocked", "skipped", "rejected", "launched")
"""States in the order in which the header counts them: those that need the user first."""

UNDECIDED = (ProposalStatus.PENDING, ProposalStatus.BLOCKED)

Entry = Proposal | int
"""A row of the queue: a proposal, or the number of an earlier round above its proposals."""


def entries(proposals: Sequence[Proposal], current: int) -> list[Entry]:
    """Return the current round's proposals in order of arrival, followed by those of earlier rounds, newest round first."""
    by_round: dict[int, list[Proposal]] = {}
    for proposal in proposals:
        by_round.setdefault(proposal.round, []).append(proposal)
    found: list[Entry] = [*by_round.pop(current, [])]
    for number in sorted(by_round, reverse=True):
        found += [number, *by_round[number]]
    return found


def next_pending(queue: Sequence[Entry], after: int, passed: Iterable[int]) -> int | None:
    """Return the next pending proposal below `after`, otherwise the first one; `passed` are already being decided."""
    passed = {after, *passed}
    ids = [entry.id for entry in queue if isinstance(entry, Proposal)]
    waiting = [
        entry.id
        for entry in queue
        if isinstance(entry, Proposal) and entry.status is ProposalStatus.PENDING and entry.id not in passed
    ]
    place = {number: index for index, number in enumerate(ids)}
    below = [number for number in waiting if place[number] > place.get(after, -1)]
    return next(iter(below or waiting), None)


# ------------------------------------------------------------------------------------------------------- next round


def what_next(view: View, key: Callable[[str], str], now: float) -> str:
    """Return a sentence on what starts when, and what the user can do about it. `key` returns the displayed key of an action
    id."""
    loop, round_ = view.loop, view.snapshot.round
    spec = loop.spec
    if loop.state is LoopState.FINISHED:
        return f"The loop has finished: {(loop.reason or 'nothing is left to do').rstrip('.')}."
    if loop.state is LoopState.STOPPED:
        return f"The loop is {stopped(loop)}; {key('app.engine')} continues it."
    if view.engine is None:
        return f"The engine has stopped, so nothing can be decided now; {key('app.engine')} restarts it."
    if (then := view.then) and then.status in (ProposalStatus.PENDING, ProposalStatus.APPROVED):
        undo = key("proposals.undo")
        if then.status is ProposalStatus.APPROVED:
            return f"The winner will continue to {then.extend} steps shortly; {undo} undoes the decision."
        approve, reject = key("proposals.approve"), key("proposals.reject")
        return f"All rounds have finished: {approve} continues the winner to {then.extend} steps, {reject} ends the loop."
    if asked := next(iter(view.questions.values()), None):
        run = view.run(asked.base_run)
        does = "relaunches it" if asked.edits else "stops it"
        about = f"#{asked.id} is about {plain(run.name if run else asked.base_run)} in training"
        return f"{about}: {key('proposals.approve')} {does}, {key('proposals.reject')} lets it continue."
    if not spec.proposes:
        return "This loop makes no proposals: it was started without --decide or --propose."
    if round_ is None:
        return "The first round has not started."
    if round_.number >= spec.rounds:
        return f"Round {round_.number} is the last one (--rounds {spec.rounds}): no proposals follow it."
    if round_.state is RoundState.DONE:
        return "All rounds have finished; only extended runs are left."
    coming = f"Round {round_.number + 1}"
    if round_.state is RoundState.RUNNING:
        ended = f"{len(view.in_round) - view.unended} of {plural(len(view.in_round), 'run')}"
        return f"Round {round_.number}: {ended} ended; proposals for round {round_.number + 1} follow when all have."
    made = view.decisions
    start, hold = key("proposals.start"), key("proposals.hold")
    if loop.held:
        return f"Held: {coming.lower()} starts when you press {start}; {hold} lets it start automatically again."
    if not made["pending"] and not made["approved"]:
        keys = [key(f"proposals.{name}") for name in ("variant", "edit", "undo")]
        return f"{coming} has nothing to run: propose ({keys[0]}), edit a blocked one ({keys[1]}) or undo ({keys[2]})."
    if made["pending"] and round_.decide_by is not None:
        left = duration(max(0.0, round_.decide_by - now))
        return f"{coming} starts in {left} with what is pending; {start} starts it now, {hold} holds it."
    if made["pending"]:
        which = "the pending one is" if made["pending"] == 1 else f"the {made['pending']} pending are"
        return f"{coming} starts when {which} decided, or with {start}; {hold} holds it."
    if round_.start_at is not None and not made["pending"]:
        left = duration(max(0.0, round_.start_at - now))
        return f"{coming} starts in {left}: {key('proposals.undo')} undoes, {hold} holds it, {start} starts it now."
    return f"{coming} starts now{', but the queue is paused' if loop.paused else ''}."


def why_empty(view: View, key: Callable[[str], str]) -> list[str]:
    """Return the text of an empty queue."""
    round_ = view.snapshot.round
    if not view.loop.spec.proposes:
        return ["No proposals", "To get proposals, start a loop with --rounds, and --decide or --propose."]
    if view.loop.state is LoopState.FINISHED:
        return ["No proposals were made", "The loop has finished."]
    return [
        "No proposals yet",
        f"They are made when all runs of round {round_.number if round_ else 1} have ended.",
        f"{key('proposals.variant')} proposes a variant of a run by hand.",
    ]


def count_pieces(view: View, marked: int, *, glyphs: Glyphs) -> list[Piece]:
    """Return how many proposals of the current round are in each state."""
    made = view.decisions
    row: list[Piece] = [(" ", "")]
    for state in ORDER:
        if made[state]:
            seen = look(state)
            row.append((f"{seen.mark(glyphs)} {made[state]} {seen.word}   ", seen.variable))
    number = view.snapshot.round.number if view.snapshot.round else 1
    live = [proposal for proposal in view.snapshot.proposals if proposal.live and proposal.round == number]
    if live:
        asked = sum(proposal.status is ProposalStatus.PENDING for proposal in live)
        row.append((f"{len(live)} from live rules   ", "dim"))
        row += [(f"{asked} to decide now   ", f"bold {look('pending').variable}")] if asked else []
    if len(row) == 1:
        yet = " yet" if view.loop.state is LoopState.ACTIVE else ""
        row.append((f"no proposals from round {number}{yet}   ", "dim"))
    return [*row, (f"* {marked} marked", "bold key")] if marked else row


# ---------------------------------------------------------------------------------------------------------- changes


def base_name(proposal: Proposal, base: Run | None) -> str:
    """Return what a proposal is based on: a run, or a config over its seeds."""
    if base is None:
        return proposal.base_run
    return config_name(base) if len(proposal.runs) > 1 else base.name


def short_path(path: str) -> str:
    """Return the end of a path that identifies it: `ot.loss_config.reg` → `reg`, `features.0.weight` → `0.weight`."""
    head, _, last = path.rpartition(".")
    before = head.rpartition(".")[2]
    return plain(f"{before}.{last}" if before.isdecimal() else last)


def change_pieces(proposal: Proposal, width: int, *, glyphs: Glyphs) -> list[Piece]:
    """Return `reg 0.1→0.16, tau_src 0.05→0.5 +2`: as many complete changes as fit, and the number of the others."""
    arrow, mark = glyphs.arrow, glyphs.ellipsis
    if proposal.live and not proposal.edits:
        return [("stop the run", "")]
    if proposal.extend is not None:
        return [(clip(extension_text(proposal.extend), width, mark), "")]
    if not proposal.changes:
        return [(clip(" ".join(proposal.edits)[: 4 * width], width, mark), "dim")]
    pieces: list[Piece] = []
    used = 0
    for index, change in enumerate(proposal.changes):
        part = _change(change, arrow)
        left = len(proposal.changes) - index - 1
        room = width - used - (len(f" +{left}") if left else 0) - (2 if pieces else 0)
        length = sum(cells(text) for text, _ in part)
        if length > room:
            if pieces:
                return [*pieces, (f" +{left + 1}", "dim")]
            more: list[Piece] = [(f" +{left}", "dim")] if left else []
            return [*crop(part, 0, width - sum(cells(text) for text, _ in more), mark), *more]
        if pieces:
            pieces.append((", ", "dim"))
        pieces += part
        used = sum(cells(text) for text, _ in pieces)
    return pieces


def _short(value: object) -> str:
    return shown_value(value, 40)


def _change(change: Change, arrow: str) -> list[Piece]:
    before = "new" if change.created else before_text(change, _short)
    return [
        (f"{short_path(change.path)} ", ""),
        (before, "diff-before"),
        (arrow, "dim"),
        (after_text(change, _short), "diff-after"),
    ]


# --------------------------------------------------------------------------------------------------- outcome


class MetricChange(NamedTuple):
    """The last value of a metric of a run and of its base; `delta` is None if the base has none."""

    name: str
    base: float | None
    value: float
    delta: Delta | None


def reached(run: Run, base: Run | None, names: Sequence[str], book: MetricBook, judge: Judge | None) -> list[MetricChange]:
    """Return the named metrics that the run has."""
    found = []
    for name in names:
        mine = run.summary.metrics.get(name) if run.summary else None
        theirs = base.summary.metrics.get(name) if base and base.summary else None
        if mine is not None:
            verdict = judge.between(run, base, name) if judge and base else None
            delta = against(mine, theirs, verdict) if theirs else None
            found.append(MetricChange(book.short(name), theirs.last if theirs else None, mine.last, delta))
    return found


def earlier_uses(proposal: Proposal, proposals: Iterable[Proposal]) -> list[Proposal]:
    """Return the launched proposals of the same rule or author except this one, newest first."""
    rule = proposal.origin
    used = [p for p in proposals if p.status is ProposalStatus.LAUNCHED and p.id != proposal.id and p.origin == rule]
    return used[::-1]


def telling_metrics(proposal: Proposal, book: MetricBook, most: int = 3) -> list[str]:
    """Return the metrics of the proposal's evidence, then the key metrics; at most `most`."""
    seen = [o.metric for o in proposal.evidence.observations if o.metric] if proposal.evidence else []
    return list(dict.fromkeys([*seen, *book.key_metrics]))[:most]


def state_of(run: Run) -> str:
    """Return in words how far a run without a result is."""
    if run.state is RunState.QUEUED:
        return "queued"
    if run.state in (RunState.RUNNING, RunState.STOPPING):
        return f"{run.state.value}, step {run.step} of {run.total_steps}"
    said = why(run)
    return f"{run.state.value}{f': {said}' if said else ''}"


def why(run: Run) -> str:
    """Return the reason for the run's state, without repeating the state; empty if unknown."""
    return plain(run.reason or "").removeprefix(f"{run.state.value}: ")
