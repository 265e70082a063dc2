"""Real attempts in a temporary folder that leave nothing behind."""

from __future__ import annotations

import json
import os
import select
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoloop.model import ExitRecord
from autoloop.runners import local, runner

from tests.support.waiting import PATIENCE, eventually


@dataclass
class Started:
    """One attempt; `wait` returns its exit record once its supervisor has ended."""

    id: str
    directory: Path
    handle: local.Handle

    def wait(self) -> ExitRecord:
        fd = local.open_pidfd(self.handle)
        if fd is not None:
            try:
                assert select.select([fd], [], [], PATIENCE)[0], f"still running; log: {self.log()}"
            finally:
                os.close(fd)
        state = local.inspect(self.directory, self.id, self.handle)
        assert isinstance(state, runner.AttemptExit), state
        return state.record

    def begun(self) -> dict[str, Any]:
        """Wait for start.json and return its contents.

        From then until the end, the supervisor creates and renames no files.
        """
        path = self.directory / "start.json"
        eventually(path.exists, "start.json")
        started: dict[str, Any] = json.loads(path.read_text())
        return started

    def log(self) -> str:
        return (self.directory / "log.txt").read_text(errors="replace")


STUBBORN = "trap '' INT TERM HUP; echo ready > $READY; while :; do sleep 0.05; done"
"""A shell script that only SIGKILL ends; also in the file stubborn.sh in the folder in which attempts start."""

UNTIL_GO = "echo ready > $READY; until [ -e $READY.go ]; do sleep 0.01; done"
"""A shell script that continues after `go` is called."""


class Bench:
    """Starts attempts. `meet` waits for lines that commands write to the FIFO $READY, and for the records of all starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Started] = []
        self.fifo = folder / "ready"
        (folder / "stubborn.sh").write_text(STUBBORN)
        os.mkfifo(self.fifo)
        self._fifo = os.open(self.fifo, os.O_RDWR | os.O_CLOEXEC)

    def start(
        self,
        *argv: str,
        stop: tuple[tuple[str, float], ...] = (("INT", PATIENCE), ("TERM", PATIENCE), ("KILL", 0.0)),
        grace: float = PATIENCE,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        max_log: int = 256 << 20,
    ) -> Started:
        number = len(self.started)
        name, directory = f"attempt-{os.getpid()}-{self.folder.name}-{number}", self.folder / f"a{number}"
        spec = runner.AttemptSpec(
            attempt_id=name,
            argv=argv,
            cwd=str(cwd or self.folder),
            directory=directory,
            stop=stop,
            straggler_grace=grace,
            max_log=max_log,
        )
        handle = local.start(spec, {**os.environ, "READY": str(self.fifo), **(env or {})})
        self.started.append(Started(name, directory, handle))
        return self.started[-1]

    def shell(self, script: str, **options: object) -> Started:
        return self.start("/bin/sh", "-c", script, **options)  # type: ignore[arg-type]

    def meet(self, times: int = 1) -> None:
        """Wait for `times` lines in the FIFO, and until the start of each attempt is recorded."""
        seen = b""
        while seen.count(b"\n") < times:
            assert select.select([self._fifo], [], [], PATIENCE)[0], f"only heard {seen!r}"
            seen += os.read(self._fifo, 4096)
        for attempt in self.started:
            attempt.begun()

    def go(self) -> None:
        """Let the commands that wait in UNTIL_GO continue."""
        Path(f"{self.fifo}.go").touch()

    def close(self) -> None:
        for attempt in self.started:
            local.request_stop(attempt.handle, kill=True)
        for attempt in self.started:
            if (fd := local.open_pidfd(attempt.handle)) is not None:
                select.select([fd], [], [], PATIENCE)
                os.close(fd)
            local.sweep(attempt.id)
        local.reap()
        os.close(self._fifo)
