"""Commands that act on a loop or a run: stop, kill, pause, resume, retry, extend, move.

All act on the newest loop unless --loop names one.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec
from autoloop import whoami
from autoloop.engine.commands.permission import check_early
from autoloop.engine.driver.lock import holder
from autoloop.model import Loop, LoopState, RunState, UserError
from autoloop.protocol import Extend, Kill, Move, Pause, Resume, Retry, Stop
from autoloop.store import Command, Store
from autoloop.text.plural import plural
from msgspec import UNSET

from autoloop_tui import client
from autoloop_tui.cli import run_flags
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import LoopName, RunName


def stop(run: str | None = None, /, *, loop: LoopName = None) -> int:
    """Stop a run, or the whole loop: interrupt, then terminate, then kill. Files are kept.

    Parameters
    ----------
    run
        A run's id or name; by default, the whole loop.
    """
    return _stop(Stop, run, loop)


def kill(run: str | None = None, /, *, loop: LoopName = None) -> int:
    """Kill a run, or the whole loop, immediately.

    Parameters
    ----------
    run
        A run's id or name; by default, the whole loop.
    """
    return _stop(Kill, run, loop)


def pause(*, loop: LoopName = None) -> int:
    """Start no new run until `resume`; active runs continue."""
    with client.opened(loop) as (store, found):
        return printing.print_answer(client.ask(store, found, Pause()))


def resume(
    *,
    loop: LoopName = None,
    no_ui: bool = False,
    max_hours: float | None = None,
    max_runs: int | None = None,
    rules: str | None = None,
) -> int:
    """Resume a paused queue, a stopped loop, or a loop whose engine has died.

    Parameters
    ----------
    no_ui
        Run it in this terminal, without the console.
    max_hours
        Stop this many hours from now.
    max_runs
        Maximum number of runs the loop may start in total.
    rules
        Judge by these rules (.toml or .py) from now on, including a round that could not be judged before.
    """
    from autoloop.engine.planning import limits

    request = Resume(max_hours=max_hours, max_runs=max_runs)
    sender = whoami.this_process()
    with client.opened(loop) as (store, found):
        check_early(store, found, sender, request)
        started, now = store.started_runs(found.id), time.time()
        more = limits.apply_resume_limits(request, found, started, now)
        over = limits.exhausted_reason(more, started, now)
        if rules is not None and found.state is not LoopState.FINISHED:
            if client.alive(store, found):
                raise UserError(f"{found.name} is running: `autoloop-tui stop` it first, then resume it with --rules.")
            from autoloop.engine.planning.frozen import replace_rules

            found = replace_rules(store, found, run_flags.absolute(Path.cwd(), rules))
        if client.alive(store, found):
            if found.state is LoopState.STOPPED:
                raise UserError(
                    f"{found.name} is still waiting for its runs to end; resume it when `autoloop-tui wait` returns, or "
                    "`autoloop-tui kill` them first."
                )
            return printing.print_answer(client.ask(store, found, request))
        if found.state is LoopState.FINISHED:
            raise UserError(f"{found.name} has finished ({found.reason}); there is nothing to resume.")
        if over and found.state is LoopState.STOPPED:
            raise UserError(f"{found.name} was {over}.")
        told = [event.id for event in store.events(found.id)]
        store.send(found.id, request, sender)
        if no_ui:
            from autoloop_tui.cli.output import events

            return events.drive_loop(store, found, max(told, default=0))
        from autoloop.engine.driver.process import spawn
        from autoloop.engine.planning.frozen import differences

        engine = spawn(store, found)
        where = " of another container" if engine.contained else ""
        print(f"{found.name} continues in the background (process {engine.pid}{where}).")
        for note in differences(store.places, found):
            printing.complain(f"note: {printing.printable(note)}")
        _note_what_is_wrong(found)
        return 0


def _note_what_is_wrong(loop: Loop) -> None:
    """Print preflight errors for the coming runs as notes.

    This happens after the loop has resumed, because active runs need not wait for the checks.
    """
    from autoloop.settings import load_settings

    from autoloop_tui.cli import checking

    try:
        settings = load_settings(Path(loop.spec.cwd))
        found = checking.check_spec(msgspec.structs.replace(loop.spec, configs=[]), settings)
    except UserError as error:  # for example, a file of which the loop has its own copy
        printing.complain(f"note: {printing.printable(str(error))}")
        return
    for each in found:
        if each.level == "error":
            advice = f"; {each.advice}" if each.advice else ""
            printing.complain(f"note: {printing.printable(f'{each.subject}: {each.text}{advice}')}")


def retry(run: RunName, /, *, loop: LoopName = None) -> int:
    """Queue a failed or stopped run of the current round again; an extended run continues from its checkpoint."""
    from autoloop.engine.runs.resume import was_resumed

    with client.opened(loop) as (store, found):
        chosen = store.find_run(found, run)
        if was_resumed(store.attempts(chosen.id)):
            return _goes_on(store, found, Retry(run=chosen.id))
        return printing.print_answer(client.ask(store, found, Retry(run=chosen.id)))


def extend(run: RunName, /, *, steps: int, loop: LoopName = None) -> int:
    """Continue an ended run from its last checkpoint to more steps; continues the loop if it has ended.

    Parameters
    ----------
    steps
        The new total number of steps.
    """
    from autoloop.engine.planning.frozen import preset_of
    from autoloop.engine.runs.resume import refusal

    with client.opened(loop) as (store, found):
        chosen = store.find_run(found, run)
        if problem := refusal(preset_of(store.places, found), chosen, steps):
            raise UserError(problem)
        return _goes_on(store, found, Extend(run=chosen.id, steps=steps))


def move(run: RunName, /, *, before: str | None = None, loop: LoopName = None) -> int:
    """Move a queued run before another one, or to the end of the queue.

    Parameters
    ----------
    run
        A queued run's id or name.
    before
        The id or name of the run to place it before.
    """
    with client.opened(loop) as (store, found):
        moved = store.find_run(found, run)
        place = None if before is None else store.find_run(found, before).id
        return printing.print_answer(client.ask(store, found, Move(run=moved.id, before=place)))


def _goes_on(store: Store, loop: Loop, request: Retry | Extend) -> int:
    """Ask for an extension or retry; start an engine if the loop has ended."""
    answer, started = client.ask_waking(store, loop, request)
    if started:
        answer += f"; {loop.name} continues in the background; `autoloop-tui wait` returns when it ends"
    return printing.print_answer(answer)


def _stop(kind: type[Stop] | type[Kill], run: str | None, loop: str | None) -> int:
    """Stop runs through the loop's engine, through a newly started one, or if none can start, through the supervisors."""
    sender = whoami.this_process()
    with client.opened(loop) as (store, found):
        chosen = store.find_run(found, run) if run is not None else None
        request = kind(run=chosen.id) if chosen else kind()
        check_early(store, found, sender, request)
        if client.alive(store, found):
            return _stop_driven(store, found, request)
        from autoloop.engine.driver.unattended import executing, stop_without_engine

        def stop_it() -> int:
            number = chosen.id if chosen else None
            return printing.print_answer(stop_without_engine(store, found, number, kill=kind is Kill, sender=sender))

        if chosen is not None:
            # An engine would continue the whole loop, so none is started: the queued runs wait until a user wants them.
            return (
                stop_it()
                if chosen.state is not RunState.QUEUED
                else printing.print_answer(client.ask(store, found, request))
            )
        if found.state is not LoopState.ACTIVE and not executing(store, found):
            raise UserError(f"{found.name} is {found.state.value} already ({found.reason}).")
        try:
            return printing.print_answer(client.ask_waking(store, found, request)[0])
        except client.NoAnswer:
            return _stop_driven(store, found, request)
        except UserError as error:
            if client.alive(store, found):
                raise
            printing.complain(f"note: {printing.printable(str(error))}")
            for command in store.open_commands(found.id):
                if _asks(command, request):
                    store.answer(command.id, True, "carried out without an engine")
            return stop_it()


def _asks(command: Command, request: Stop | Kill) -> bool:
    with contextlib.suppress(UserError):  # a row that holds no valid request is left to the next engine
        return command.request == request
    return False


def _stop_driven(store: Store, loop: Loop, request: Stop | Kill) -> int:
    """Stop runs even if the engine hangs. The request is kept for this or the next engine."""
    from autoloop.engine.driver.unattended import ask_supervisors, executing

    run = None if request.run is UNSET else request.run
    kill = isinstance(request, Kill)
    try:
        return printing.print_answer(client.ask(store, loop, request))
    except client.NoAnswer:
        engine = holder(store.places.lock(loop.name))
        asked = ask_supervisors(loop, executing(store, loop, run), kill=kill)
        if not asked:
            raise
    runs = f"{plural(asked, 'run')} {'killed' if kill else 'asked to stop'}"
    who = f"the engine ({engine.words}) does not answer" if engine else "the engine is gone"
    return printing.print_answer(
        f"{who}, so its supervisors were asked: {runs}. If it hangs, kill it and `autoloop-tui resume`."
    )
