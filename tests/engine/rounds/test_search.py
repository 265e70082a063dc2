"""Rounds proposed by a search: real Optuna, on loops that really run."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from autoloop.engine import Engine
from autoloop.engine.rounds import searching
from autoloop.engine.rounds.search_history import history, material
from autoloop.model import (
    ActorKind,
    Event,
    EventKind,
    Expectation,
    Loop,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    RunState,
    Sampler,
    Search,
    UserError,
)
from autoloop.search.process import SearchProcess

from tests.engine.project import EngineProject
from tests.support.packages import needs

pytestmark = needs("optuna")

TPE = Search(sampler=Sampler.TPE)
BOWL = {"lr": 0.3, "reg": 0.6}
"""The minimum of the loss. The configs start at the far corner, so that every other point is better."""
SPACE = ["lr=0.0..1.0", "reg=0.0..1.0"]


def bowl(project: EngineProject, name: str = "base", **more: Any) -> str:
    return project.config(name, **{"lr": 1.0, "reg": 0.0, "bowl": BOWL, "seed": 1, "number": 0, **more})


def searched(project: EngineProject, *configs: str, **changes: Any) -> Loop:
    values = {"search": TPE, "grid": SPACE, "rounds": 3, "rules": None, **changes}
    return project.loop(configs or [bowl(project)], **values)


def losses(project: EngineProject, loop: Loop) -> list[float]:
    return [run.summary.metrics["train/l1_loss"].last for run in project.runs(loop)]


def edits(project: EngineProject, loop: Loop) -> list[list[str]]:
    return [proposal.edits for proposal in project.proposals(loop)]


def test_a_search_finds_configs_that_are_better_than_the_baseline(project: EngineProject) -> None:
    loop = searched(project)
    assert project.run(loop).state is LoopState.FINISHED

    runs, proposals = project.runs(loop), project.proposals(loop)
    assert [run.round for run in runs] == [1, 2, 2, 3, 3]
    assert min(losses(project, loop)) < losses(project, loop)[0]
    assert {proposal.base_run for proposal in proposals} == {runs[0].id}
    assert all(proposal.author.kind is ActorKind.SEARCH for proposal in proposals)
    assert (
        {str(proposal.author) for proposal in proposals} == {proposal.origin for proposal in proposals} == {"optuna (TPE)"}
    )
    assert {change.path for proposal in proposals for change in proposal.changes} == {"lr", "reg"}
    assert proposals[0].reason.startswith(
        "TPE, from 1 config: at random, because these are too few for a model; best so far: base"
    )
    assert "from 3 configs" in proposals[2].reason
    assert {proposal.expects for proposal in proposals} == {None}  # chosen at random
    assert "round 2: 2 proposals by optuna (TPE)" in project.story(loop, EventKind.NOTE)
    assert [(each.rule, each.searched, each.ran) for each in project.state(loop).outcome.rules] == [
        ("optuna (TPE)", True, 4)
    ]


def test_proposals_wait_for_approval_and_can_be_edited_like_any_other(project: EngineProject) -> None:
    from autoloop.protocol import Approve, Edit, Reject, Start

    loop = searched(project, rounds=2, approve="manual")
    with project.driven(loop) as driven:
        first, second = driven.waiting()
        assert {first.status, second.status} == {ProposalStatus.PENDING}
        driven.done(Edit(proposal=first.id, edits=["lr=0.5"]))
        driven.done(Reject(proposals=[second.id]))
        driven.done(Approve(proposals=[first.id]))
        driven.ask(Start())
        assert driven.end().state is LoopState.FINISHED
    edited = project.proposals(loop)[0]
    assert (edited.origin, edited.author.name) == ("optuna (TPE)", "ada")
    assert [run.round for run in project.runs(loop)] == [1, 2]


def test_each_round_has_as_many_proposals_as_slots_and_no_config_runs_twice(project: EngineProject) -> None:
    loop = searched(project, concurrency=3, rounds=3)
    project.run(loop)
    assert [run.round for run in project.runs(loop)] == [1, 2, 2, 2, 3, 3, 3]
    assert len({run.config_hash for run in project.runs(loop)}) == 7


def test_with_seeds_each_proposal_runs_with_each_of_them_and_fills_the_slots_together(project: EngineProject) -> None:
    loop = searched(project, seeds="2", concurrency=4, variants_per_run=1, rounds=2)
    project.run(loop)
    runs = project.runs(loop)
    assert [run.round for run in runs] == [1, 1, 2, 2, 2, 2]
    assert [run.seed for run in runs] == ["1", "2"] * 3
    assert len({run.group for run in runs}) == 3


@pytest.mark.parametrize(("seeds", "base"), [(None, "base"), ("3", "good,seed=1")])
def test_the_base_is_the_first_config_until_another_has_been_shown_to_be_better(
    project: EngineProject, seeds: str | None, base: str
) -> None:
    configs = [bowl(project, name, lr=lr, spread=0.001) for name, lr in (("base", 1.0), ("good", 0.3))]
    loop = searched(project, *configs, seeds=seeds, rounds=2, variants_per_run=1, approve="manual")
    with project.driven(loop) as driven:
        (proposal,) = driven.waiting()
    assert project.store.run(proposal.base_run).name == base


def test_rules_come_first_and_the_search_fills_the_rest_of_the_round(project: EngineProject) -> None:
    loop = searched(project, decide=True, rules=str(project.folder / "rules.toml"), concurrency=3, rounds=2)
    project.run(loop)
    origins = [proposal.origin for proposal in project.proposals(loop)]
    assert origins == ["more-lr", "optuna (TPE)", "optuna (TPE)"]
    assert "round 2: 1 proposal by rules, 2 by optuna (TPE)" in project.story(loop, EventKind.NOTE)


def test_the_search_takes_the_place_of_a_rule_books_default(project: EngineProject) -> None:
    book = project.rules('name = "t"\nversion = "1"\n[default]\nreason = "nothing"\nchanges = ["lr@mul=0.9"]\n')
    loop = searched(project, decide=True, rules=book, rounds=2)
    project.run(loop)
    assert [proposal.origin for proposal in project.proposals(loop)] == ["optuna (TPE)"] * 2


def test_a_space_that_is_exhausted_ends_the_loop_with_one_sentence(project: EngineProject) -> None:
    loop = searched(project, grid=["lr=0.5,1.0", "reg=0.0,1.0"], rounds=9)
    ended = project.run(loop)
    assert ended.end.kind is LoopEndKind.NO_PROPOSALS
    assert len({run.config_hash for run in project.runs(loop)}) == len(project.runs(loop)) == 4
    said = [text for text in project.story(loop) if "every config in the search space" in text]
    assert said == [
        f"round {number}; every config in the search space has been run or proposed"
        for number in ("3: 1 proposal by optuna (TPE)", "4: no proposals")
    ]


def test_past_runs_of_the_project_count_and_are_not_proposed_again(project: EngineProject) -> None:
    grid = project.loop([bowl(project)], grid=["lr=0.25,0.5,0.75,1.0"], rules=None)
    project.run(grid)
    other = project.loop([bowl(project, number=5)], rules=None)  # a different config, except for the searched settings
    project.run(other)
    loop = searched(project, grid=["lr=0.0,0.25,0.5,0.75,1.0"], rounds=2)
    project.run(loop)
    assert edits(project, loop) == [["lr=0.0"]]
    reason = project.proposals(loop)[0].reason
    assert "from 5 runs of 4 configs" in reason
    assert f"best so far: lr=0.25 of {grid.name}" in reason


def test_what_a_model_prefers_is_expected_to_be_better(project: EngineProject) -> None:
    project.run(project.loop([bowl(project)], grid=["lr=0.2,0.4,0.6,0.8,1.0"], rules=None))
    loop = searched(project, rounds=2, approve="manual")
    with project.driven(loop) as driven:
        for proposal in driven.waiting():
            assert "the next point preferred by its model of l1_loss" in proposal.reason
            assert proposal.expects == Expectation(metric="train/l1_loss", direction="lower")


def test_a_config_that_fails_is_not_proposed_again_and_counts_as_bad(project: EngineProject) -> None:
    space = ['traceback=null,"ValueError: lr too high"', "lr=0.5,1.0"]
    loop = searched(project, bowl(project, traceback=None), rounds=4, grid=space, concurrency=3)
    assert project.run(loop).end.kind is LoopEndKind.NO_PROPOSALS

    runs = project.runs(loop)
    assert sorted(run.state for run in runs) == [RunState.FAILED] * 2 + [RunState.FINISHED] * 2
    context = project.engine(project.store, loop).context
    _, tried, _ = history(material(context, runs[0], loop.spec.search.axes, "train/l1_loss"))
    assert {(each.point[0] is None, each.failed) for each in tried} == {(True, False), (False, True)}


def test_an_engine_that_is_killed_while_it_asks_makes_the_same_proposals_afterwards(
    project: EngineProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    loop = searched(project, approve="manual", rounds=2)
    engines: list[Engine] = []

    def leave(event: Event) -> None:
        if event.kind is EventKind.RUN_ENDED:
            engines[0].leave("the round has ended")

    with project.driven(loop, engines.append, leave) as driven:
        driven.end()
    assert not project.proposals(loop)
    copied = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(project.folder, copied)
    copy = EngineProject(copied)
    try:
        with copy.driven(loop) as undisturbed:
            expected = [proposal.edits for proposal in undisturbed.waiting()]
    finally:
        copy.close()

    engine = project.spawn(loop)
    project.until(lambda: project.engines(), "the engine")
    project.kill_engine(engine)
    with project.driven(loop) as driven:
        assert [proposal.edits for proposal in driven.waiting()] == expected


def test_a_search_that_fails_stops_the_loop_and_a_resume_asks_again(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = searched(project, rounds=2)
    with monkeypatch.context() as patch:
        patch.setattr(searching, "SearchProcess", lambda: SearchProcess(patience=0.001))
        ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert ended.end.kind is LoopEndKind.SEARCH_FAILED
    assert ended.end.text == "optuna (TPE) took longer than 0.001 s and was killed; `autoloop-tui resume` tries again"
    assert project.run(loop).state is LoopState.FINISHED
    assert len(project.runs(loop)) == 3


def test_rules_go_on_without_a_search_that_fails(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "SearchProcess", lambda: SearchProcess(patience=0.001))
    loop = searched(project, decide=True, rules=str(project.folder / "rules.toml"), rounds=2)
    assert project.run(loop).state is LoopState.FINISHED
    assert [proposal.origin for proposal in project.proposals(loop)] == ["more-lr"]
    assert any("1 proposal by rules; optuna (TPE) took longer" in text for text in project.story(loop))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 1}, "add --rounds 2 or more"),
        ({"grid": []}, "give ranges or values with --grid"),
        ({"zip": True}, "omit one of them"),
        ({"grid": ["lrr=0.0..1.0"]}, "did you mean|nearest"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_before_anything_is_started(
    project: EngineProject, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        searched(project, **changes)
    assert project.store.loops() == []


def test_without_optuna_the_plan_says_how_to_install_it(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs optuna, which .* does not have: pip install 'autoloop-tui\[search\]'$"):
        searched(project)
    with pytest.raises(UserError, match=r"--propose optuna:gp needs optuna and scipy and torch.*\[search\]' scipy torch$"):
        searched(project, search=Search(sampler=Sampler.GP))
