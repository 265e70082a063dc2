"""The command line on a small project, in this process or in a separate one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

from autoloop.model import Loop

from tests.cli.forks import at_start, forks
from tests.support.project import Project
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
TRAINER = Path(__file__).with_name("trainer.py")

CONFIG: dict[str, Any] = {
    "batch_size": 8,
    "seed": 1,
    "dataset": {"repo_id": "a"},
    "policy": {"optimizer_lr": 1e-4},
    "ot": {
        "lambda_ot": 0.1,
        "window_size": 10,
        "loss_config": {"reg": 0.1, "tau_src": 0.05, "tau_tgt": 0.05, "features": [{"key": "a", "weight_label": 0.01}]},
    },
}
"""Its OT mass is near zero, so the ACT-OT book has one proposal for it."""

LAUNCH = ("--preset", "plain", "--train-script", str(TRAINER), "--steps", "20")
"""The flags of `run` for the trainer of these tests."""


class CommandProject(Project):
    """A project in which commands are run: `call` runs one to its end, `start` starts one to be observed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.running: list[Running] = []

    def config(self, name: str = "base", *, seed: int = 1, wait: bool = False, **trainer: Any) -> None:
        """Write `<name>.json`. `trainer`: settings for the trainer; `wait`: it continues only once the gate is open."""
        if wait:
            trainer["wait_for"] = str(self.gate())
        self.write_config(name, {**CONFIG, "seed": seed, "trainer": trainer})

    def open_gate(self) -> None:
        self.gate().touch()

    def call(self, *words: str, env: dict[str, str] | None = None, alone: bool = False) -> subprocess.CompletedProcess[str]:
        """`alone`: without a terminal."""
        given, server = environment(env), forks(environment())
        if at_start(given) == server.started_with:
            return server.call(words, self.folder, given, nothing() if alone else terminal())
        return subprocess.run(
            command(*words),
            cwd=self.folder,
            env=given,
            stdin=subprocess.DEVNULL if alone else terminal(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *words: str, env: dict[str, str] | None = None) -> Running:
        self.running.append(Running(self, *words, env=env))
        return self.running[-1]

    def loop(self) -> Loop:
        """The newest loop."""
        with self.open_store() as store:
            return store.find_loop(None)

    def close(self) -> None:
        if self.folder.exists():  # it may have been moved
            self.open_gate()
        for process in self.running:
            process.end()
        super().close()


class Running:
    """A command in a separate process, with its output read line by line."""

    def __init__(self, project: CommandProject, *words: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command(*words),
            cwd=project.folder,
            env=environment(env),
            stdin=terminal(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # As from a terminal: background processes of a script ignore Ctrl-C, and so do their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.output, self.complaints = self.process.stdout, self.process.stderr
        self.said = ""

    def hear(self, text: str) -> None:
        """Wait until the output contains `text`; fail after PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            ready, _, _ = select.select([self.output], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"never said {text!r}: {self.said}"
            piece = os.read(self.output.fileno(), 1 << 16)
            assert piece, f"ended without {text!r}: {self.said}{self.complaints.read().decode()}"
            self.said += piece.decode()

    def hang_up(self) -> None:
        """Close the output, as `| head -1` does."""
        self.output.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Read the rest of the output and return the exit code."""
        if not self.output.closed:
            rest, self.errors = (out.decode() for out in self.process.communicate(timeout=PATIENCE))
            self.said += rest
        else:
            self.errors = self.complaints.read().decode()
            self.process.wait(timeout=PATIENCE)
        return self.process.returncode

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.output, self.complaints):
            stream.close()


@cache
def terminal() -> int:
    """Return the descriptor of a terminal. A command that has it as input comes from a person."""
    _, there = os.openpty()
    return there


@cache
def nothing() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "autoloop_tui.cli.main", *words]


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return our environment without the variables that wandb reads, and with the packages on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return {**kept, "PYTHONPATH": f"{ROOT / 'core'}{os.pathsep}{ROOT}", **(more or {})}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return everything in a folder: path -> (modification time, content). Files that vanish meanwhile are left out."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            found[str(path.relative_to(folder))] = path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b""
    return found
