"""Rules, criteria and Python rules of a running loop that use verdicts between a config's runs and those of its base."""

from __future__ import annotations

from typing import Any

from autoloop.model import LoopEndKind, RunState

from tests.engine.project import EngineProject, rows
from tests.engine.rounds.live_rules import live

SEEDS = {1: 1.00, 2: 1.02, 3: 0.98, 4: 1.01}
HALVES = 'changes = ["by_seed.*.rows.*.train/l1_loss@mul=0.5"]'

BOOK = f"""
name = "test"
version = "1"
[[rule]]
id = "first"
when = "l1_loss.last > 0.7"
reason = "high"
{HALVES}
[[rule]]
id = "goes-on"
when = "better_than_base(l1_loss) and noise(l1_loss) < 0.1 and n == N"
reason = "it helped"
changes = ["lr@mul=3"]
"""


def configs(project: EngineProject, losses: dict[int, float], **more: Any) -> list[str]:
    """Write one config with several seeds, with a last loss for each."""
    by_seed = {str(seed): {"rows": rows(5.0, *[loss] * 5)} for seed, loss in losses.items()}
    return [project.config(f"seed={seed}", seed=seed, number=0, lr=1.0, by_seed=by_seed, **more) for seed in losses]


def test_a_rule_goes_on_from_what_has_been_shown_to_be_better_than_its_base(project: EngineProject) -> None:
    rules = project.rules(BOOK.replace("N", "4"))
    loop = project.loop(configs(project, SEEDS), rounds=3, decide=True, rules=rules)
    project.run(loop)
    first, second = project.proposals(loop)
    assert (first.origin, second.origin) == ("first", "goes-on")
    assert second.evidence is not None
    better, noise, n = second.evidence.observations
    assert better.words is not None
    assert better.words.startswith("better: -0.5")
    assert "n 4 and 4" in better.words
    assert 0 < noise.value < 0.1
    assert noise.words is not None
    assert "(8 runs of 2 configs)" in noise.words
    assert n.value == 4
    story = project.story(loop)
    assert any("better_than_base(l1_loss) is unknown: the config has no base" in text for text in story)


def test_one_run_of_each_config_shows_nothing(project: EngineProject) -> None:
    rules = project.rules(BOOK.replace("N", "1"))
    loop = project.loop(configs(project, {1: 1.0}), rounds=3, decide=True, rules=rules)
    project.run(loop)
    assert [proposal.origin for proposal in project.proposals(loop)] == ["first"]
    assert any("within the run only: no config was run with two seeds" in text for text in project.story(loop))


def test_a_loop_ends_with_the_config_that_is_better_than_its_base(project: EngineProject) -> None:
    criterion = "better_than_base(l1_loss)"
    rules = project.rules(BOOK.replace("N", "4"))
    loop = project.loop(configs(project, SEEDS), rounds=4, decide=True, rules=rules, until=criterion)
    ended = project.run(loop)
    assert ended.end is not None
    assert ended.end.kind is LoopEndKind.WINNER
    assert ended.winner == project.runs(loop, 2)[0].id
    assert len(project.runs(loop)) == 8


def test_python_rules_are_told_what_is_known_of_each_metric(project: EngineProject) -> None:
    code = """
def decide(summary):
    loss = summary["train/l1_loss"]
    said = [str(loss[key]) for key in ("runs", "verdict", "better_than_base")] + [f"{loss['noise']:.3f}"]
    return [{"reason": " ".join(said), "changes": {"by_seed.*.rows.*.train/l1_loss@mul": 0.5}}]
"""
    loop = project.loop(configs(project, SEEDS), rounds=3, decide=True, rules=project.rules(code, "mine.py"))
    project.run(loop)
    first, second = (proposal.reason for proposal in project.proposals(loop))
    assert first == "4 None None 0.017"
    assert second.startswith("4 better True 0.01")


NOISY = """
name = "live"
version = "1"
[[rule]]
id = "far-off"
scope = "live"
when = "l1_loss.last > 1 + 100 * noise(l1_loss)"
reason = "far above what seeds explain"
"""


def test_a_live_rule_knows_the_noise_of_the_runs_that_have_finished(project: EngineProject) -> None:
    known = configs(project, SEEDS)
    bad = project.config("bad", rows=rows(9.0, 9.0), hang=True, number=9)
    loop = project.loop([*known, bad], steps=100, rules=project.rules(NOISY), live=True, concurrency=1)
    project.run(loop)
    (proposal,) = live(project, loop)
    assert project.named(loop, "bad").state is RunState.STOPPED
    assert proposal.evidence is not None
    assert proposal.evidence.observations[0].words is not None
    assert "(4 runs of 1 config)" in proposal.evidence.observations[0].words


def test_a_live_rule_that_asks_for_the_noise_stops_nothing_as_long_as_it_is_not_known(project: EngineProject) -> None:
    alone = project.config("alone", rows=rows(9.0, 9.0), number=9)
    loop = project.loop([alone], steps=100, rules=project.rules(NOISY), live=True)
    project.run(loop)
    assert live(project, loop) == []
    assert project.named(loop, "alone").state is RunState.FINISHED
