"""Loops as an engine and its trainers would have left them: rows in a real store, and files."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from autoloop.configs import diff, dump_config
from autoloop.engine.driver.lock import EngineLock
from autoloop.metrics import default_book, summarise
from autoloop.model import (
    Actor,
    ApprovalMode,
    ApprovalPolicy,
    Attempt,
    ExitRecord,
    Loop,
    LoopSpec,
    LoopState,
    Proposal,
    Round,
    RoundState,
    Run,
    RunState,
    Series,
)
from autoloop.protocol import Request
from autoloop.store import Store
from autoloop.trainers import load_preset
from autoloop.variants.policy import launch_policy
from textual.widget import Widget

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from tests.support.project import Project

CONFIG: dict[str, Any] = {
    "policy": {"type": "act", "optimizer_lr": 2e-3, "dim_model": 32},
    "ot": {"lambda_ot": 0.1, "loss_config": {"reg": 0.1, "tau_src": 0.05, "tau_tgt": 0.05}},
    "batch_size": 16,
    "seed": 1000,
}
NOW = time.time()


def curve(n: int = 50, start: float = 1.0, end: float = 0.1, every: int = 4) -> Any:
    """Return a falling curve with a slight ripple, as steps and values."""
    series = Series()
    for i in range(1, n + 1):
        share = i / n
        series.append(i * every, end + (start - end) * math.exp(-4 * share) + 0.01 * math.sin(i))
    return series


class RecordedProject(Project):
    """A project with one loop; its methods write the rows and files that an engine would have written."""

    def __init__(self, folder: Path, *, rounds: int = 3, slots: int = 2, **spec: Any) -> None:
        super().__init__(folder)
        self.store = Store.open(self.folder, create=True)
        self.spec = LoopSpec(
            configs=[],
            steps=200,
            device="cpu",
            concurrency=slots,
            rounds=rounds,
            decide=True,
            preset="plain",
            approve=ApprovalPolicy(mode=ApprovalMode.MANUAL),
            python="/usr/bin/python3",
            train_script="train.py",
            cwd=str(self.folder),
            output_root=str(self.folder / "outputs"),
            **spec,
        )
        self.output = self.folder / "outputs" / "loop_1700000000"
        self.loop = Loop(
            id=self.store.next_id("loops"),
            name="loop_1700000000",
            state=LoopState.ACTIVE,
            spec=self.spec,
            output_dir=str(self.output),
            created_at=NOW - 900,
        )
        self.store.put_loop(self.loop)
        self.round(1)
        self.made = 0

    def change_loop(self, **changes: Any) -> Loop:
        self.loop = msgspec.structs.replace(self.loop, **changes)
        self.store.put_loop(self.loop)
        return self.loop

    def round(self, number: int, state: Any = RoundState.RUNNING) -> None:
        self.store.put_round(Round(loop=self.loop.id, number=number, state=state, started_at=NOW - 800))

    def hash_of(self, config: Any) -> Any:
        """Return the hash by which an engine recognises a config that has been trained before."""
        spec = self.spec
        return launch_policy(load_preset("plain"), spec.train_script, spec.steps, spec.extra).hash(config)

    def run(
        self,
        name: str,
        state: Any = RunState.FINISHED,
        *,
        config: Any = None,
        metrics: Any = None,
        log: str | bytes | None = None,
        base: Run | None = None,
        attempt: Any = None,
        **more: Any,
    ) -> Run:
        """Add a run with its frozen config and, unless it is queued, an attempt, a history and a log.

        `metrics`: series by the trainer's names. `attempt`: fields that differ in its attempt.
        """
        self.made += 1
        run_id = more.pop("id", f"run{self.made:05d}")
        config = CONFIG if config is None else config
        path = self.store.places.config(run_id)
        path.write_text(dump_config(config), encoding="utf-8")
        started = state is not RunState.QUEUED
        output = self.output / f"{self.made}_{name}_{run_id}"
        if metrics is None and started:
            metrics = {"train/l1_loss": curve(), "eval/offline_eval/avg_l1": curve(10, 1.2, 0.2, 20)}
        run = Run(
            id=run_id,
            loop=self.loop.id,
            name=name,
            config_path=str(path),
            source_path=f"configs/{name}.json",
            config_hash=self.hash_of(config),
            state=state,
            base_run=base.id if base else None,
            created_at=NOW - 700,
            **{
                "round": 1,
                "total_steps": self.spec.steps,
                "position": self.made - 1,
                "attempts": int(started),
                "slot": 0 if started and not state.ended else None,
                "output_dir": str(output) if started else None,
                "step": 200 if state is RunState.FINISHED else 100 if started else 0,
                "summary": summarise(metrics, default_book()) if state is RunState.FINISHED and metrics else None,
                "changes": diff(json.loads(Path(base.config_path).read_text()), config) if base else [],
                "started_at": NOW - 600 if started else None,
                "ended_at": NOW - 300 if state.ended else None,
                **more,
            },
        )
        self.store.put_run(run)
        if started:
            self.attempt(run, **(attempt or {}))
            history(output, metrics or {})
            if log is not None:
                folder = self.store.places.attempt(f"{run.id}-1")
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "log.txt").write_bytes(log if isinstance(log, bytes) else log.encode())
        return run

    def attempt(self, run: Run, number: int = 1, **more: Any) -> Attempt:
        attempt_id = f"{run.id}-{number}"
        attempt = Attempt(
            id=attempt_id,
            run=run.id,
            number=number,
            output_dir=run.output_dir or "",
            directory=str(self.store.places.attempt(attempt_id)),
            **{
                "slot": 0,
                "created_at": NOW - 601,
                "started_at": NOW - 600,
                "ended_at": NOW - 300 if run.state.ended else None,
                "argv": ["/usr/bin/python3", "train.py", run.config_path],
                "exit": ExitRecord(code=0, ended_at=NOW - 300) if run.state is RunState.FINISHED else None,
                "result": run.state.value if run.state.ended else None,
                **more,
            },
        )
        self.store.put_attempt(attempt, self.loop.id)
        return attempt

    def proposal(self, base: Run, edits: Any = ("ot.lambda_ot@mul=1.5",), **more: Any) -> Proposal:
        proposal = Proposal(
            id=self.store.next_id("proposals"),
            loop=self.loop.id,
            base_run=base.id,
            edits=list(edits),
            **{"round": base.round, "author": Actor.rule("more-transport"), "reason": "the transport term is weak", **more},
        )
        self.store.put_proposal(proposal)
        return proposal

    def commands(self) -> list[Request]:
        """Return the requests that the console has sent."""
        return [command.request for command in self.store.open_commands(self.loop.id)]

    @contextmanager
    def engine(self) -> Iterator[Any]:
        """Hold the loop's lock, as an engine that never answers."""
        lock = EngineLock(self.store.places.lock(self.loop.name))
        assert lock.acquire() is None
        try:
            yield
        finally:
            lock.release()

    def app(self, **options: Any) -> ConsoleApp:
        options.setdefault("preferences", Preferences(theme=options.pop("theme", "dark")))
        return ConsoleApp(self.folder, **options)


def output_of(run: Run) -> Path:
    """Return the output directory of a run that has started."""
    assert run.output_dir is not None
    return Path(run.output_dir)


def history(output: Path, metrics: Any) -> Path:
    """Write series as rows in the format of wandb 0.9, and return the file."""
    rows: dict[int, dict[str, Any]] = {}
    for name, series in metrics.items():
        for step, value in series:
            row = rows.setdefault(step, {"_step": step, "_timestamp": NOW - 600 + step * 0.5})
            row[name] = value
    path = output / "wandb" / "latest-run" / "files" / "wandb-history.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(rows[step]) + os.linesep for step in sorted(rows)))
    return path


def painted(pane: Widget) -> list[str]:
    """Return the rows of a RowPane as they are on the screen."""
    return ["".join(segment.text for segment in pane.render_line(y)) for y in range(pane.size.height)]
