"""The outcomes of proposals on the Proposals screen: shown as results, at every size without cut numbers."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import Expectation, Proposal, ProposalStatus, Run, RunState

from tests.console.projects import CONFIG, RecordedProject, curve
from tests.console.running import Size
from tests.console.screens.proposals.driving import add, all_text, console, rows, see

L1 = "eval/offline_eval/avg_l1"
NOISE = (0.0, 0.004, -0.004, 0.002)


def seeds(project: RecordedProject, name: str, last: float, **more: Any) -> list[Run]:
    return [
        project.run(
            f"{name},seed={seed}",
            group=name,
            seed=str(seed),
            config={**CONFIG, "seed": seed, "about": name},
            metrics={L1: curve(9, 0.9 + noise, last + noise, 20)},
            **more,
        )
        for seed, noise in enumerate(NOISE)
    ]


def launched(project: RecordedProject, base: Run, **more: Any) -> Proposal:
    found: Proposal = add(project, base=base, status=ProposalStatus.LAUNCHED, **more)
    return found


@pytest.fixture
def ended(project: RecordedProject) -> RecordedProject:
    """Proposals 1 to 4: better, failed, stopped, and one whose runs are queued."""
    base = seeds(project, "lr=1", 0.5)[0]
    project.round(2)
    asked = [
        launched(project, base, expects=Expectation(metric=L1, direction="lower")),
        *(launched(project, base) for _ in "abc"),
    ]
    seeds(project, "lr=3", 0.3, base=base, round=2, proposal=asked[0].id)
    reason = "failed: out of GPU memory"
    project.run("big_r2_5", RunState.FAILED, reason=reason, base=base, round=2, proposal=asked[1].id)
    project.run("off_r2_6", RunState.STOPPED, base=base, round=2, proposal=asked[2].id, step=600)
    project.run("next_r2_7", RunState.QUEUED, base=base, round=2, proposal=asked[3].id)
    return project


@pytest.mark.parametrize(
    ("size", "states"),
    [
        ((60, 20), ["✓ better", "✗ failed", "■ stopped", "◌ queued"]),
        ((80, 24), ["✓ -0.194 better", "✗ failed", "■ stopped", "◌ queued"]),
        ((120, 40), ["✓ ran -0.194 better", "✗ failed", "■ stopped at step 600", "◌ queued"]),
        ((160, 45), ["✓ ran -0.194 better", "✗ failed: out of GPU memory", "■ stopped at step 600", "◌ queued"]),
        ((200, 50), ["✓ ran -0.194 better", "✗ failed: out of GPU memory", "■ stopped at step 600", "◌ queued"]),
    ],
)
async def test_the_row_of_a_proposal_that_was_launched_has_its_outcome(
    ended: RecordedProject, size: Size, states: list[str]
) -> None:
    async with console(ended, size) as (pilot, app):
        await see(pilot, app)
        found = [row for row in rows(app, "queue")[1:] if "#" in row]
        assert len(found) == len(states)
        for row, state in zip(found, states, strict=True):
            assert row.rstrip().endswith(state)
        assert "launched" not in all_text(app)


async def test_the_detail_names_every_run_and_whether_the_expectation_was_met(ended: RecordedProject) -> None:
    async with console(ended, (200, 50)) as (pilot, app):
        await see(pilot, app)
        await pilot.press("enter")
        text = "\n".join(rows(app, "text"))
        assert "expects eval_l1 lower: met" in text
        assert "ran -0.194 better" in text
        assert "eval_l1 against its base: better: -0.19" in text
        for seed in range(4):
            assert f"lr=3,seed={seed}" in text
        assert "from lr=1,seed=0" in text
