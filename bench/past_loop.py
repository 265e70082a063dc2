"""A loop that has ended, of any size: rounds of configs with two seeds each, every config made from one of the round before
by a proposal."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import (
    Actor,
    Attempt,
    Change,
    Loop,
    LoopSpec,
    LoopState,
    MetricSummary,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    RunState,
    Summary,
)
from autoloop.store import Store

METRICS = ("eval_loss", "train/loss", "train/grad_norm", "train/lr", "train/step_time")
SEEDS = 2


def past_loop(project: Path, rounds: int, per_round: int) -> Store:
    store = Store.open(project, create=True)
    output = project / "outputs"
    spec = LoopSpec(
        configs=["/c/a.json"],
        device="cpu",
        rounds=rounds,
        decide=True,
        methods=[],
        cwd=str(project),
        output_root=str(output),
        summary_out=str(project / "summary.json"),
        markdown_out=str(project / "report.md"),
    )
    name = "loop_1700000001"
    with store.transaction():
        store.put_loop(Loop(id=1, name=name, state=LoopState.FINISHED, spec=spec, output_dir=str(output), created_at=1.0))
        for number in range(1, rounds + 1):
            add_round(store, number, per_round)
    return store


def add_round(store: Store, number: int, per_round: int) -> None:
    store.put_round(Round(loop=1, number=number, state=RoundState.DONE, started_at=float(number), ended_at=number + 1.0))
    for position in range(per_round):
        base = f"{number - 1}x{position - position % SEEDS}" if number > 1 else None
        proposal = (number * per_round + position) // SEEDS if base else None
        change = Change(path="optimizer.lr", before=1e-3, after=1e-5 * (number * per_round + position // SEEDS))
        if base and proposal and position % SEEDS == 0:
            store.put_proposal(
                Proposal(
                    id=proposal,
                    loop=1,
                    round=number - 1,
                    base_run=base,
                    author=Actor.rule("more"),
                    reason="more of it",
                    edits=[f"optimizer.lr={change.after}"],
                    changes=[change],
                    status=ProposalStatus.LAUNCHED,
                    run=f"{number}x{position}",
                    created_at=float(number),
                )
            )
        add_run(store, number, position, base, proposal, change)


def add_run(store: Store, number: int, position: int, base: str | None, proposal: int | None, change: Change) -> None:
    name, config = f"{number}x{position}", f"{number}g{position // SEEDS}"
    output = str(store.places.project / "outputs" / name)
    store.put_run(
        Run(
            id=name,
            loop=1,
            round=number,
            position=position,
            name=name,
            config_path=f"/c/{config}.json",
            source_path=f"/c/{config}.json",
            config_hash=name,
            group=config,
            seed=str(position % SEEDS),
            state=RunState.FINISHED,
            base_run=base,
            proposal=proposal,
            changes=[change] if base else [],
            attempts=1,
            output_dir=output,
            step=2000,
            total_steps=2000,
            summary=summary(number, position),
            started_at=float(number),
            ended_at=number + 1.0,
        )
    )
    store.put_attempt(
        Attempt(
            id=f"{name}-1",
            run=name,
            number=1,
            slot=position,
            output_dir=output,
            directory=str(store.places.attempt(f"{name}-1")),
            created_at=float(number),
            started_at=float(number),
            ended_at=number + 1.0,
            result=RunState.FINISHED,
        ),
        1,
    )


def summary(number: int, position: int) -> Summary:
    last = 0.1 + (number * 37 + position // SEEDS * 11) % 101 / 1000 + position % SEEDS * 0.002
    metric = MetricSummary(
        first=1.0,
        last=last,
        best=last,
        best_step=2000,
        delta=last - 1,
        pct=100 * (last - 1),
        n=40,
        min=last,
        max=1.0,
        tail_mean=last,
        tail_mad=0.01,
        first_step=50,
        last_step=2000,
    )
    return Summary(metrics={name: metric for name in METRICS}, steps=2000)
