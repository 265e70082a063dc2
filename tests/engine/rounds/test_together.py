"""`--replicates auto` together with `--halve` and with a search: neither touches the other's runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.model import HalveSpec, RunState, Sampler, Search

from tests.engine.project import EngineProject
from tests.engine.rounds.test_replicates import fresh, loop_of, noisy


def test_what_halving_keeps_is_confirmed_on_seeds_that_its_replicates_have_not_had(
    project: EngineProject, tmp_path: Path
) -> None:
    gate = str(tmp_path / "gate")
    means = {"base": 2.0, "good": 1.0, "bad": 3.0, "worse": 4.0}
    configs = [noisy(project, name, mean, mean, gate=gate) for name, mean in means.items()]
    loop = loop_of(project, *configs, rounds=3, halve=HalveSpec(step=3), steps=10)
    with project.driven(loop) as driven:
        driven.until(lambda: any(run.state is RunState.STOPPED for run in project.runs(loop)), "the worse half stopped")
        Path(gate).touch()
        found = driven.end().outcome
    runs = {run.name: run for run in project.runs(loop, 1)}
    assert {name for name, run in runs.items() if run.state is RunState.STOPPED} == {"bad", "worse"}
    copies = [run for run in runs.values() if run.name not in means]
    assert {run.group for run in copies} == {runs["good"].group, runs["base"].group}
    assert found is not None
    assert found.better
    assert found.first.run == runs["good"].id
    confirming = fresh(project, loop)
    # They are not compared and stopped at the step, and each counts for one purpose only.
    assert {run.state for run in confirming} == {RunState.FINISHED}
    assert not any(run.halved for run in confirming)
    assert not {run.seed for run in confirming} & {run.seed for run in runs.values()}
    assert found.first.runs == sum(run.group == runs["good"].group for run in project.runs(loop))


def test_what_a_search_finds_is_confirmed_while_it_goes_on(project: EngineProject) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    bowl = {"lr": 1.0, "reg": 0.0, "bowl": {"lr": 0.3, "reg": 0.6}, "spread": 0.001, "seed": 1, "number": 0}
    loop = project.loop(
        [project.config("base", **bowl)],
        search=Search(sampler=Sampler.TPE),
        grid=["lr=0.0..1.0", "reg=0.0..1.0"],
        rules=None,
        rounds=4,
        concurrency=4,
        confirm=True,
    )
    found = project.run(loop).outcome
    assert found is not None
    assert found.better
    assert found.confirms
    confirming = fresh(project, loop)
    rounds = {run.round for run in confirming}
    assert rounds
    searched = [run for run in project.runs(loop) if run.proposal is not None and not run.confirms]
    assert rounds & {run.round for run in searched}  # a round that confirms also searches
    assert not any(run.confirms for run in searched)
    best = project.store.run(found.first.run)
    assert best.group != project.named(loop, "base").group
    assert {run.seed for run in confirming} & {"1"} == set()
