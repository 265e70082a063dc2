"""How long `autoloop-tui status` takes with 100 000 runs in the store, beyond its start with one run, and what the next
picture of a loop costs a client that looks four times a second.

Three shapes for `status`: 1000 loops of 100 runs, one loop of 100 rounds of 1000 runs, and the same when it has finished.
The picture (`take_snapshot`): 5 000 runs in ten rounds with a proposal each, and 500 finished replicates in another loop;
first, and after one, eight or no rows were written. Run: `python bench/store.py [RUNS]`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from autoloop.model import (
    Actor,
    Attempt,
    BestRun,
    Loop,
    LoopSpec,
    LoopState,
    MetricSummary,
    Proposal,
    Round,
    RoundState,
    Run,
    RunState,
    Summary,
)
from autoloop.store import Store, take_snapshot

TRIES = 9
SNAPSHOT_RUNS, SNAPSHOT_ROUNDS = 5000, 10
METRIC = MetricSummary(
    first=1.0,
    last=0.1,
    best=0.1,
    best_step=9,
    delta=-0.9,
    pct=-90.0,
    n=40,
    min=0.1,
    max=1.0,
    tail_mean=0.2,
    tail_mad=0.01,
    first_step=50,
    last_step=2000,
)
SUMMARY = Summary(metrics={f"train/loss_{number}": METRIC for number in range(20)}, steps=2000)


def fill(project: Path, loops: int, rounds: int, runs: int, *, finished: bool = False) -> None:
    """`loops` loops of `rounds` rounds of `runs` runs each; unless `finished`, eight of the last round run and the rest of
    it is queued."""
    with Store.open(project, create=True) as store, store.transaction():
        for loop in range(1, loops + 1):
            spec = LoopSpec(configs=["/c/a.json"] * 4, device="cpu", concurrency=8, rounds=rounds)
            last = loop == loops and not finished
            state = LoopState.ACTIVE if last else LoopState.FINISHED
            name = f"loop_{1_700_000_000 + loop}"
            best = BestRun(metric="train/loss_0", highest=False, value=0.1, run=f"{loop}x1x0")
            put = Loop(id=loop, name=name, state=state, spec=spec, output_dir="/out", created_at=1.0)
            store.put_loop(put if last else msgspec.structs.replace(put, best=best))
            for round_ in range(1, rounds + 1):
                store.put_round(Round(loop=loop, number=round_, state=RoundState.RUNNING, started_at=1.0))
                for position in range(runs):
                    add_run(store, loop, round_, position, going=last and round_ == rounds)


def add_run(store: Store, loop: int, round_: int, position: int, *, going: bool) -> None:
    name = f"{loop}x{round_}x{position}"
    state = RunState.FINISHED if not going else RunState.RUNNING if position < 8 else RunState.QUEUED
    store.put_run(
        Run(
            id=name,
            loop=loop,
            round=round_,
            position=position,
            name=name,
            config_path="/c",
            source_path="/s",
            config_hash=name,
            group=f"{round_}x{position}",
            state=state,
            slot=position if state is RunState.RUNNING else None,
            total_steps=2000,
            summary=SUMMARY if state is RunState.FINISHED else None,
        )
    )
    if state is not RunState.QUEUED:
        result = state if state.ended else None
        attempt = Attempt(id=f"{name}-1", run=name, number=1, slot=0, output_dir="/o", directory="/d", created_at=1.0)
        store.put_attempt(msgspec.structs.replace(attempt, result=result), loop)


def status(project: Path) -> float:
    """Median seconds of the command."""
    took = []
    for _ in range(TRIES):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "autoloop_tui.cli.main", "status"], cwd=project, check=True, stdout=subprocess.DEVNULL
        )
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def snapshots(project: Path) -> None:
    """Print what pictures of a large loop cost."""
    fill(project, 2, SNAPSHOT_ROUNDS, SNAPSHOT_RUNS // SNAPSHOT_ROUNDS)
    with Store.open(project) as engine, Store.open(project) as client:
        with engine.transaction():
            for number, run in enumerate(engine.runs(2), start=1):
                made = Proposal(
                    id=number, loop=2, round=run.round, base_run=run.id, author=Actor.rule("r"), reason="", edits=[]
                )
                engine.put_proposal(made)
        wall, cpu = picture(client)
        print(f"take_snapshot of {SNAPSHOT_RUNS} runs   first {wall:6.1f} ms, of the processor {cpu:6.1f} ms")
        going = [run for run in engine.runs(2, SNAPSHOT_ROUNDS) if run.state is RunState.RUNNING]
        for changed in (0, 1, len(going)):
            took = []
            for step in range(2 * TRIES):
                with engine.transaction():
                    for run in going[:changed]:
                        engine.put_run(msgspec.structs.replace(run, step=step))
                took.append(picture(client))
            wall, cpu = map(statistics.median, zip(*took, strict=True))
            print(f"  after {changed} rows were written   {wall:6.2f} ms, of the processor {cpu:6.2f} ms   (≤ 5)")


def picture(client: Store) -> tuple[float, float]:
    """Milliseconds of a snapshot, and of processor time."""
    began, used = time.perf_counter(), time.process_time()
    take_snapshot(client, 2)
    return (time.perf_counter() - began) * 1e3, (time.process_time() - used) * 1e3


def main() -> int:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    one = (1, total // 1000, 1000)
    shapes = {"1 run": (1, 1, 1), "loops of 100 runs": (total // 100, 1, 100), "one loop": one, "one finished loop": one}
    with tempfile.TemporaryDirectory() as folder:
        snapshots(Path(folder))
    start = 0.0
    for label, shape in shapes.items():
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), *shape, finished="finished" in label)
            size = (Path(folder) / ".autoloop" / "autoloop.db").stat().st_size / 1e6
            took = status(Path(folder))
            start = start or took
            began = time.perf_counter()
            Store.open(Path(folder), create=True).close()
            checked = time.perf_counter() - began
        print(
            f"{label:18} {size:7.1f} MB   status {took * 1000:6.1f} ms   beyond start {(took - start) * 1000:6.1f} ms   "
            f"check before a new loop {checked * 1000:6.1f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
