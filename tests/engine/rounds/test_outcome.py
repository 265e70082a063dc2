"""The end of a loop states whether a config is better than its baseline, its changes, what rules did, and the cost."""

from __future__ import annotations

import re
from typing import Any

from autoloop.engine import Engine
from autoloop.engine.base.among_runs import LoopComparisons
from autoloop.engine.rounds.outcome import judged_runs, outcome_in
from autoloop.metrics import default_book
from autoloop.model import Call, Loop, Outcome
from autoloop.protocol import Move
from autoloop.reports.replicates import verdict_lines
from autoloop.verdicts import Judge

from tests.engine.project import EngineProject, rows
from tests.support.senders import person

LOW = """
name = "test"
version = "1"
[[rule]]
id = "too-high"
when = "l1_loss.last > 2"
reason = "the loss is high"
changes = ["lr@mul=2"]
"""


def seeded(project: EngineProject, name: str, losses: dict[int, float], **more: Any) -> list[str]:
    """Write configs that differ only in the seed, with a last loss for each seed."""
    by_seed = {str(seed): {"rows": rows(5.0, *[loss] * 5)} for seed, loss in losses.items()}
    return [
        project.config(f"{name},seed={seed}", **{"seed": seed, "number": 0, "by_seed": by_seed, **more}) for seed in losses
    ]


def outcome_of(project: EngineProject, loop: Loop) -> Outcome:
    found = project.run(loop).outcome
    assert found is not None
    return found


BASELINE = {1: 1.00, 2: 1.02, 3: 0.98, 4: 1.01}


def test_a_config_that_is_better_over_its_seeds_is_named_with_what_it_changed(project: EngineProject) -> None:
    other = {seed: loss - 0.5 for seed, loss in BASELINE.items()}
    configs = [*seeded(project, "lr=1", BASELINE, lr=1.0), *seeded(project, "lr=3", other, lr=3.0)]
    loop = project.loop(configs)
    found = outcome_of(project, loop)
    assert found.better
    assert found.comparison is not None
    assert found.comparison.runs == (4, 4)
    assert abs(found.comparison.effect + 0.5) < 1e-9
    assert found.comparison.interval is not None
    assert found.comparison.interval[1] < 0
    changes = [(change.path, change.before, change.after) for change in found.changes]
    assert ("lr", 1.0, 3.0) in changes
    assert not any(path == "seed" for path, _, _ in changes)
    story = project.story(loop)
    first, base = project.named(loop, "lr=3,seed=1"), project.named(loop, "lr=1,seed=1")
    said = f"lr=3 ({first.id}, 4 seeds) is better than the baseline, lr=1 ({base.id}, 4 seeds)"
    assert any(said in text for text in story)
    with project.open_store() as store:
        runs = store.runs(loop.id)
        lines = verdict_lines(runs, default_book())
        # Rules read only the metrics they name, but reach the same verdicts as every other part.
        for wanted in (frozenset({"train/l1_loss"}), frozenset({"loss"}), None):
            mine = LoopComparisons(store, loop.id, default_book(), wanted).of(first).judge
            for metric in ("train/l1_loss", "loss"):
                here, there = (judge.between(first, base, metric) for judge in (mine, Judge(runs, default_book())))
                assert here is not None
                assert there is not None
                assert here.alpha == there.alpha
    assert any(line.startswith(f"lr=3 ({first.id}, 4 seeds) against lr=1 ({base.id}, 4 seeds): better") for line in lines)


def test_the_baseline_is_the_first_config_that_was_given_also_if_it_runs_last(project: EngineProject) -> None:
    other = {seed: loss - 0.5 for seed, loss in BASELINE.items()}
    loop = project.loop([*seeded(project, "lr=1", BASELINE, lr=1.0), *seeded(project, "lr=3", other, lr=3.0)])
    given = [run.name for run in project.runs(loop)]
    for run in project.runs(loop)[:4]:
        project.store.send(loop.id, Move(run=run.id), person())
    found = outcome_of(project, loop)
    attempts = sorted(project.store.loop_attempts(loop.id), key=lambda attempt: attempt.created_at)
    assert [project.store.run(attempt.run).name for attempt in attempts] == [*given[4:], *given[:4]]
    assert found.better
    assert (project.store.run(found.baseline.run).name, found.baseline.runs) == ("lr=1,seed=1", 4)
    assert project.store.run(found.first.run).name == "lr=3,seed=1"
    lines = verdict_lines(project.runs(loop), default_book())
    assert any(re.fullmatch(r"lr=3 \(.*\) against lr=1 \(.*\): better.*", line) for line in lines)


def test_equal_configs_give_no_winner_however_the_best_of_them_stands(project: EngineProject) -> None:
    lucky = {1: 0.99, 2: 1.03, 3: 0.97, 4: 1.00}
    loop = project.loop([*seeded(project, "lr=1", BASELINE, lr=1.0), *seeded(project, "lr=3", lucky, lr=3.0)])
    found = outcome_of(project, loop)
    assert not found.better
    assert found.comparison is not None
    assert found.comparison.call in (Call.NOT_ENOUGH, Call.NO_DIFFERENCE)
    assert any("no config has been shown to be better than the baseline" in text for text in project.story(loop))


def test_one_run_of_each_config_is_never_progress(project: EngineProject) -> None:
    loop = project.loop([project.config("a", rows=rows(5.0, 1.0)), project.config("b", rows=rows(5.0, 0.1))])
    found = outcome_of(project, loop)
    assert found.comparison is not None
    assert (found.comparison.call, found.comparison.interval) == (Call.NOT_ENOUGH, None)
    assert any("cannot tell an effect from chance" in text for text in project.story(loop))


def test_a_baseline_that_stands_first_itself_is_said_to_be_unbeaten(project: EngineProject) -> None:
    loop = project.loop([project.config("a", rows=rows(5.0, 0.1)), project.config("b", rows=rows(5.0, 1.0))])
    assert outcome_of(project, loop).comparison is None
    assert any("no config is better than the baseline, a" in text for text in project.story(loop))


def test_rounds_rules_and_cost_are_summed_up(project: EngineProject) -> None:
    loop = project.loop(seeded(project, "lr=1", {1: 3.0, 2: 3.1}, lr=1.0), rounds=2, decide=True, rules=project.rules(LOW))
    found = outcome_of(project, loop)
    assert [each.round for each in found.rounds] == [1, 2]
    (record,) = found.rules
    assert (record.rule, record.proposed, record.ran) == ("too-high", 1, 1)
    assert found.runs == 4
    assert found.seconds > 0


def test_a_loop_without_a_metric_of_which_one_direction_is_good_says_so(project: EngineProject) -> None:
    rows_ = [{"_step": step, "train/quantity": 1.0 * step} for step in (1, 2)]
    loop = project.loop([project.config("a", rows=rows_), project.config("b", rows=rows_)])
    ended = project.run(loop)
    assert ended.outcome is None
    assert any("no metric of these runs has a known better direction" in text for text in project.story(loop))


def test_outcome_and_verdicts_are_the_same_whatever_an_engine_was_asked_before(project: EngineProject) -> None:
    configs = []
    for rate, shift in ((1, 0.0), (3, 0.5)):
        by_seed = {str(seed): {"rows": rows(*[loss - shift] * 5, train__ot_loss=loss)} for seed, loss in BASELINE.items()}
        configs += [project.config(f"lr={rate},seed={seed}", lr=rate, seed=int(seed), by_seed=by_seed) for seed in by_seed]
    loop = project.loop(configs)
    project.run(loop)
    for metric in ("train/l1_loss", "train/ot_loss"):
        outcomes, verdicts = [], []
        for before in ([metric], ["train/l1_loss", "train/ot_loss"], None):
            context = Engine(project.store, loop).context
            context.past.by(before)
            outcomes.append(outcome_in(context, metric))
            judged = judged_runs(context, metric)
            verdicts.append(judged.judge.between(judged.runs[-1], judged.runs[0], metric))
        assert outcomes[0] is not None
        assert outcomes[0].comparison is not None
        assert verdicts[0] is not None
        assert (outcomes, verdicts) == ([outcomes[0]] * 3, [verdicts[0]] * 3)
