"""Commands on a loop and its runs: look, wait, stop, resume, read logs, write reports. All act on the newest loop unless
--loop names one."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from autoloop import reports
from autoloop.engine import spawn
from autoloop.model import Loop, LoopState, Round, RoundState, Run, RunState, UserError
from autoloop.settings import load_settings
from autoloop.store import Snapshot, Store, take_snapshot
from autoloop_tui import client, headless, plain

Flag = Parameter(negative="")


def register(app: App) -> None:
    for command in (status, runs, logs, report, wait, stop, kill, pause, resume, retry, move):
        app.command(command)


# ------------------------------------------------------------------------------------------------------------- looking


def status(*, loop: str | None = None, json: Annotated[bool, Flag] = False, all_: Annotated[
    bool, Parameter(name="--all", negative="")
] = False) -> int:
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
                _print_json([_loop_document(store, each) for each in loops])
            else:
                rows = [[each.id, each.name, _state(store, each), plain.printable(each.reason or "")] for each in loops]
                print(plain.table(["#", "loop", "state", ""], rows))
            return 0
        snapshot = take_snapshot(store, found.id)
        if json:
            _print_json(_status_document(store, snapshot))
        else:
            print(_status_text(store, snapshot))
    return 0


def runs(*, loop: str | None = None, json: Annotated[bool, Flag] = False, round: int | None = None) -> int:
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
    with client.opened(loop) as (store, found):
        listed = store.runs(found.id, round)
        if json:
            _print_json(listed)
        else:
            print(headless.runs_table(listed, load_settings(Path.cwd()).metric_book(Path.cwd())))
    return 0


def logs(run: str | None = None, *, follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
         loop: str | None = None) -> int:
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
        chosen = _choose(store, found, run)
        attempts = store.attempts(chosen.id)
        if not attempts:
            raise UserError(f"{chosen.name} ({chosen.id}) has not started, so it has no log yet.")
        path = Path(attempts[-1].directory) / "log.txt"
        offset = 0
        while True:
            ended = store.run(chosen.id).state.ended
            offset = _copy(path, offset)
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
    with client.opened(loop) as (store, found):
        metrics = load_settings(Path.cwd()).metric_book(Path.cwd())
        problems = [reports.write_summary(store, found.id), reports.write_markdown(store, found.id, metrics)]
        for problem in filter(None, problems):
            print(problem, file=sys.stderr)
        print(found.spec.summary_out)
        print(found.spec.markdown_out)
        return 1 if any(problems) else 0


def wait(*, loop: str | None = None, quiet: Annotated[bool, Flag] = False) -> int:
    """Wait until a loop ends; the exit code is the loop's: 0 finished, 1 something failed, 130 stopped.

    Parameters
    ----------
    loop
        Which loop; the newest by default.
    quiet
        Do not print what happens meanwhile.
    """
    with client.opened(loop) as (store, found):
        story = headless.Story(store, found, load_settings(Path.cwd()).metric_book(Path.cwd()))
        newest = store.events(found.id)[-1:]
        ended = client.follow_story(
            store, found, (lambda _: None) if quiet else story.tell, newest[0].id if newest else 0
        )
        if ended.state is LoopState.ACTIVE:
            raise UserError(f"No engine drives {ended.name} any more; `autoloop-tui resume` takes it up again.")
        print(f"{ended.name} {ended.state.value}: {plain.printable(ended.reason or '')}")
        return client.exit_code(store, ended)


# ------------------------------------------------------------------------------------------------------------- acting


def stop(run: str | None = None, *, loop: str | None = None) -> int:
    """Stop a run, or the whole loop: interrupt, wait, terminate, kill. What was written is kept.

    Parameters
    ----------
    run
        A run's id or name; without one the loop is stopped.
    loop
        Which loop; the newest by default.
    """
    return _stop("stop", run, loop)


def kill(run: str | None = None, *, loop: str | None = None) -> int:
    """Stop a run, or the whole loop, at once and without a clean end.

    Parameters
    ----------
    run
        A run's id or name; without one the loop is stopped.
    loop
        Which loop; the newest by default.
    """
    return _stop("kill", run, loop)


def pause(*, loop: str | None = None) -> int:
    """Start no new run until `resume`; running runs go on.

    Parameters
    ----------
    loop
        Which loop; the newest by default.
    """
    return _ask(loop, "pause")


def resume(*, loop: str | None = None, no_ui: Annotated[bool, Parameter(name="--no-ui", negative="")] = False) -> int:
    """Go on: with a paused queue, a stopped loop, or one whose engine has died.

    Parameters
    ----------
    loop
        Which loop; the newest by default.
    no_ui
        Drive it on this terminal.
    """
    with client.opened(loop) as (store, found):
        if client.alive(store, found):
            return _answered(client.ask(store, found, "resume"))
        if found.state is LoopState.FINISHED:
            raise UserError(f"{found.name} has finished ({found.reason}); there is nothing to resume.")
        store.send(found.id, "resume", {}, client.actor())
        if no_ui:
            return client.exit_code(store, headless.drive_loop(store, found))
        engine = spawn(store, found)
        print(f"{found.name} goes on in the background (process {engine.pid}).")
        return 0


def retry(run: str, *, loop: str | None = None) -> int:
    """Queue a failed or stopped run of the current round once more.

    Parameters
    ----------
    run
        A run's id or name.
    loop
        Which loop; the newest by default.
    """
    return _ask(loop, "retry", run=run)


def move(run: str, *, before: str | None = None, loop: str | None = None) -> int:
    """Move a queued run before another one, or to the end of the queue.

    Parameters
    ----------
    run
        A queued run's id or name.
    before
        The id of the run that it goes before.
    loop
        Which loop; the newest by default.
    """
    return _ask(loop, "move", run=run, before=before)


def _stop(kind: str, run: str | None, loop: str | None) -> int:
    with client.opened(loop) as (store, found):
        if run is None and not client.alive(store, found):
            raise UserError(
                f"{found.name} is {_state(store, found)}; no engine drives it. "
                + ("" if found.state is not LoopState.ACTIVE else "`autoloop-tui resume` takes it up again.")
            )
        return _answered(client.ask(store, found, kind, **({"run": run} if run else {})))


def _ask(loop: str | None, kind: str, **payload: Any) -> int:
    with client.opened(loop) as (store, found):
        return _answered(client.ask(store, found, kind, **payload))


def _answered(command: Any) -> int:
    if not command.ok:
        raise UserError(command.answer)
    print(plain.printable(command.answer))
    return 0


# --------------------------------------------------------------------------------------------------------- in words


def _state(store: Store, loop: Loop) -> str:
    if loop.state is LoopState.ACTIVE:
        if not client.alive(store, loop):
            return "orphaned"
        return "paused" if loop.paused else "running"
    return loop.state.value


def waiting_for(loop: Loop, round_: Round | None) -> str | None:
    """What a person has to do before the loop goes on."""
    if loop.state is LoopState.ACTIVE and round_ and round_.state is RoundState.DECIDING:
        if round_.decide_by:
            at = time.strftime("%H:%M", time.localtime(round_.decide_by))
            return f"decisions on the proposals for round {round_.number + 1}, by itself at {at}"
        return f"decisions on the proposals for round {round_.number + 1}"
    return None


def _status_text(store: Store, snapshot: Snapshot) -> str:
    loop = snapshot.loop
    state = _state(store, loop)
    lines = [
        f"{loop.name}{f' · {plain.printable(loop.spec.name)}' if loop.spec.name else ''}  {state}"
        + (f": {plain.printable(loop.reason)}" if loop.reason else "")
    ]
    if state == "orphaned":
        lines.append("No engine drives it; its runs go on. `autoloop-tui resume` takes it up again.")
    if snapshot.round:
        ended = [run for run in snapshot.runs_of(snapshot.round.number) if run.state.ended]
        total = len(snapshot.runs_of(snapshot.round.number))
        lines.append(
            f"round {snapshot.round.number} of {loop.spec.rounds}: {snapshot.round.state.value}, "
            f"{len(ended)} of {total} runs ended, "
            f"{sum(run.state is RunState.QUEUED for run in snapshot.runs)} queued"
        )
    waiting = waiting_for(loop, snapshot.round)
    if waiting:
        lines.append(f"waits for {waiting}")
    rows = []
    for slot in loop.spec.slots:
        run = snapshot.in_slot(slot.index)
        rows.append(
            [slot.label, run.state.value, plain.printable(run.name), run.id, f"{run.step}/{run.total_steps}"]
            if run
            else [slot.label, "idle", "", "", ""]
        )
    return "\n".join([*lines, "", plain.table(["slot", "state", "run", "id", "step"], rows)])


def _loop_document(store: Store, loop: Loop) -> dict[str, Any]:
    return {"state_now": _state(store, loop), **msgspec.to_builtins(loop)}


def _status_document(store: Store, snapshot: Snapshot) -> dict[str, Any]:
    waiting = waiting_for(snapshot.loop, snapshot.round)
    return {
        "loop": _loop_document(store, snapshot.loop),
        "rounds": snapshot.rounds,
        "waits_for": waiting,
        "slots": [
            {"slot": slot.label, "run": run.id if (run := snapshot.in_slot(slot.index)) else None}
            for slot in snapshot.loop.spec.slots
        ],
        "runs": {run.id: {"name": run.name, "round": run.round, "state": run.state, "step": run.step}
                 for run in snapshot.runs},
    }


def _print_json(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def _choose(store: Store, loop: Loop, wanted: str | None) -> Run:
    candidates = store.runs(loop.id)
    if wanted is None:
        started = [run for run in candidates if run.started_at]
        if not started:
            raise UserError(f"No run of {loop.name} has started yet.")
        return max(started, key=lambda run: run.started_at or 0.0)
    found = [run for run in candidates if wanted in (run.id, run.name)]
    if not found:
        raise UserError(f"{loop.name} has no run {wanted!r}; `autoloop-tui runs` lists them.")
    return found[-1]


def _copy(path: Path, offset: int) -> int:
    """Write what the log holds beyond `offset` to stdout; the new offset. Control sequences stay: it is the raw log when
    piped, and made harmless on a terminal."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(1 << 20):
                offset += len(chunk)
                if sys.stdout.isatty():
                    text = chunk.decode("utf-8", "replace")
                    chunk = "".join(c if c.isprintable() or c in "\n\r\t" else "�" for c in text).encode()
                os.write(sys.stdout.fileno(), chunk)
    except FileNotFoundError:
        pass
    return offset
