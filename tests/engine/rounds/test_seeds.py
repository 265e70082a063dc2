"""A round whose configs ran with several seeds is judged config by config, and its variants run with each seed."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import LoopState, Run
from autoloop.protocol import Propose, Variant

from tests.engine.processes import seen
from tests.engine.project import EngineProject, rows

LOW = """
name = "test"
version = "1"
[[rule]]
id = "too-high"
when = "l1_loss.last > 2"
reason = "the loss is high"
changes = ["lr@mul=2"]
"""


def seeds(project: EngineProject, name: str, losses: dict[int, float], **more: Any) -> list[str]:
    """Write configs that differ only in the seed, with a loss for each seed."""
    by_seed = {str(seed): {"rows": rows(5.0, loss)} for seed, loss in losses.items()}
    shared = {"number": 0, "by_seed": by_seed, **more}
    return [project.config(f"{name},seed={seed}", seed=seed, **shared) for seed in losses]


def test_a_rule_judges_the_mean_over_seeds_and_its_variant_runs_with_each_of_them(project: EngineProject) -> None:
    configs = [
        *seeds(project, "lr=1", {1: 1.0, 2: 4.0}, lr=1.0),  # mean 2.5: above, although one seed is below
        *seeds(project, "lr=3", {1: 1.0, 2: 2.5}, lr=3.0),  # mean 1.75: below, although one seed is above
    ]
    loop = project.loop(configs, rounds=2, decide=True, rules=project.rules(LOW))
    assert project.run(loop).state is LoopState.FINISHED
    (proposal,) = project.proposals(loop)
    first = project.runs(loop, 1)
    assert proposal.evidence is not None
    assert proposal.evidence.runs == [first[0].id, first[1].id]
    (observation,) = proposal.evidence.observations
    assert observation.value == 2.5
    variants = project.runs(loop, 2)
    assert [(run.base_run, seen(run)["config"]["seed"], seen(run)["config"]["lr"]) for run in variants] == [
        (first[0].id, 1, 2.0),
        (first[1].id, 2, 2.0),
    ]
    assert {run.proposal for run in variants} == {proposal.id}
    assert proposal.run == variants[0].id
    assert len({run.group for run in variants}) == 1
    assert any("proposal 1 from lr=1 (2 seeds)" in text for text in project.story(loop))


def test_a_proposal_that_sets_the_seed_runs_once(project: EngineProject) -> None:
    configs = seeds(project, "lr=1", {1: 4.0, 2: 4.0, 3: 4.0}, lr=1.0)
    rules = project.rules(LOW.replace("lr@mul=2", "seed@add=10"))
    loop = project.loop(configs, rounds=2, decide=True, rules=rules)
    project.run(loop)
    assert [seen(run)["config"]["seed"] for run in project.runs(loop, 2)] == [11]
    assert sum("repeats the same training" in text for text in project.story(loop)) == 2


def test_a_seed_that_failed_is_no_part_of_the_mean(project: EngineProject) -> None:
    by_seed = {"1": {"rows": rows(5.0, 4.0)}, "2": {"code": 1}, "3": {"rows": rows(5.0, 1.0)}}
    configs = seeds(project, "lr=1", {1: 4.0, 2: 0.0, 3: 1.0}, by_seed=by_seed)
    loop = project.loop(configs, rounds=2, decide=True, rules=project.rules(LOW))
    project.run(loop)
    (proposal,) = project.proposals(loop)
    assert proposal.evidence is not None
    assert proposal.evidence.observations[0].value == 2.5
    assert [seen(run)["config"]["seed"] for run in project.runs(loop, 2)] == [1, 3]


def test_a_criterion_is_met_by_the_mean_over_seeds(project: EngineProject) -> None:
    configs = [
        *seeds(project, "lr=1", {1: 0.1, 2: 4.0}, lr=1.0),
        *seeds(project, "lr=3", {1: 0.4, 2: 0.5}, lr=3.0),
    ]
    loop = project.loop(configs, until="l1_loss.last < 1")
    ended = project.run(loop)
    winner = project.named(loop, "lr=3,seed=1")
    assert ended.winner == winner.id
    assert ended.end is not None
    assert ended.end.text.startswith(f"lr=3 ({winner.id}, mean of 2 runs over seeds) meets --until")


def test_what_a_user_proposes_for_one_run_runs_once(project: EngineProject) -> None:
    loop = project.loop(seeds(project, "lr=1", {1: 1.0, 2: 1.0}), rounds=2, decide=True, rules=project.rules(LOW))
    with project.driven(loop) as engine:
        engine.done(Propose(run="lr=1,seed=2", variants=[Variant(edits=["lr=7"], reason="a hunch")]))
        engine.end()
    made: list[Run] = project.runs(loop, 2)
    assert [seen(run)["config"]["lr"] for run in made] == [7]


@pytest.mark.parametrize("rounds", [3])
def test_python_rules_see_the_mean_over_seeds(project: EngineProject, rounds: int) -> None:
    rules = project.rules(
        """
def decide(summary):
    return [{"reason": str(summary["train/l1_loss"]["last"]), "changes": {"lr@mul": 2}}]
""",
        "my_rules.py",
    )
    loop = project.loop(seeds(project, "lr=1", {1: 1.0, 2: 4.0}), rounds=rounds, decide=True, rules=rules)
    project.run(loop)
    assert [proposal.reason for proposal in project.proposals(loop)] == ["2.5"] * (rounds - 1)
    assert [len(project.runs(loop, number)) for number in range(1, rounds + 1)] == [2] * rounds
