"""Commands that look at a loop and its runs: status, runs, logs, reports, waiting for the end.

All act on the newest loop unless --loop names one.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from autoloop.engine.budget import in_words, quiet_in_words, quiet_until
from autoloop.model import Loop, LoopState, Proposal, ProposalStatus, Round, RoundState, Run, RunState, UserError
from autoloop.rules import in_words as evidence_in_words
from autoloop.runners import bounded_log
from autoloop.store import Snapshot, Store, take_snapshot
from autoloop.wandb_cloud.key import masked, unsure
from cyclopts import Parameter

from autoloop_tui import client, plain

if TYPE_CHECKING:
    from autoloop.metrics import MetricBook

MOST_FAILURES = 5
"""So many failed runs `status` explains; `runs` lists them all."""

MOST_LIVE = 5
"""So many acts of live rules `status` tells; `proposals` lists them all."""

# ------------------------------------------------------------------------------------------------------------- looking


def status(
    *, loop: str | None = None, json: bool = False, all_: Annotated[bool, Parameter(name="--all")] = False
) -> int:
    """How a loop stands: its round, slots, queue, and what it waits for.

    Parameters
    ----------
    loop
        Which loop (name or number); the newest by default.
    json
        For programs.
    all_
        List all loops of this project instead.
    """
    with client.opened(loop) as (store, found):
        if all_:
            loops = store.loops()
            if json:
                print(plain.json_text([_loop_document(store, each) for each in loops]))
            else:
                rows = [[each.id, each.name, _state(store, each), plain.printable(each.reason or "")] for each in loops]
                print(plain.table(["#", "loop", "state", ""], rows))
            return 0
        if json:
            print(plain.json_text(_status_document(store, take_snapshot(store, found.id))))
        else:
            with store.reading():
                print(_status_text(store, found.id))
    return 0


def runs(*, loop: str | None = None, json: bool = False, round: int | None = None) -> int:
    """All runs of a loop with their key metrics.

    Parameters
    ----------
    loop
        Which loop; the newest by default.
    json
        For programs: everything that is known of each run.
    round
        Only this round.
    """
    from autoloop_tui import headless

    with client.opened(loop) as (store, found):
        if round is not None and round not in [each.number for each in store.rounds(found.id)]:
            raise UserError(f"{found.name} has no round {round}; it is in round {len(store.rounds(found.id))}.")
        listed = store.runs(found.id, round)
        if json:
            print(plain.json_text(listed))
        else:
            print(headless.runs_table(listed, _metric_book()))
    return 0


def logs(
    run: str | None = None,
    /,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    loop: str | None = None,
) -> int:
    """Print a run's log; without a run, that of the run that started last.

    Parameters
    ----------
    run
        A run's id or name.
    follow
        Go on until the run ends.
    loop
        Which loop; the newest by default.
    """
    with client.opened(loop) as (store, found):
        chosen = client.find_run(store, found, run) if run else _last_started(store, found)
        attempts = store.attempts(chosen.id)
        if not attempts:
            raise UserError(f"{chosen.name} ({chosen.id}) has not started, so it has no log yet.")
        path = Path(attempts[-1].directory) / "log.txt"
        offset = left_out = 0
        while True:
            ended = store.run(chosen.id).state.ended
            offset, left_out = _copy(path, offset, left_out, ended or not follow)
            if not follow or ended:
                return 0
            time.sleep(0.3)


def report(*, loop: str | None = None) -> int:
    """Write the summary JSON and the Markdown report again, from the store.

    Parameters
    ----------
    loop
        Which loop; the newest by default.
    """
    from autoloop import reports

    with client.opened(loop) as (store, found):
        problems = [reports.write_summary(store, found.id), reports.write_markdown(store, found.id, _metric_book())]
        for problem in filter(None, problems):
            print(problem, file=sys.stderr)
        print(found.spec.summary_out)
        print(found.spec.markdown_out)
        return 1 if any(problems) else 0


def wait(*, loop: str | None = None, quiet: bool = False) -> int:
    """Wait until a loop ends; the exit code is the loop's: 0 finished, 1 something failed, 130 stopped.

    Parameters
    ----------
    loop
        Which loop; the newest by default.
    quiet
        Do not print what happens meanwhile.
    """
    from autoloop_tui import headless

    with client.opened(loop) as (store, found):
        story = headless.Story(store, found, _metric_book())
        told = [event.id for event in store.events(found.id)]
        code = headless.follow_loop(store, found, (lambda _: None) if quiet else story.tell, max(told, default=0))
        print(_headline(store, store.loop(found.id)))
        return code


# --------------------------------------------------------------------------------------------------------- in words


def _state(store: Store, loop: Loop) -> str:
    if loop.state is LoopState.ACTIVE:
        if not client.alive(store, loop):
            return "orphaned"
        return "paused" if loop.paused else "running"
    return loop.state.value


def waiting_for(loop: Loop, round_: Round | None) -> str | None:
    """What a person has to do before the loop goes on."""
    if loop.state is LoopState.ACTIVE and loop.waits_for:
        return f"room: {loop.waits_for}"
    if loop.state is LoopState.ACTIVE and round_ and round_.state is RoundState.DECIDING:
        if round_.start_at is not None:
            left = max(0.0, round_.start_at - time.time())
            return f"round {round_.number + 1}, which starts in {left:.0f} s unless you `undo` a decision or `hold` it"
        if round_.decide_by:
            at = time.strftime("%H:%M", time.localtime(round_.decide_by))
            return f"decisions on the proposals for round {round_.number + 1}, by itself at {at}"
        return f"decisions on the proposals for round {round_.number + 1}"
    return None


def _headline(store: Store, loop: Loop) -> str:
    """`loop_1700000000 · its name  finished: why`."""
    name = f" · {plain.printable(loop.spec.name)}" if loop.spec.name else ""
    reason = f": {plain.printable(loop.reason)}" if loop.reason else ""
    return f"{loop.name}{name}  {_state(store, loop)}{reason}"


def _status_text(store: Store, number: int) -> str:
    """Asks for what it shows only: a loop may have many thousand runs."""
    loop = store.loop(number)
    lines = [_headline(store, loop)]
    if _state(store, loop) == "orphaned":
        lines.append("No engine drives it; its runs go on. `autoloop-tui resume` takes it up again.")
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
    waiting = waiting_for(loop, round_)
    if waiting:
        lines.append(f"waits for {waiting}")
    live = [p for p in store.proposals(number, round_.number) if p.live] if round_ else []
    lines += [_live_line(store, proposal) for proposal in live[-MOST_LIVE:]]
    if limits := in_words(loop, store.started_runs(number) if loop.max_runs is not None else 0):
        lines.append(f"budget: {limits}")
    quiet = quiet_until(loop.spec.quiet_hours, time.time())
    if quiet and loop.state is LoopState.ACTIVE and counts.get(RunState.QUEUED):
        lines.append(quiet_in_words(quiet))
    slots = loop.spec.slots
    executing = (RunState.RUNNING, RunState.STOPPING)
    in_slots = {run.slot: run for state in executing for run in store.newest_in(number, state, len(slots))}
    rows = []
    for slot in slots:
        run = in_slots.get(slot.index)
        rows.append(
            [slot.label, run.state.value, plain.printable(run.name), run.id, f"{run.step}/{run.total_steps}"]
            if run
            else [slot.label, "waiting" if slot.index in loop.slot_waits else "idle", "", "", ""]
        )
    lines += ["", plain.table(["slot", "state", "run", "id", "step"], rows)]
    for slot in loop.spec.slots:
        if why := loop.slot_waits.get(slot.index):
            lines.append(plain.printable(f"{slot.label} waits: {why}"))
    broken = (RunState.FAILED, RunState.LOST)
    if failed := sum(counts.get(state, 0) for state in broken):
        last = f", the last {MOST_FAILURES}" if failed > MOST_FAILURES else ""
        lines += ["", f"{failed} failed{last}:"]
    found = [run for state in broken for run in store.newest_in(number, state, MOST_FAILURES)]
    for run in sorted(found, key=lambda run: run.ended_at or 0.0)[-MOST_FAILURES:]:
        attempts = store.attempts(run.id)
        lines.append(plain.printable(f"  {run.name} ({run.id}) {run.state.value}: {run.reason or ''}"))
        if attempts and (diagnosis := attempts[-1].diagnosis):
            lines += [plain.printable(f"    {text}") for text in diagnosis.details]
    return "\n".join(lines)


def _live_line(store: Store, proposal: Proposal) -> str:
    """What a live rule did or asks, on what evidence."""
    base = store.run(proposal.base_run)
    step = proposal.live.step if proposal.live else base.step
    seen = evidence_in_words(proposal.evidence) if proposal.evidence else ""
    asked = "relaunch" if proposal.edits else "stop"
    what = {
        ProposalStatus.PENDING: f"asks to {asked} it: `autoloop-tui approve {proposal.id}` or `reject`",
        ProposalStatus.LAUNCHED: f"relaunched as run {proposal.run}",
        ProposalStatus.DONE: "stopped",
        ProposalStatus.BLOCKED: f"goes on: {proposal.blocked}",
    }.get(proposal.status, proposal.status.value)
    rule = proposal.evidence.rule if proposal.evidence else proposal.author
    return plain.printable(f"live rule {rule}: {base.name} ({base.id}) at step {step}: {seen or proposal.reason}; {what}")


def _loop_document(store: Store, loop: Loop) -> dict[str, Any]:
    return {"state_now": _state(store, loop), **msgspec.to_builtins(loop)}


def _status_document(store: Store, snapshot: Snapshot) -> dict[str, Any]:
    waiting = waiting_for(snapshot.loop, snapshot.round)
    return {
        "loop": _loop_document(store, snapshot.loop),
        "rounds": snapshot.rounds,
        "waits_for": waiting,
        "slots": [
            {
                "slot": slot.label,
                "run": run.id if (run := snapshot.in_slot(slot.index)) else None,
                "waits_for": snapshot.loop.slot_waits.get(slot.index),
            }
            for slot in snapshot.loop.spec.slots
        ],
        "runs": {
            run.id: {
                "name": run.name,
                "round": run.round,
                "state": run.state,
                "step": run.step,
                "reason": run.reason,
                "cause": attempt.diagnosis if (attempt := snapshot.attempts.get(run.id)) else None,
            }
            for run in snapshot.runs
        },
    }


def _metric_book() -> MetricBook:
    from autoloop.settings import load_settings

    return load_settings(Path.cwd()).metric_book(Path.cwd())


def _last_started(store: Store, loop: Loop) -> Run:
    started = [run for run in store.runs(loop.id) if run.started_at]
    if not started:
        raise UserError(f"No run of {loop.name} has started yet, so there is no log.")
    return max(started, key=lambda run: run.started_at or 0.0)


def _copy(path: Path, offset: int, left_out: int, ended: bool) -> tuple[int, int]:
    """Write what the log holds beyond `offset` to stdout; the new offset, and how many bytes are left out of the log now.

    Not `ended`: what may be the beginning of a key is left for the next time.

    Control sequences stay when it is piped, for it is the raw log then, and are made harmless on a terminal.
    """
    try:
        with path.open("rb") as file:
            before, left_out = left_out, bounded_log.left_out(file.fileno())
            offset = bounded_log.moved(offset, before, left_out)
            file.seek(offset)
            data = b""
            while chunk := file.read(1 << 20):
                data += chunk
                # The rest of a key may stand in the next chunk, or be printed after our next look.
                end = len(data) - unsure(data, os.environ)
                _show(data[:end])
                offset, data = offset + end, data[end:]
            if ended:
                _show(data)
                offset += len(data)
    except FileNotFoundError:
        pass
    return offset, left_out


def _show(data: bytes) -> None:
    data = masked(data, os.environ)
    if sys.stdout.isatty():
        text = data.decode("utf-8", "replace")
        data = "".join(c if c.isprintable() or c in "\n\r\t" else "�" for c in text).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
