"""The state of a loop in few words, for `status`, `runs`, `explain` and `wait`."""

from __future__ import annotations

import time
from collections import Counter

from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.explaining import Explainer
from autoloop.metrics import MetricBook, for_runs
from autoloop.model import Event, Loop, LoopState, Note, Proposal, ProposalStatus, Run, RunState, UserError
from autoloop.store import Snapshot, Store, take_snapshot
from autoloop.text.changes import changes_text
from autoloop.verdicts import Judge
from autoloop.verdicts.wording import short

from autoloop_tui import client
from autoloop_tui.agents.answers import Changed, Happened, Noted, Offer, Row, Rows, Standing, Until, Waits
from autoloop_tui.agents.quoting import NAME, figure, quoted

MOST_RUNS, MOST_PROPOSALS, MOST_EVENTS, MOST_NOTES = 40, 12, 6, 6
EVENT = 120
"""Maximum length of an event's text, in characters."""


def standing(store: Store, loop: Loop) -> Standing:
    snapshot = take_snapshot(store, loop.id)
    last = snapshot.round.number if snapshot.round else 0
    opened = [each for each in snapshot.proposals if each.status in (ProposalStatus.PENDING, ProposalStatus.APPROVED)]
    return Standing(
        loop=quoted(loop.name, NAME),
        state=state_of(store, snapshot.loop),
        round=last,
        rounds=loop.spec.rounds,
        waits_for=_waits(store, snapshot),
        runs=_counts(snapshot.runs),
        proposals=[offer(each) for each in opened[:MOST_PROPOSALS]],
        cursor=newest(store, loop),
        untrusted_notes=[noted(each) for each in snapshot.notes[-MOST_NOTES:]],
    )


def noted(note: Note) -> Noted:
    return Noted(note.where, quoted(str(note.author), NAME), quoted(note.text))


def state_of(store: Store, loop: Loop) -> str:
    if loop.state is LoopState.ACTIVE and not client.alive(store, loop):
        return "no engine: it continues when a person runs `autoloop-tui resume`"
    return "paused" if loop.paused and loop.state is LoopState.ACTIVE else loop.state.value


def offer(proposal: Proposal) -> Offer:
    return Offer(
        id=proposal.id,
        status=proposal.status.value,
        author=quoted(str(proposal.author), NAME),
        base=proposal.base_run,
        changes=quoted(changes_text(proposal.changes) or " ".join(proposal.edits)),
        reason=quoted(proposal.reason),
        approve_as=proposal.tag,
        kill_criterion=quoted(proposal.kill_criterion or ""),
    )


def rows(store: Store, loop: Loop, round_: int | None) -> Rows:
    everyone = store.runs(loop.id)
    chosen = [run for run in everyone if round_ in (None, run.round)]
    book = for_runs(metrics_of(store.places, loop), everyone)
    judge = Judge(everyone, book, store.replicates_elsewhere(loop.id))
    shown = chosen[-MOST_RUNS:]
    return Rows([_row(run, everyone[0], book, judge) for run in shown], len(chosen) - len(shown))


def _row(run: Run, first: Run, book: MetricBook, judge: Judge) -> Row:
    metrics = run.summary.metrics if run.summary else {}
    keys = [key for key in book.key_metrics if key in metrics][:3]
    verdict = judge.between(run, first, keys[0]) if keys and run.state is RunState.FINISHED else None
    return Row(
        id=run.id,
        name=quoted(run.name, NAME),
        state=run.state.value,
        step=run.step,
        of=run.total_steps,
        metrics={quoted(book.short(key), NAME): figure(metrics[key].last) for key in keys},
        changes=quoted(changes_text(run.changes)),
        verdict=short(verdict) if verdict else "",
        why=quoted(run.reason or "", 120),
    )


def explained(store: Store, loop: Loop, what: str | None, number: int | None) -> Waits:
    snapshot, now = take_snapshot(store, loop.id), time.time()
    explainer = _explainer(store, snapshot, now)
    if what in ("slot", "round") and number is not None:
        slots = {slot.index: slot for slot in loop.spec.slots}
        rounds = {each.number: each for each in snapshot.rounds}
        if number not in (slots if what == "slot" else rounds):
            raise UserError(f"The loop has no {what} {number}.")
        told = explainer.slot(slots[number]) if what == "slot" else explainer.round(rounds[number])
    else:
        told = explainer.run(store.find_run(loop, what)) if what else explainer.round(snapshot.round)
    return Waits(quoted(told.stands), [quoted(text) for text, _ in client.waits_in_words(told, now)])


def _explainer(store: Store, snapshot: Snapshot, now: float) -> Explainer:
    loop = snapshot.loop
    return Explainer(snapshot, store.events(loop.id), driven=client.alive(store, loop), now=now)


def _waits(store: Store, snapshot: Snapshot) -> list[str]:
    if snapshot.loop.state is not LoopState.ACTIVE:
        return []
    told = _explainer(store, snapshot, time.time()).round(snapshot.round)
    return [quoted(f"{wait.resource}: {wait.why}") for wait in told.waits[:4]]


def _counts(runs: list[Run]) -> dict[str, int]:
    return dict(Counter(run.state.value for run in runs))


def newest(store: Store, loop: Loop) -> int:
    """Return the number of the last event, 0 if there is none."""
    events = store.events(loop.id)
    return events[-1].id if events else 0


def changed(store: Store, loop: Loop, cursor: int, *, timed_out: bool) -> Changed:
    events = store.events(loop.id, cursor)
    snapshot = take_snapshot(store, loop.id)
    return Changed(
        events=[_happened(event) for event in events[-MOST_EVENTS:]],
        cursor=events[-1].id if events else cursor,
        timed_out=timed_out,
        state=state_of(store, snapshot.loop),
        waits_for=_waits(store, snapshot),
        runs=_counts(snapshot.runs),
        left_out=max(0, len(events) - MOST_EVENTS),
    )


def _happened(event: Event) -> Happened:
    return Happened(time.strftime("%H:%M:%S", time.localtime(event.at)), event.kind.value, quoted(event.text, EVENT))


def over(store: Store, loop: Loop, cursor: int, until: Until) -> bool:
    """Return whether a `wait` is over: its condition is met, or the loop no longer runs."""
    now = store.loop(loop.id)
    if now.state is not LoopState.ACTIVE or not client.alive(store, now):
        return True
    if until == "change":
        return bool(store.events(loop.id, cursor, 1))
    if until == "end":
        return False
    waiting = any(each.status is ProposalStatus.PENDING for each in store.proposals(loop.id))
    return waiting and take_snapshot(store, loop.id).waits_for_decision
