"""Ended loops, written directly to a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoloop.model import (
    Actor,
    Change,
    Loop,
    LoopEnd,
    LoopEndKind,
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


def metric(first: float, last: float) -> MetricSummary:
    return MetricSummary(
        first=first,
        last=last,
        best=min(first, last),
        best_step=2,
        delta=last - first,
        pct=(last - first) / first * 100,
        n=2,
        min=min(first, last),
        max=max(first, last),
        tail_mean=last,
        tail_mad=0.0,
        first_step=1,
        last_step=2,
    )


def summary(**last: float) -> Summary:
    """Return a summary; `train__l1_loss=0.5` is a metric that fell from 2 to 0.5."""
    return Summary(metrics={name.replace("__", "/"): metric(2.0, value) for name, value in last.items()}, steps=2)


def add_run(store: Store, name: str, loop: int = 1, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": f"id{name}"[:8],
        "loop": loop,
        "round": 1,
        "position": 0,
        "name": name,
        "config_path": f"/frozen/{name}.json",
        "source_path": f"/configs/{name}.json",
        "config_hash": name,
        "state": RunState.FINISHED,
        "output_dir": f"/out/loop_{loop}/0_{name}",
        "step": 2,
        "summary": summary(train__l1_loss=0.5),
    }
    run = Run(**{**values, **changes})
    store.put_run(run)
    return run


def add_loop(store: Store, folder: Path, number: int = 1, rounds: int = 1, **changes: Any) -> Loop:
    spec = LoopSpec(
        configs=[],
        summary_out=str(folder / "data" / "autorun_summary.json"),
        markdown_out=str(folder / "report.md"),
        name=changes.pop("title", None),
    )
    values: dict[str, Any] = {
        "id": number,
        "name": f"loop_{1_700_000_000 + number}",
        "state": LoopState.FINISHED,
        "spec": spec,
        "output_dir": f"/out/loop_{number}",
        "created_at": 1_700_000_000.0,
        "end": LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all rounds done"),
    }
    loop = Loop(**{**values, **changes})
    store.put_loop(loop)
    for round_ in range(1, rounds + 1):
        store.put_round(Round(loop=number, number=round_, state=RoundState.DONE, started_at=1.0))
    return loop


def add_proposal(store: Store, base: Run, **changes: Any) -> Proposal:
    values: dict[str, Any] = {
        "id": store.next_id("proposals"),
        "loop": base.loop,
        "round": base.round,
        "base_run": base.id,
        "author": Actor.rule("more-lr"),
        "reason": "the loss is high",
        "edits": ["lr@mul=2"],
        "changes": [Change(path="lr", before=1.0, after=2.0)],
        "status": ProposalStatus.REJECTED,
        "decided_by": Actor.person("ada"),
        "note": "not now",
    }
    proposal = Proposal(**{**values, **changes})
    store.put_proposal(proposal)
    return proposal
