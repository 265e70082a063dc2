"""`--replicates auto`: a config that looks better than the baseline counts as better only after both ran on fresh seeds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.model import Call, Event, EventKind, Loop, LoopEndKind, LoopState, ProposalStatus, Run
from autoloop.protocol import Approve, Edit, Propose, Reject, Stop, Undo, Variant
from autoloop.reports.replicates import verdict_lines
from autoloop.store import Store

from tests.engine.project import EngineProject, rows

QUIET = """
name = "test"
version = "1"
[[rule]]
id = "too-high"
when = "l1_loss.last > 90"
reason = "the loss is high"
changes = ["lr@mul=2"]
"""


def noisy(project: EngineProject, name: str, mean: float, own: float, **more: Any) -> str:
    """Write a config whose loss ends at `own` with its seed, 100, and near `mean` with every other seed."""
    rng = random.Random(name)
    losses = {"100": own} | {str(seed): mean + rng.gauss(0, 0.01) for seed in range(1, 40)}
    by_seed = {seed: {"rows": rows(5.0, *[loss] * 5)} for seed, loss in losses.items()}
    return project.config(name, **{"seed": 100, "number": 0, "by_seed": by_seed, "called": name, **more})


def loop_of(project: EngineProject, *configs: str, **more: Any) -> Loop:
    return project.loop(
        configs,
        **{
            "rounds": 4,
            "decide": True,
            "confirm": True,
            "rules": project.rules(QUIET, "quiet.toml"),
            "concurrency": 4,
            **more,
        },
    )


def fresh(project: EngineProject, loop: Loop) -> list[Run]:
    return [run for run in project.runs(loop) if run.confirms]


def test_what_is_better_is_confirmed_on_fresh_seeds_and_named_the_winner(project: EngineProject) -> None:
    text = (project.folder / "fake.toml").read_text(encoding="utf-8").replace("file-only", "dashed-eq")
    preset = project.write("seed.toml", f'{text}\n[flags]\nseed = "{{seed}}"\n')
    configs = noisy(project, "base", 2.0, 2.0, lr=1.0), noisy(project, "good", 1.0, 1.0, lr=3.0)
    loop = loop_of(project, *configs, preset=preset)
    found = project.run(loop).outcome
    assert found is not None
    assert found.better
    assert found.comparison is not None
    contender, base = project.named(loop, "good"), project.named(loop, "base")
    assert (found.first.run, found.baseline.run) == (contender.id, base.id)
    made = fresh(project, loop)
    # Both get the same fresh seeds, and only these count.
    seeds = {run.seed for run in made if run.base_run == contender.id}
    assert seeds == {run.seed for run in made if run.base_run == base.id}
    assert "100" not in seeds
    assert found.comparison.runs == (len(seeds), len(seeds))
    assert all(run.confirms == contender.id for run in made)
    assert [change.path for change in made[0].changes] == ["seed"]
    assert any("confirmed on" in text and "is better than the baseline" in text for text in project.story(loop))
    # A preset that passes the seed in a flag passes each run's own.
    assert {f"--seed={run.seed}" for run in made} == {project.store.attempts(run.id)[0].argv[-1] for run in made}
    # The table of a round that only confirms names the configs, not the replicates that happened to run in it.
    runs = project.runs(loop)
    lines = verdict_lines([run for run in runs if run.round == 2], default_book(), [run for run in runs if run.round == 1])
    count = 1 + sum(run.round == 2 for run in made) // 2
    assert [line.partition(":")[0] for line in lines[1:]] == [
        f"good ({contender.id}, {count} seeds) against base ({base.id}, {count} seeds)"
    ]


def test_one_lucky_run_is_not_confirmed(project: EngineProject) -> None:
    loop = loop_of(project, noisy(project, "base", 2.0, 2.0), noisy(project, "lucky", 2.0, 1.97), rounds=6)
    found = project.run(loop).outcome
    assert found is not None
    assert not found.better
    (tried,) = found.confirmations
    assert tried.comparison is not None
    assert tried.comparison.call in (Call.NO_DIFFERENCE, Call.NOT_ENOUGH)
    assert tried.explored < 0
    assert any("no config has been confirmed on fresh seeds" in text for text in project.story(loop))
    assert any("looked better in 1 run" in text for text in project.story(loop))


def test_the_proposal_says_what_it_is_for_and_waits_for_a_decision_like_any_other(project: EngineProject) -> None:
    loop = loop_of(project, noisy(project, "base", 2.0, 2.0), noisy(project, "good", 1.0, 1.0), approve="manual")
    with project.driven(loop) as driven:
        (proposal,) = driven.waiting()
        assert proposal.repeats is not None
        assert proposal.status is ProposalStatus.PENDING
        assert str(proposal.author) == "replicates"
        for words in ("replicates of good and the baseline", "l1_loss lower by 1 in 1 run", "more than noise"):
            assert words in proposal.reason
        assert "cannot be edited" in driven.refused(Edit(proposal=proposal.id, edits=["lr=3"]))
        driven.done(Reject(proposals=[proposal.id]))
        assert project.proposals(loop)[0].status is ProposalStatus.REJECTED
        driven.done(Undo(proposals=[proposal.id]))
        driven.done(Approve(proposals=[proposal.id]))
        driven.until(lambda: fresh(project, loop), "the fresh seeds are queued")
        driven.done(Stop())
    made = fresh(project, loop)
    assert len(made) == proposal.trainings == 2 * len(proposal.repeats.seeds)


def test_a_contender_whose_replicates_are_rejected_is_not_asked_for_again(project: EngineProject) -> None:
    configs = [noisy(project, name, 2.0, own) for name, own in (("base", 2.0), ("a", 1.0), ("b", 1.5))]
    loop = loop_of(project, *configs, approve="manual")
    with project.driven(loop) as driven:
        (first,) = driven.waiting()
        assert first.base_run == project.named(loop, "a").id
        driven.done(Reject(proposals=[first.id]))
        driven.done(Propose(run="b", variants=[Variant(edits=["lr=7"], reason="by hand")]))
        driven.done(Approve(proposals=[2]))
        driven.until(lambda: len(project.proposals(loop)) > 2, "the next contender")
        second = project.proposals(loop)[2]
        assert second.base_run == project.named(loop, "b").id
        driven.done(Stop())


def test_the_last_round_confirms_in_place_of_what_rules_propose(project: EngineProject) -> None:
    rules = project.rules(QUIET.replace("> 90", "> 0"))
    configs = [noisy(project, "base", 2.0, 2.0), noisy(project, "good", 1.0, 1.0)]
    loop = loop_of(project, *configs, rounds=2, rules=rules)
    project.run(loop)
    assert [run.confirms is not None for run in project.runs(loop, 2)] == [True] * len(project.runs(loop, 2))
    by_rules = [each for each in project.proposals(loop) if each.author.by_rules]
    assert by_rules
    assert {each.status for each in by_rules} == {ProposalStatus.SKIPPED}


def test_a_round_that_is_not_the_last_explores_beside_what_it_confirms(project: EngineProject) -> None:
    rules = project.rules(QUIET.replace("> 90", "> 0"))
    configs = [noisy(project, name, 2.0, own) for name, own in (("base", 2.0), ("a", 1.0), ("b", 2.1), ("c", 2.2))]
    loop = loop_of(project, *configs, rounds=3, rules=rules, variants_per_run=1)
    project.run(loop)
    second = project.runs(loop, 2)
    assert [run.confirms is None for run in second].count(True) == 2
    assert len(second) == 4


def test_a_run_that_meets_until_ends_the_loop_when_fresh_seeds_do_so_too(project: EngineProject) -> None:
    loop = loop_of(project, noisy(project, "base", 2.0, 2.0), noisy(project, "good", 1.0, 1.0), until="l1_loss.last < 1.5")
    ended = project.run(loop)
    assert (ended.winner, ended.winner_seeds) == (project.named(loop, "good").id, 2)
    assert ended.end is not None
    assert ended.end.kind is LoopEndKind.WINNER
    assert "confirmed on 2 fresh seeds" in ended.end.text


def test_a_lucky_run_that_meets_until_does_not_end_the_loop(project: EngineProject) -> None:
    configs = [noisy(project, "base", 2.0, 2.0), noisy(project, "lucky", 2.0, 1.0)]
    ended = project.run(loop_of(project, *configs, rounds=3, until="l1_loss.last < 1.5"))
    assert ended.winner is None
    assert ended.end is not None
    assert ended.end.kind is LoopEndKind.ROUNDS_DONE
    assert ended.end.text.endswith("on fresh seeds")


def test_a_contender_whose_fresh_runs_fail_is_given_up(project: EngineProject) -> None:
    broken = {str(seed): {"code": 1, "rows": []} for seed in range(1, 40)}
    broken["100"] = {"rows": rows(5.0, 1.0, 1.0)}
    base = {str(seed): {"rows": rows(5.0, 2.0, 2.0)} for seed in (*range(1, 40), 100)}
    common = {"seed": 100, "number": 0}
    configs = [project.config("base", **common, by_seed=base), project.config("bad", **common, by_seed=broken)]
    loop = loop_of(project, *configs, rounds=6)
    found = project.run(loop).outcome
    assert found is not None
    (tried,) = found.confirmations
    assert tried.failed >= 2
    assert tried.given_up is not None
    assert not found.better


def test_max_runs_is_kept(project: EngineProject) -> None:
    configs = [noisy(project, "base", 2.0, 2.0), noisy(project, "lucky", 2.0, 1.97)]
    loop = loop_of(project, *configs, rounds=6, max_runs=5)
    project.run(loop)
    assert len(fresh(project, loop)) == 2
    assert len(project.runs(loop)) <= 5


def test_without_a_seed_nothing_is_confirmed_and_an_event_says_so(project: EngineProject) -> None:
    configs = [project.config(name, rows=rows(5.0, loss)) for name, loss in (("base", 2.0), ("other", 1.0))]
    for path in configs:
        config = {key: value for key, value in json.loads(Path(path).read_text()).items() if key != "seed"}
        Path(path).write_text(json.dumps(config))
    loop = loop_of(project, *configs)
    found = project.run(loop).outcome
    assert not fresh(project, loop)
    assert any("was not run again on fresh seeds" in text for text in project.story(loop))
    assert found is not None
    assert not found.confirms
    assert not found.better


def test_an_engine_killed_before_it_proposes_judges_the_round_again(project: EngineProject) -> None:
    loop = loop_of(project, noisy(project, "base", 2.0, 2.0), noisy(project, "good", 1.0, 1.0))

    def die(event: Event) -> None:
        if event.kind is EventKind.ROUND_ENDED:
            raise Killed

    with Store.open(project.folder) as store, pytest.raises(Killed):
        project.engine(store, loop).run(die)
    assert not project.proposals(loop)
    assert project.run(loop).state is LoopState.FINISHED
    assert len({each.config_hash for each in project.proposals(loop)}) == len(project.proposals(loop))
    assert fresh(project, loop)


class Killed(BaseException):
    """The engine was killed."""
