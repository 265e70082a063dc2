"""The folder of a project, shared by all tests that need one.

Three subclasses add the subjects of their tests: `EngineProject` loops that really run (tests/engine/project.py),
`CommandProject` the command line (tests/cli/project.py), `RecordedProject` rows and files as an engine would have left them
(tests/console/projects.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from autoloop.engine.driver.lock import holder
from autoloop.model import Attempt
from autoloop.runners import local, procfs
from autoloop.store import Store

from tests.support.processes import await_end, supervisor_of
from tests.support.waiting import eventually


class Project:
    """Files of a project and its store. `close` ends every engine, supervisor and trainer that was started here."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    # ------------------------------------------------------------------------------------------------------- files

    def write(self, name: str, text: str) -> str:
        """Write a file of the project (rules, a preset, settings …) and return its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def write_config(self, name: str, config: Mapping[str, Any]) -> str:
        """Write `<name>.json` and return its path."""
        return self.write(f"{name}.json", json.dumps(config, indent=2))

    def gate(self, name: str = "a") -> Path:
        """Return the path of a file that does not exist yet; `touch` lets the trainers that wait for it continue."""
        return self.folder / f"{name}.gate"

    # ------------------------------------------------------------------------------------------------------- store

    def open_store(self) -> Store:
        """Open the store as commands left it; the caller closes it."""
        return Store.open(self.folder)

    def attempts(self) -> list[Attempt]:
        """Return the attempts of all loops."""
        with self.open_store() as store:
            return attempts_in(store)

    # --------------------------------------------------------------------------------------------- nothing is left

    def engines(self) -> list[int]:
        """Return the pids of other processes that drive a loop of this project."""
        held = [holder(path) for path in (self.folder / ".autoloop/locks").glob("*")]
        return [engine.pid for engine in held if engine and engine.pid not in (0, os.getpid())]

    def senders(self) -> list[int]:
        """Return the pids of the processes that send this project's messages to hooks."""
        found, wanted = [], {b"autoloop.hooks.sender", str(self.folder.resolve()).encode()}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if wanted <= set((entry / "cmdline").read_bytes().split(b"\0")):
                        found.append(int(entry.name))
        return found

    def left_over(self) -> list[str]:
        """Return what still runs for any attempt of this project: supervisors, and processes with an attempt's mark."""
        attempts = self.attempts()
        supervisors = [f"supervisor of {attempt.id}" for attempt in attempts if supervisor_of(attempt)]
        return supervisors + [f"process {pid} of {attempt.id}" for pid, attempt in marked(attempts)]

    def close(self) -> None:
        if not (self.folder / ".autoloop").exists():  # nothing was started, or the folder was moved
            return
        for pid in self.engines():
            end(pid)
        for pid in self.senders():
            await_end(pid, "the sender of hooks", number=signal.SIGKILL)
        attempts = self.attempts()
        for attempt in attempts:
            if supervisor := supervisor_of(attempt):
                local.request_stop(supervisor, Path(attempt.directory), kill=True)
        for attempt in attempts:
            eventually(partial(_has_no_supervisor, attempt), f"the end of {attempt.id}")
        for attempt in {attempt.id: attempt for _, attempt in marked(attempts)}.values():
            local.sweep(attempt.id, Path(attempt.directory))
        local.reap()


def attempts_in(store: Store) -> list[Attempt]:
    return [attempt for loop in store.loops() for attempt in store.loop_attempts(loop.id)]


def end(pid: int) -> None:
    """Kill an engine and wait until it is gone."""
    await_end(pid, "the engine", number=signal.SIGKILL)


def _has_no_supervisor(attempt: Attempt) -> bool:
    return supervisor_of(attempt) is None


def marked(attempts: list[Attempt]) -> list[tuple[int, Attempt]]:
    """Return the processes with the mark of one of these attempts, as pids with their attempts."""
    marks = {f"{procfs.MARK}={attempt.id}".encode(): attempt for attempt in attempts}
    found = []
    for entry in Path("/proc").iterdir() if marks else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                found += [(int(entry.name), marks[variable]) for variable in variables if variable in marks]
    return found
