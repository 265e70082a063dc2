"""How long `backtest` takes over 200 stored runs of 200 rows x 20 metrics, with the shipped live rules.

    python bench/backtest.py [--runs N] [--rows N] [--metrics N]

A measurement is the whole command in a process of its own. Exit code 1 if the limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from analyze import history
from autoloop.model import Attempt, Loop, LoopSpec, LoopState, Round, RoundState, Run, RunState
from autoloop.store import Store

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 10.0  # seconds, for 200 runs
PER_LOOP = 20


def fill(project: Path, runs: int, rows: int, metrics: int) -> None:
    numbers = random.Random(0)
    steps = rows * 10
    with Store.open(project, create=True) as store, store.transaction():
        for index in range(runs):
            loop = index // PER_LOOP + 1
            if index % PER_LOOP == 0:
                spec = LoopSpec(configs=[], steps=steps, device="cpu", cwd=str(project), methods=["act_ot"])
                name = f"loop_{1_700_000_000 + loop}"
                store.put_loop(
                    Loop(id=loop, name=name, state=LoopState.FINISHED, spec=spec, output_dir="/out", created_at=1.0)
                )
                store.put_round(Round(loop=loop, number=1, state=RoundState.DONE, started_at=1.0))
            add_run(store, f"{index:08d}", loop, index, steps, history(rows, metrics, numbers))


def add_run(store: Store, name: str, loop: int, position: int, steps: int, written: bytes) -> None:
    output, config = store.places.project / "outputs" / name, store.places.config(name)
    folder = output / f"wandb/offline-run-20261122_080000-{name}"
    folder.mkdir(parents=True)
    (folder / f"run-{name}.wandb").write_bytes(written)
    config.write_text(json.dumps({"seed": position, "ot": {"loss_config": {"reg": 0.1, "tau_src": 0.5}}}))
    directory = store.places.attempt(f"{name}-1")
    directory.mkdir(parents=True)
    (directory / "log.txt").write_text("".join(f"{step}/{steps} [00:00<00:00, 9.0it/s]\n" for step in range(0, steps, 10)))
    times: dict[str, Any] = {"created_at": 1.0, "started_at": 1.0, "ended_at": 100.0}
    store.put_run(
        Run(
            id=name,
            loop=loop,
            round=1,
            position=position,
            name=name,
            config_path=str(config),
            source_path=str(config),
            config_hash=name,
            state=RunState.FINISHED,
            output_dir=str(output),
            total_steps=steps,
            step=steps,
            **times,
        )
    )
    paths: dict[str, Any] = {"output_dir": str(output), "directory": str(directory)}
    store.put_attempt(Attempt(id=f"{name}-1", run=name, number=1, slot=0, result=RunState.FINISHED, **paths, **times), loop)


def measured(project: Path, runs: int, *words: str) -> tuple[float, float]:
    """Seconds on the clock and of processors."""
    command = [sys.executable, "-m", "autoloop_tui.cli.main", "backtest", *words, "--json"]
    path = f"{ROOT / 'core'}{os.pathsep}{ROOT}"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=project, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    document = json.loads(done.stdout)
    if (document["runs"] if "--find-stop" in words else document["totals"]["runs"]) != runs:
        raise SystemExit("not all runs were replayed")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--metrics", type=int, default=20)
    args = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        fill(project, args.runs, args.rows, args.metrics)
        print(f"{args.runs} stored runs of {args.rows} rows x {args.metrics} metrics, {os.cpu_count()} processors")
        print(f"{'':14}{'seconds':>9}{'limit':>8}{'cpu s':>8}")
        for name, words in {"rules": [], "--find-stop": ["--find-stop", "l1_loss"]}.items():
            seconds, cpu = measured(project, args.runs, *words)
            limit = LIMIT * max(1.0, args.runs / 200)
            missed |= seconds > limit
            print(f"{name:14}{seconds:9.2f}{limit:8.1f}{cpu:8.2f}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
