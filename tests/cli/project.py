"""A small training project in a temporary folder, and the command line on it: in this process or in one of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from autoloop.engine.driver.lock import holder
from autoloop.model import Attempt, Loop
from autoloop.runners import local
from autoloop.store import Store

from tests.support.processes import await_end
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
"""What `run` needs to use the trainer of these tests."""


class Project:
    """A folder with configs. `call` runs a command to its end, `start` watches one; `close` leaves no process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = folder / "gate"
        self.running: list[Running] = []

    def config(self, name: str = "base", *, seed: int = 1, wait: bool = False, **trainer: Any) -> None:
        """Write `<name>.json`; `trainer` is what the trainer is told. `wait`: it goes on only when the gate is open."""
        if wait:
            trainer["wait_for"] = str(self.gate)
        config = {**CONFIG, "seed": seed, "trainer": trainer}
        (self.folder / f"{name}.json").write_text(json.dumps(config, indent=2), encoding="utf-8")

    def open_gate(self) -> None:
        self.gate.touch()

    def call(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            cwd=self.folder,
            env=environment(env),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *words: str, env: dict[str, str] | None = None) -> Running:
        self.running.append(Running(self, *words, env=env))
        return self.running[-1]

    def store(self) -> Store:
        return Store.open(self.folder)

    def loop(self) -> Loop:
        with self.store() as store:
            return store.find_loop(None)

    def attempts(self) -> list[Attempt]:
        with self.store() as store:
            return [attempt for loop in store.loops() for attempt in store.loop_attempts(loop.id)]

    def close(self) -> None:
        if self.folder.exists():  # it may have been moved
            self.open_gate()
        for process in self.running:
            process.end()
        if not (self.folder / ".autoloop").exists():
            return
        for path in (self.folder / ".autoloop/locks").iterdir():
            if (engine := holder(path)) and engine.pid:
                end(engine.pid)
        for attempt in self.attempts():  # of this folder: a copy of it has the same
            handle, directory = local.Handle.from_dict(attempt.handle or {}) if attempt.handle else None, attempt.directory
            if handle and local.is_running(Path(directory), handle):
                local.request_stop(handle, kill=True)
            local.sweep(attempt.id, Path(directory))


class Running:
    """A command in a process of its own, its output read line by line."""

    def __init__(self, project: Project, *words: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command(*words),
            cwd=project.folder,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # As from a terminal: what is started in the background of a script ignores Ctrl-C, and its children too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.output, self.complaints = self.process.stdout, self.process.stderr
        self.said = ""

    def hear(self, text: str) -> None:
        """Wait until the output holds `text`, at most PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            ready, _, _ = select.select([self.output], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"never said {text!r}: {self.said}"
            piece = os.read(self.output.fileno(), 1 << 16)
            assert piece, f"ended without {text!r}: {self.said}{self.complaints.read().decode()}"
            self.said += piece.decode()

    def hang_up(self) -> None:
        """Nobody reads the output any more, as with `| head -1`."""
        self.output.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Read the rest of the output; the exit code."""
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


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "autoloop_tui.cli.main", *words]


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Ours, less what says something to wandb, with the packages on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return {**kept, "PYTHONPATH": f"{ROOT / 'core'}{os.pathsep}{ROOT}", **(more or {})}


def end(pid: int) -> None:
    """Kill an engine and wait until it is gone."""
    await_end(pid, "the engine", number=signal.SIGKILL)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything below a folder: path -> (time of change, content)."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }
