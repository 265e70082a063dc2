"""Stores of many runs, written without running any."""

from __future__ import annotations

from pathlib import Path

import msgspec
from autoloop.model import (
    Attempt,
    BestRun,
    Loop,
    LoopSpec,
    LoopState,
    MetricSummary,
    Round,
    RoundState,
    Run,
    RunState,
    Summary,
)
from autoloop.store import Store

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
