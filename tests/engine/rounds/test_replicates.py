"""`--replicates auto`: what looks better than the baseline runs again with fresh seeds beside it before it is called
better."""

from __future__ import annotations

import random
from typing import Any

from autoloop.model import Call, Loop, Run

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
    """A config whose one run, with the seed 100, ends at `own`, and at about `mean` with every other seed."""
    rng = random.Random(name)
    losses = {"100": own} | {str(seed): mean + rng.gauss(0, 0.01) for seed in range(1, 40)}
    by_seed = {seed: {"rows": rows(5.0, *[loss] * 5)} for seed, loss in losses.items()}
    return project.config(name, **{"seed": 100, "number": 0, "by_seed": by_seed, "called": name, **more})


def loop_of(project: EngineProject, *configs: str, **more: Any) -> Loop:
    return project.loop(
        configs, **{"rounds": 4, "decide": True, "confirm": True, "rules": project.rules(QUIET), "concurrency": 4, **more}
    )


def fresh(project: EngineProject, loop: Loop) -> list[Run]:
    return [run for run in project.runs(loop) if run.confirms]


def test_what_is_better_is_confirmed_on_fresh_seeds_and_named_the_winner(project: EngineProject) -> None:
    loop = loop_of(project, noisy(project, "base", 2.0, 2.0, lr=1.0), noisy(project, "good", 1.0, 1.0, lr=3.0))
    found = project.run(loop).outcome
    assert found is not None
    assert found.better
    assert found.comparison is not None
    contender, base = project.named(loop, "good"), project.named(loop, "base")
    assert (found.first.run, found.baseline.run) == (contender.id, base.id)
    made = fresh(project, loop)
    # The same fresh seeds for both, and only these count.
    seeds = {run.seed for run in made if run.base_run == contender.id}
    assert seeds == {run.seed for run in made if run.base_run == base.id}
    assert "100" not in seeds
    assert found.comparison.runs == (len(seeds), len(seeds))
    assert all(run.confirms == contender.id for run in made)
    assert [change.path for change in made[0].changes] == ["seed"]
    assert any("confirmed on" in text and "is better than the baseline" in text for text in project.story(loop))


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
