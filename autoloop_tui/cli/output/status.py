"""The state of a loop, as text and as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from autoloop.engine import holder
from autoloop.engine.planning.halve import halve_text
from autoloop.engine.planning.limits import in_words, quiet_in_words, quiet_until
from autoloop.model import (
    LOCAL,
    Attempt,
    BestRun,
    Loop,
    LoopState,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    RunState,
)
from autoloop.reports import result_lines, then_line, then_proposal
from autoloop.store import Snapshot, Store
from autoloop.text.evidence import evidence_text
from autoloop.text.searches import origins_words

from autoloop_tui import client
from autoloop_tui.cli.output import printing

if TYPE_CHECKING:
    from autoloop.engine.runs.presence import Presence
    from autoloop.metrics import MetricBook

    from autoloop_tui.cli.documents.loops import LoopDocument, ResultDocument, StatusDocument, ThenDocument, WhereDocument

MOST_FAILURES = 5
"""Maximum number of failed runs that `status` explains; `runs` lists them all."""
RECENT = 50
"""Number of ended runs per state that `status` searches for notes on their results."""

OPEN = (ProposalStatus.PENDING, ProposalStatus.APPROVED)
MOST_LIVE = 5
"""Maximum number of live rule actions that `status` shows; `proposals` lists them all."""


MOST_NOTES = 5
"""Maximum number of notes by people and agents that `status` shows, newest ones; `report` has them all."""
MOST_REQUESTS = 20
"""Maximum number of requests in `status --json`."""


def state_now(store: Store, loop: Loop) -> str:
    """Return the loop's state as users see it, which includes whether an engine runs it."""
    if loop.state is LoopState.ACTIVE:
        if not client.alive(store, loop):
            return "orphaned"
        return "paused" if loop.paused else "running"
    return loop.state.value


def waiting_for(loop: Loop, round_: Round | None, then: Proposal | None) -> str | None:
    """Return what the loop waits for: a decision, or free space. `then`: the proposed extension of its winner, if any."""
    if loop.state is LoopState.ACTIVE and loop.waits_for:
        return f"free space: {loop.waits_for}"
    if loop.state is LoopState.ACTIVE and round_ and round_.state is RoundState.DECIDING:
        if round_.start_at is not None:
            left = max(0.0, round_.start_at - time.time())
            return f"round {round_.number + 1}, which starts in {left:.0f} s unless you `undo` a decision or `hold` it"
        if round_.decide_by:
            at = time.strftime("%H:%M", time.localtime(round_.decide_by))
            return f"decisions on the proposals for round {round_.number + 1}, automatically at {at}"
        return f"decisions on the proposals for round {round_.number + 1}"
    if loop.state is LoopState.ACTIVE and then is not None and then.status is ProposalStatus.PENDING:
        return f"a decision on proposal {then.id}, which continues the winner to {then.extend} steps"
    return None


def headline(store: Store, loop: Loop) -> str:
    """Return a line such as `loop_1700000000 · name  finished: reason`."""
    name = f" · {printing.printable(loop.spec.name)}" if loop.spec.name else ""
    reason = f": {printing.printable(loop.reason)}" if loop.reason else ""
    return f"{loop.name}{name}  {state_now(store, loop)}{reason}"


def status_text(store: Store, number: int, metrics: Callable[[], MetricBook], cells: int | None = None) -> str:
    """Return the status as text, in lines of at most `cells` cells.

    It queries only what it shows, because an active loop may have thousands of runs. `metrics` returns the loop's metric
    book, which only a result needs.
    """
    loop = store.loop(number)
    lines = [headline(store, loop)]
    found = {} if client.alive(store, loop) else _present(store, loop)
    if state_now(store, loop) == "orphaned":
        from autoloop.engine.runs.presence import in_words as presence_in_words

        lines.append(f"Its engine has stopped: {presence_in_words(found)}. `autoloop-tui resume` continues it.")
    counts = store.counts(number)
    rounds = store.rounds(number)
    round_ = rounds[-1] if rounds else None
    if round_:
        in_round = store.counts(number, round_.number)
        ended = sum(count for state, count in in_round.items() if state.ended)
        lines.append(
            f"round {round_.number} of {loop.spec.rounds}: {round_.state.value}, "
            f"{ended} of {sum(in_round.values())} runs ended, {counts.get(RunState.QUEUED, 0)} queued"
        )
    if loop.agents_held:
        lines.append(f"all agents are held ({loop.agents_held.words}): `autoloop-tui agents --release`")
    waiting = waiting_for(loop, round_, then_proposal(store, loop))
    if waiting:
        lines.append(f"waits for {waiting}")
    if loop.spec.search and round_ and round_.state is RoundState.DECIDING:
        made = [p for p in store.proposals(number, round_.number) if p.status in OPEN and not p.live]
        lines.append(f"round {round_.number + 1}: {origins_words(made)}")
    live = [p for p in store.proposals(number, round_.number) if p.live] if round_ else []
    lines += [_live_line(store, proposal) for proposal in live[-MOST_LIVE:]]
    if limits := in_words(loop, store.started_runs(number) if loop.max_runs is not None else 0):
        lines.append(f"budget: {limits}")
    quiet = quiet_until(loop.spec.quiet_hours, time.time())
    if quiet and loop.state is LoopState.ACTIVE and counts.get(RunState.QUEUED):
        lines.append(quiet_in_words(quiet))
    if loop.state is LoopState.ACTIVE and (halving := halve_text(loop.spec)):
        lines.append(f"--halve: {halving}")
    slots = loop.spec.slots
    executing = (RunState.RUNNING, RunState.STOPPING)
    in_slots = {run.slot: run for state in executing for run in store.newest_in(number, state, len(slots))}
    rows = []
    for slot in slots:
        run = in_slots.get(slot.index)
        rows.append(
            [slot.label, _state(run, found), printing.printable(run.name), run.id, f"{run.step}/{run.total_steps}"]
            if run
            else [slot.label, "waiting" if slot.index in loop.slot_waits else "idle", "", "", ""]
        )
    lines += ["", printing.table(["slot", "state", "run", "id", "step"], rows, texts=(2,), cells=cells)]
    for slot in loop.spec.slots:
        run = in_slots.get(slot.index)
        if why := loop.slot_waits.get(slot.index) or (run and run.waits):
            lines.append(printing.printable(f"{slot.label} waits: {why}"))
    lines += [printing.printable(why) for why in loop.unreachable.values() if loop.state is LoopState.ACTIVE]
    if deliveries := store.deliveries(number):
        from autoloop.hooks.health import failing

        lines += [printing.printable(each.words) for each in failing(deliveries)]
    broken = (RunState.FAILED, RunState.LOST)
    if failed := sum(counts.get(state, 0) for state in broken):
        last = f", the last {MOST_FAILURES}" if failed > MOST_FAILURES else ""
        lines += ["", f"{failed} failed{last}:"]
    ended_badly = [run for state in broken for run in store.newest_in(number, state, MOST_FAILURES)]
    for run in sorted(ended_badly, key=lambda run: run.ended_at or 0.0)[-MOST_FAILURES:]:
        attempts = store.attempts(run.id)
        lines.append(printing.printable(f"  {run.name} ({run.id}) {run.state.value}: {run.reason or ''}"))
        if attempts and (diagnosis := attempts[-1].diagnosis):
            lines += [printing.printable(f"    {text}") for text in diagnosis.details]
    ended_runs = [run for state in RunState if state.ended for run in store.newest_in(number, state, RECENT)]
    noted = sorted((run for run in ended_runs if run.notes), key=lambda run: run.ended_at or 0.0)
    lines += ["", "notes on results:"] if noted else []
    lines += [printing.printable(f"  {run.name} ({run.id}): {note}") for run in noted[-MOST_FAILURES:] for note in run.notes]
    if notes := store.notes(number)[-MOST_NOTES:]:
        lines += ["", "notes:"]
        lines += [printing.printable(f"  {each.where}, {each.author}: {each.text}") for each in notes]
    if loop.state is not LoopState.ACTIVE or then_proposal(store, loop):
        lines += ["", *_result(store, loop, metrics())]
    elif then := then_line(store, loop):
        lines.append(printing.printable(then))
    indented = [(line, line[: len(line) - len(line.lstrip(" "))]) for text in lines for line in text.split("\n")]
    return "\n".join(part for line, indent in indented for part in printing.wrapped(line, cells, others=f"{indent}  "))


def _present(store: Store, loop: Loop) -> Mapping[str, Presence]:
    """Return the presence of the processes of a loop that no engine runs."""
    from autoloop.engine.runs.presence import presences

    return presences(store, loop)


def _state(run: Run, found: Mapping[str, Presence]) -> str:
    """Return the stored state, unless a check of the processes shows otherwise."""
    presence = found.get(run.id)
    if presence is not None and presence.over:
        return presence.value
    return "waiting" if run.waits and run.state is RunState.RUNNING else run.state.value


def _best(store: Store, loop: Loop, metrics: MetricBook) -> BestRun | None:
    """Return the best run of an ended loop; computed only if no engine has recorded it."""
    if loop.best:
        return loop.best
    from autoloop.engine.rounds.best import best_run

    return best_run(store, loop.id, metrics)


def _result_document(store: Store, loop: Loop, metrics: Callable[[], MetricBook]) -> ResultDocument | None:
    """Return the result of an ended loop; None if it is active or if no finished run has a key metric."""
    best = None if loop.state is LoopState.ACTIVE else _best(store, loop, metrics())
    if best is None:
        return None
    found = loop.outcome
    between = found.comparison if found else None
    return {
        "extreme": best.word,
        "statistic": "last",
        "metric": best.metric,
        "value": best.value,
        "run": best.run,
        "baseline": found.baseline.run if found else None,
        "first": found.first.run if found else None,
        "verdict": between,
    }


def _then_document(store: Store, loop: Loop, then: Proposal | None) -> ThenDocument | None:
    """Return the progress of `--then`; None for a loop without it. `run`: the run that continues, once known."""
    if loop.spec.extend_winner is None:
        return None
    run = store.run(then.run or then.base_run) if then else None
    return {
        "extend": loop.spec.extend_winner,
        "proposal": then.id if then else None,
        "status": then.status.value if then else None,
        "run": run.id if run else None,
        "state": run.state.value if then and then.run and run else None,
        "step": run.step if run else None,
        "text": then_line(store, loop),
    }


def _where(attempt: Attempt | None) -> WhereDocument:
    handle = attempt.handle or {} if attempt else {}
    return {
        "node": attempt.node if attempt else None,
        "job": handle.get("job"),
        "partition": handle.get("partition"),
    }


def _result(store: Store, loop: Loop, metrics: MetricBook) -> list[str]:
    """Return the result of an ended loop as lines, and the path of its report."""
    lines = result_lines(store, msgspec.structs.replace(loop, best=_best(store, loop, metrics)), metrics)
    return [*map(printing.printable, lines), printing.printable(f"report: {loop.spec.markdown_out}")]


def _live_line(store: Store, proposal: Proposal) -> str:
    """Return a line on what a live rule did or asks for, and the evidence."""
    base = store.run(proposal.base_run)
    step = proposal.live.step if proposal.live else base.step
    seen = evidence_text(proposal.evidence) if proposal.evidence else ""
    asked = "relaunch" if proposal.edits else "stop"
    what = {
        ProposalStatus.PENDING: f"asks to {asked} it: `autoloop-tui approve {proposal.id}` or `reject`",
        ProposalStatus.LAUNCHED: f"relaunched as run {proposal.run}",
        ProposalStatus.DONE: "stopped",
        ProposalStatus.BLOCKED: f"the run continues: {proposal.blocked}",
    }.get(proposal.status, proposal.status.value)
    return printing.printable(
        f"live rule {proposal.origin}: {base.name} ({base.id}) at step {step}: {seen or proposal.reason}; {what}"
    )


def loop_document(store: Store, loop: Loop) -> LoopDocument:
    from autoloop_tui.cli.documents.loops import LoopDocument

    return LoopDocument.of(loop, state_now(store, loop))


def status_document(store: Store, snapshot: Snapshot, metrics: Callable[[], MetricBook]) -> StatusDocument:
    from autoloop.hooks.health import healths

    from autoloop_tui.cli.documents.loops import NoteDocument

    then = then_proposal(store, snapshot.loop)
    waiting = waiting_for(snapshot.loop, snapshot.round, then)
    driven = holder(store.places.lock(snapshot.loop.name))
    found = {} if driven else _present(store, snapshot.loop)
    return {
        "loop": loop_document(store, snapshot.loop),
        "engine": {"pid": driven.pid, "host": driven.host} if driven else None,
        "result": _result_document(store, snapshot.loop, metrics),
        "report": None if snapshot.loop.state is LoopState.ACTIVE else snapshot.loop.spec.markdown_out,
        "then": _then_document(store, snapshot.loop, then),
        "rounds": snapshot.rounds,
        "waits_for": waiting,
        "notes": list(map(NoteDocument.of, snapshot.notes)),
        "requests": [
            {
                "request": command.kind,
                "sender": command.sender,
                "sent_at": command.sent_at,
                "ok": command.ok,
                "answer": command.answer,
            }
            for command in store.last_commands(snapshot.loop.id, MOST_REQUESTS)
        ],
        "hooks": list(healths(snapshot.deliveries).values()),
        "slots": [
            {
                "slot": slot.label,
                "run": run.id if (run := snapshot.in_slot(slot.index)) else None,
                "state": _state(run, found) if run else None,
                "waits_for": snapshot.loop.slot_waits.get(slot.index) or (run.waits if run else None),
                "place": slot.place,
                **_where(snapshot.attempts.get(run.id) if run and slot.place != LOCAL else None),
            }
            for slot in snapshot.loop.spec.slots
        ],
        "runs": {
            run.id: {
                "name": run.name,
                "round": run.round,
                "state": run.state,
                "process": found.get(run.id),
                "step": run.step,
                "reason": run.reason,
                "notes": run.notes,
                "cause": attempt.diagnosis if (attempt := snapshot.attempts.get(run.id)) else None,
            }
            for run in snapshot.runs
        },
    }
