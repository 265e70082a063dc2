"""Loops that really run: configs for the fake trainer, and engines in this thread, in another one, or as a process."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autoloop.engine import Engine, create_loop, plan_loop, spawn
from autoloop.gpus import GpuReport
from autoloop.model import ApprovalMode, ApprovalPolicy, Attempt, Event, Loop, LoopSpec, LoopState, Proposal, Run
from autoloop.settings import Settings
from autoloop.store import Store

from tests.engine.driven import Driven
from tests.support.processes import await_end
from tests.support.project import Project, attempts_in
from tests.support.waiting import PATIENCE, eventually

TRAINER = str(Path(__file__).with_name("trainer.py"))

PRESET = f"""
name = "fake"
title = "the fake trainer of the tests"
argv = ["{{python}}", "-I", "-S", {json.dumps(TRAINER)}, "{{config}}", "{{output_dir}}"]
override_style = "file-only"
success = "End of training"
stop = [["INT", 0.3], ["TERM", 0.3], ["KILL", 0]]
straggler_grace = 0.5

[env]
WANDB_RUN_ID = "{{run_id}}"
"""

RULES = """
name = "test"
version = "1"

[[rule]]
id = "more-lr"
when = "l1_loss.last > 0"
reason = "the loss is not zero"
changes = ["lr@mul=2"]
"""


def rows(*losses: float, **more: float) -> list[dict[str, float]]:
    """Return one history row per loss, at steps 1, 2, …; each row contains `more`."""
    extra = {key.replace("__", "/"): value for key, value in more.items()}
    return [{"_step": step, "train/l1_loss": loss, **extra} for step, loss in enumerate(losses, 1)]


class EngineProject(Project):
    """A project whose loops really run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("fake.toml", PRESET)
        self.write("rules.toml", RULES)
        self.store = Store.open(folder, create=True)
        self.spawned: list[int] = []
        self._number = 0

    # ---------------------------------------------------------------------------------------------- what to run

    def config(self, name: str, **behaviour: Any) -> str:
        """Write a config file; without `rows`, the run logs a falling loss. Configs differ in more than the seed."""
        self._number += 1
        own = {"seed": self._number, "number": self._number}
        return self.write_config(name, {**own, "lr": 1.0, "rows": rows(2.0, 1.0), **behaviour})

    def rules(self, text: str, name: str = "own.toml") -> str:
        return self.write(name, text)

    def spec(self, configs: Iterable[str], **changes: Any) -> LoopSpec:
        values: dict[str, Any] = {
            "configs": list(configs),
            "steps": 2,
            "log_freq": 1,
            "eval_freq": 0,
            "device": "cpu",
            "preset": str(self.folder / "fake.toml"),
            "rules": str(self.folder / "rules.toml"),
            "python": sys.executable,
            "grace": 0.0,
            "cwd": str(self.folder),
            "output_root": str(self.folder / "outputs" / "train"),
            "summary_out": str(self.folder / "reports" / "autorun_summary.json"),
            "markdown_out": str(self.folder / "reports" / "report.md"),
        }
        if "approve" in changes:
            mode, _, seconds = changes["approve"].partition(":")
            policy = ApprovalPolicy(mode=ApprovalMode(mode), after=float(seconds) if seconds else None)
            changes = {**changes, "approve": policy}
        return LoopSpec(**{**values, **changes})

    def loop(self, configs: Iterable[str], *, machine: GpuReport | None = None, **changes: Any) -> Loop:
        """Plan and record a loop; nothing runs yet. `machine`: the GPUs that the machine seems to have."""
        spec = self.spec(configs, **changes)
        now = time.time() + len(self.store.loops())  # two loops created in the same second would get the same name
        plan = plan_loop(spec, Settings(), machine or GpuReport(), os.environ, self.store.where_run, now)
        return create_loop(self.store, plan, now)

    # ---------------------------------------------------------------------------------------------- what happened

    def state(self, loop: Loop) -> Loop:
        return self.store.loop(loop.id)

    def runs(self, loop: Loop, round_: int | None = None) -> list[Run]:
        return self.store.runs(loop.id, round_)

    def named(self, loop: Loop, name: str) -> Run:
        return next(run for run in self.store.runs(loop.id) if run.name == name)

    def proposals(self, loop: Loop) -> list[Proposal]:
        return self.store.proposals(loop.id)

    def story(self, loop: Loop, kind: str | None = None) -> list[str]:
        return [event.text for event in self.store.events(loop.id) if kind in (None, event.kind)]

    def summary(self) -> dict[str, Any]:
        value = json.loads((self.folder / "reports" / "autorun_summary.json").read_text())
        assert isinstance(value, dict)
        return value

    # ---------------------------------------------------------------------------------------------- engines

    def engine(self, store: Store, loop: Loop) -> Engine:
        return Engine(store, store.loop(loop.id))

    def run(self, loop: Loop) -> Loop:
        """Drive the loop to its end in this thread, and return it."""
        engine = self.engine(self.store, loop)
        watchdog = threading.Timer(PATIENCE, engine.leave, ["the test took too long"])
        watchdog.start()
        try:
            ended = engine.run()
        finally:
            watchdog.cancel()
            watchdog.join()
        assert ended.state is not LoopState.ACTIVE, f"it did not end: {self.story(loop)[-5:]}"
        return ended

    @contextmanager
    def driven(
        self,
        loop: Loop,
        prepare: Callable[[Engine], object] = lambda _: None,
        on_event: Callable[[Event], object] | None = None,
    ) -> Iterator[Driven]:
        """Run an engine in another thread, with this thread as its client.

        On exit, the engine leaves if the loop has not ended.
        """
        driven = Driven(self, loop, prepare, on_event)
        try:
            yield driven
        finally:
            driven.leave()

    def spawn(self, loop: Loop) -> int:
        """Start an engine as a separate process and return its pid."""
        pid = spawn(self.store, self.store.loop(loop.id)).pid
        self.spawned.append(pid)
        return pid

    def kill_engine(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to a spawned engine and wait until it has ended."""
        await_end(pid, f"the engine that got signal {number}", number=number)

    def wait_engine(self, pid: int) -> None:
        """Wait until a spawned engine has ended on its own."""
        await_end(pid, "the engine")

    def until(self, condition: Callable[[], Any], what: str = "it") -> Any:
        """Wait until the condition returns something true, and return that."""
        return eventually(condition, what)

    def trainer_pid(self, run_id: str, *, stored: bool = True) -> int:
        """Return the pid of the trainer of the run's newest attempt.

        Wait until the trainer runs and both its supervisor and the engine have recorded the start, because a trainer may be
        faster than both. `stored`: False if no engine is alive to record it.
        """

        def seen() -> int | None:
            attempts = self.store.attempts(run_id)
            if not attempts or (stored and attempts[-1].handle is None):
                return None
            try:
                pid = int(json.loads((Path(attempts[-1].output_dir) / "seen.json").read_text())["pid"])
            except (OSError, ValueError):
                return None
            return pid if (Path(attempts[-1].directory) / "start.json").exists() else None

        return int(eventually(seen, f"the trainer of {run_id}") or 0)

    # ---------------------------------------------------------------------------------------------- nothing is left

    def attempts(self) -> list[Attempt]:
        return attempts_in(self.store)

    def close(self) -> None:
        for pid in self.spawned:
            self.kill_engine(pid)
        super().close()
        self.store.close()
