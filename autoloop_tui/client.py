"""Communication with engines: send a request and wait for its answer; follow a loop's events until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autoloop.engine.driver.lock import holder
from autoloop.model import Event, Loop, LoopState, RunState, Sender, UserError
from autoloop.protocol import Agents, Note, Request, verb
from autoloop.store import Command, Store
from autoloop.text.values import duration

if TYPE_CHECKING:
    from autoloop.explaining import Explanation

ANSWER_TIMEOUT = 10.0
"""Seconds to wait for a running engine's answer; the engine polls five times a second."""


class NoAnswer(UserError):
    """The engine is running but has not answered in time; the command is kept."""


@contextmanager
def opened(loop: str | None = None) -> Iterator[tuple[Store, Loop]]:
    """Open the project's store and find a loop: the named one, else the newest."""
    with Store.open(Path.cwd()) as store:
        yield store, store.find_loop(loop)


def chosen_loops(store: Store, names: Sequence[str]) -> list[Loop]:
    """Return the loops with these names or numbers, without duplicates.

    Without any, or with `all`: every loop, newest first.
    """
    if not names or "all" in names:
        return store.loops()
    return list({found.id: found for found in map(store.find_loop, names)}.values())


def alive(store: Store, loop: Loop) -> bool:
    return holder(store.places.lock(loop.name)) is not None


def ask(store: Store, loop: Loop, request: Request, sender: Sender | None = None) -> str:
    """Send one request and return the engine's answer. The sender is this process if none is given.

    Raise UserError if the request is refused, or if the loop has no engine; then the command is kept for the next one.
    """
    if loop.state is LoopState.FINISHED and not alive(store, loop):
        raise UserError(f"{loop.name} has finished; it accepts no more commands.")
    from autoloop import whoami

    number = store.send(loop.id, request, sender or whoami.this_process())
    command = _answered(store, loop, number)
    if command is None:
        raise UserError(
            f"The engine of {loop.name} has stopped, so the command is kept: `autoloop-tui resume` continues the loop and "
            "carries it out."
        )
    return _text(command)


def ask_or_do(store: Store, loop: Loop, request: Note | Agents, sender: Sender | None = None) -> str:
    """Like `ask`, for requests that need no engine: without one, the request is carried out here."""
    if alive(store, loop):
        return ask(store, loop, request, sender)
    from autoloop import whoami
    from autoloop.engine.commands.directly import carry_out_directly

    return carry_out_directly(store, loop, request, sender or whoami.this_process())


def ask_waking(store: Store, loop: Loop, request: Request) -> tuple[str, bool]:
    """Like `ask`, but start an engine if the loop has none. Return the answer and whether an engine was started."""
    from autoloop import whoami
    from autoloop.engine.commands.permission import check_early

    sender = whoami.this_process()
    check_early(store, loop, sender, request)
    number = store.send(loop.id, request, sender)
    command = _answered(store, loop, number)
    if command is not None:
        return _text(command), False
    from autoloop.engine.driver.process import spawn

    spawn(store, store.loop(loop.id))
    command = _answered(store, loop, number)
    if command is None:
        raise UserError(
            f"The engine of {loop.name} ended before it could {verb(request)}; `autoloop-tui status` shows more."
        )
    return _text(command), True


def _text(command: Command) -> str:
    if not command.ok:
        raise UserError(command.answer or f"The engine refused to {command.kind}.")
    return command.answer or ""


def _answered(store: Store, loop: Loop, number: int) -> Command | None:
    """Wait until the command is answered and return it; None if there is no engine to answer it."""
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while time.monotonic() < deadline:
        driven = alive(store, loop)  # checked first: an engine may answer just before it exits
        command = store.command(number)
        if command.answered_at is not None:
            return command
        if not driven:
            return None
        time.sleep(0.02)
    raise NoAnswer(
        f"The engine of {loop.name} has not answered within {ANSWER_TIMEOUT:.0f} s; the command is kept, and "
        "`autoloop-tui status` shows whether it was carried out."
    )


def follow_events(store: Store, loop: Loop, on_event: Callable[[Event], None], after: int = 0) -> Loop:
    """Call `on_event` with every event until the loop or its engine has ended, and return the loop as it is then."""
    version = None
    while True:
        gone = not alive(store, loop)  # checked before the events are read, so that the last ones are not missed
        seen = store.version()
        if seen != version or gone:
            version = seen
            for event in store.events(loop.id, after):
                on_event(event)
                after = event.id
        if gone:
            return store.loop(loop.id)
        time.sleep(0.2)


def exit_code(store: Store, loop: Loop) -> int:
    """Return the exit code for a loop.

    0: finished. 1: something failed. 130: stopped by the user or a limit, or abandoned by its engine; it can be resumed.
    """
    if loop.state is LoopState.ACTIVE:
        return 130
    if loop.state is LoopState.STOPPED and loop.end is not None and loop.end.interrupted:
        return 130
    failed = any(run.state in (RunState.FAILED, RunState.LOST) for run in store.runs(loop.id))
    return 0 if loop.state is LoopState.FINISHED and not failed else 1


def waits_in_words(told: Explanation, now: float) -> list[tuple[str, str]]:
    """Return lines that say what is waited for, each with its style: `why` for secondary lines, else empty."""
    lines: list[tuple[str, str]] = []
    for wait in told.waits:
        since = f" (for {duration(now - wait.since)})" if wait.since is not None else ""
        lines += [(f"{wait.resource}: {wait.why}{since}", ""), (f"    until: {wait.ends}", "why")]
    return lines or [("It is not waiting for anything.", "why")]
