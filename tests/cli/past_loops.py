"""A loop that has ended, with histories on disk as its trainer left them, for commands that read past runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoloop.configs import config_hash
from autoloop.metrics import MetricBooks, summarise
from autoloop.model import Attempt, Loop, LoopSpec, LoopState, Round, RoundState, Run, RunState, Series
from autoloop.store import Store

Rows = Sequence[Mapping[str, float]]


def curve(*values: float, metric: str = "eval_loss", every: int = 100) -> list[dict[str, float]]:
    """Return a history row for each value, at steps `every`, 2 · `every` …"""
    return [{"_step": step * every, metric: value} for step, value in enumerate(values, 1)]


class PastLoop:
    """One loop of a project. `add` adds a run; its history is `wandb-history.jsonl` in the run's folder."""

    def __init__(self, store: Store, number: int = 1, **spec: Any) -> None:
        self.store, self.number = store, number
        self.output = store.places.project / "outputs" / f"loop_{number}"
        project = str(store.places.project)
        asked = LoopSpec(configs=[], steps=1000, device="cpu", cwd=project, output_root="outputs", methods=[], **spec)
        store.put_loop(
            Loop(
                id=number,
                name=f"loop_{number}",
                state=LoopState.FINISHED,
                spec=asked,
                output_dir=str(self.output),
                created_at=1.0,
            )
        )
        store.put_round(Round(loop=number, number=1, state=RoundState.DONE, started_at=1.0))
        self.runs: list[Run] = []

    def add(
        self,
        name: str,
        rows: Rows,
        config: Mapping[str, Any] | None = None,
        *,
        state: RunState = RunState.FINISHED,
        log: str = "",
        **fields: Any,
    ) -> Run:
        """Add a run of 1000 steps that took 500 s."""
        id_ = f"l{self.number}r{len(self.runs)}"
        places = self.store.places
        config = dict(config or {"lr": 1.0, "seed": len(self.runs)})
        path, directory, output = places.config(id_), places.attempt(f"{id_}-1"), self.output / f"{name}_{id_}"
        path.write_text(json.dumps(config))
        directory.mkdir(parents=True)
        output.mkdir(parents=True)
        (directory / "log.txt").write_text(log)
        (output / "wandb-history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        run = Run(
            id=id_,
            loop=self.number,
            round=1,
            position=len(self.runs),
            name=name,
            config_path=str(path),
            source_path=str(path),
            config_hash=config_hash({**config, "steps": 1000}),
            **{
                "state": state,
                "output_dir": str(output),
                "total_steps": 1000,
                "step": 1000,
                "attempts": 1,
                "started_at": 1000.0,
                "ended_at": 1500.0 if state.ended else None,
                "summary": summary_of(rows),
                **fields,
            },
        )
        self.store.put_run(run)
        attempt = Attempt(
            id=f"{id_}-1",
            run=id_,
            number=1,
            slot=0,
            output_dir=str(output),
            directory=str(directory),
            created_at=1000.0,
            started_at=1000.0,
            ended_at=1500.0,
            result=state if state.ended else None,
        )
        self.store.put_attempt(attempt, self.number)
        self.runs.append(run)
        return run


def summary_of(rows: Rows) -> Any:
    columns: dict[str, Series] = {}
    for row in rows:
        for name, value in row.items():
            if name != "_step":
                columns.setdefault(name, Series()).append(int(row["_step"]), value)
    return summarise(columns, MetricBooks().of(()))


def open_store(folder: Path) -> Store:
    return Store.open(folder, create=True)
