"""From one round to the next: judged by rules, built from configs, until a criterion is met."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autoloop import reports
from autoloop.model import BestRun, EventKind, LoopState, Proposal, ProposalStatus, RoundState, RunState
from autoloop.protocol import Approve, Pause, Propose, Resume, Variant
from autoloop.settings import Settings

from tests.engine.processes import seen, states
from tests.engine.project import RULES, EngineProject, rows


def written(config: dict[str, Any], proposal: Proposal) -> dict[str, Any]:
    """Apply the proposal's changes of top-level keys, checking that each `before` value is right."""
    for change in proposal.changes:
        assert config.get(change.path) == change.before
        config = {**config, change.path: change.after}
    return config


def test_a_second_round_is_made_of_variants_that_are_their_base_and_the_shown_changes(project: EngineProject) -> None:
    configs = [project.config("a", lr=0.5, batch_size=8), project.config("b", lr=3.0)]
    loop = project.loop(configs, rounds=2, decide=True)
    assert project.run(loop).state is LoopState.FINISHED
    first, second = project.runs(loop, 1), project.runs(loop, 2)
    assert states([*first, *second]) == [RunState.FINISHED] * 4
    assert [run.base_run for run in second] == [run.id for run in first]
    for base, run, proposal in zip(first, second, project.proposals(loop), strict=True):
        assert proposal.status is ProposalStatus.LAUNCHED
        assert proposal.run == run.id
        assert proposal.evidence is not None
        assert [(change.path, change.after) for change in run.changes] == [("lr", seen(base)["config"]["lr"] * 2)]
        assert seen(run)["config"] == written(seen(base)["config"], proposal)
        assert json.loads(Path(run.source_path).read_text()) == seen(run)["config"]


def test_people_s_chain_scripts_find_the_line_that_names_each_variant(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True)
    project.run(loop)
    (variant,) = project.runs(loop, 2)
    assert f"Wrote variant: {variant.source_path} (the loss is not zero)" in project.story(loop)


def test_a_value_that_is_no_name_of_a_file_leads_nowhere_else(project: EngineProject) -> None:
    long = "x" * 300
    rules = project.rules(RULES.replace('"lr@mul=2"', f"""'data=["../../up", "{long}"]'"""))
    loop = project.loop([project.config("data=set", data=["set"])], rounds=2, decide=True, rules=rules)
    assert project.run(loop).state is LoopState.FINISHED
    (variant,) = project.runs(loop, 2)
    assert variant.state is RunState.FINISHED
    assert variant.name == f"{'data=.._.._upx' + long:.80}_r2_1"
    assert Path(variant.source_path) == Path(loop.output_dir) / "variants" / f"{variant.name}.json"
    assert seen(variant)["config"]["data"] == ["../../up", long]


def test_without_decide_there_is_one_round(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    assert project.run(loop).state is LoopState.FINISHED
    assert [round_.number for round_ in project.store.rounds(loop.id)] == [1]
    assert project.proposals(loop) == []


def test_as_many_rounds_are_run_as_were_asked_for(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=3, decide=True)
    project.run(loop)
    assert [seen(run)["config"]["lr"] for run in project.runs(loop)] == [1.0, 2.0, 4.0]
    assert [round_.state for round_ in project.store.rounds(loop.id)] == [RoundState.DONE] * 3


def test_no_run_of_the_next_round_starts_before_the_last_of_this_one_has_ended(project: EngineProject) -> None:
    gate = project.gate("slow")
    loop = project.loop(
        [project.config("slow", gate=str(gate), rows=[]), project.config("fast")],
        concurrency=2,
        rounds=2,
        decide=True,
    )
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "fast").state is RunState.FINISHED, "the end of fast")
        assert "no proposal 1" in engine.refused(Approve(proposals=[1]))  # after a turn, nothing has been proposed yet
        assert project.proposals(loop) == []
        gate.touch()
        engine.end()
    slow, fast = project.runs(loop, 1)
    (variant,) = project.runs(loop, 2)
    assert variant.started_at is not None
    assert slow.ended_at is not None
    assert variant.started_at >= slow.ended_at
    assert variant.base_run == fast.id


def test_each_run_gets_as_many_variants_as_were_asked_for_and_the_rest_is_skipped(project: EngineProject) -> None:
    book = project.rules("""
        name = "three"
        version = "1"
        [[rule]]
        id = "low"
        when = "steps > 0"
        reason = "low"
        changes = ["lr@mul=2"]
        [[rule]]
        id = "high"
        when = "steps > 0"
        reason = "high"
        changes = ["lr@mul=3"]
        priority = 5
        [[rule]]
        id = "also-low"
        when = "steps > 0"
        reason = "also low"
        changes = ["lr@mul=4"]
    """)
    configs = [project.config("a"), project.config("b")]
    loop = project.loop(configs, rounds=2, decide=True, variants_per_run=2, rules=book)
    project.run(loop)
    by_base: dict[str, list[tuple[str, str]]] = {}
    for proposal in project.proposals(loop):
        by_base.setdefault(proposal.base_run, []).append((proposal.reason, proposal.status.value))
    launched = [("high", "launched"), ("low", "launched"), ("also low", "skipped")]
    assert [sorted(found) for found in by_base.values()] == [sorted(launched)] * 2
    assert len(project.runs(loop, 2)) == 4


def test_a_loop_ends_with_the_winner_as_soon_as_a_round_meets_the_criterion(project: EngineProject) -> None:
    configs = [
        project.config("bad", rows=rows(2.0, 1.0)),
        project.config("good", rows=rows(2.0, 0.3)),
        project.config("best", rows=rows(2.0, 0.2)),
    ]
    loop = project.loop(configs, rounds=3, decide=True, until="l1_loss.last < 0.5")
    ended = project.run(loop)
    best = project.named(loop, "best")
    assert (ended.state, ended.winner) == (LoopState.FINISHED, best.id)
    assert ended.reason is not None
    assert best.id in ended.reason
    assert "l1_loss.last < 0.5" in ended.reason
    assert len(project.runs(loop)) == 3
    assert f"Winner: best ({best.id})" in (project.folder / "reports" / "report.md").read_text()


def test_a_loop_that_has_ended_knows_the_run_that_stands_best_in_any_round(project: EngineProject) -> None:
    configs = [project.config("good", rows=rows(2.0, 0.3)), project.config("bad", rows=rows(2.0, 1.0))]
    ended = project.run(project.loop(configs, rounds=2, decide=True))
    good = project.named(ended, "good")
    assert ended.best == BestRun(metric="train/l1_loss", highest=False, value=0.3, run=good.id)
    stopped = project.run(project.loop([project.config("c", rows=rows(0.7)), *configs], max_runs=1))
    assert (stopped.state, project.store.counts(stopped.id)[RunState.QUEUED]) == (LoopState.STOPPED, 2)
    assert stopped.best is not None
    assert (stopped.best.value, stopped.best.run) == (0.7, project.named(stopped, "c").id)


def test_a_criterion_that_no_run_meets_lets_the_loop_go_on(project: EngineProject) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, until="l1_loss.last < 0.5")
    ended = project.run(loop)
    assert (ended.state, ended.winner) == (LoopState.FINISHED, None)
    assert len(project.runs(loop)) == 2


def test_a_failed_run_keeps_its_reason_is_not_judged_and_does_not_stop_the_round(project: EngineProject) -> None:
    configs = [
        project.config("a"),
        project.config("broken", traceback="ValueError: no such camera", late=True),
        project.config("c"),
    ]
    loop = project.loop(configs, rounds=2, decide=True)
    project.run(loop)
    a, broken, c = project.runs(loop, 1)
    assert states([a, broken, c]) == [RunState.FINISHED, RunState.FAILED, RunState.FINISHED]
    assert broken.reason is not None
    assert "no such camera" in broken.reason
    assert {proposal.base_run for proposal in project.proposals(loop)} == {a.id, c.id}
    assert {run.base_run for run in project.runs(loop, 2)} == {a.id, c.id}
    assert "no such camera" in (project.folder / "reports" / "report.md").read_text()


def test_a_run_that_ends_with_zero_but_never_said_that_it_was_done_has_failed(project: EngineProject) -> None:
    loop = project.loop([project.config("a", quiet=True)])
    project.run(loop)
    (run,) = project.runs(loop)
    assert run.state is RunState.FAILED
    assert run.reason is not None
    assert "End of training" in run.reason


def test_a_round_of_which_no_run_finished_stops_the_loop(project: EngineProject) -> None:
    loop = project.loop([project.config("a", traceback="ValueError: x", late=True)], rounds=2, decide=True)
    ended = project.run(loop)
    assert ended.state is LoopState.STOPPED
    assert ended.reason is not None
    assert "no run of the round finished" in ended.reason


def test_a_config_that_an_earlier_loop_has_run_is_blocked_and_says_where(project: EngineProject) -> None:
    path = project.config("a")
    earlier = project.loop([path], rounds=2, decide=True)
    project.run(earlier)
    variant = project.runs(earlier, 2)[0]
    loop = project.loop([path], rounds=2, decide=True)
    ended = project.run(loop)
    (proposal,) = project.proposals(loop)
    assert proposal.status is ProposalStatus.BLOCKED
    assert proposal.blocked is not None
    assert variant.id in proposal.blocked
    assert earlier.name in proposal.blocked
    # Nothing else was proposed, so the loop reports that and ends.
    assert ended.state is LoopState.FINISHED
    assert ended.reason is not None
    assert "blocked" in ended.reason
    assert len(project.runs(loop)) == 1


def test_rules_that_ask_for_nothing_end_the_loop_and_say_so(project: EngineProject) -> None:
    loop = project.loop([project.config("a", rows=rows(0.0, 0.0))], rounds=2, decide=True)
    ended = project.run(loop)
    assert (ended.state, len(project.runs(loop))) == (LoopState.FINISHED, 1)
    assert ended.reason is not None
    assert "The rules proposed nothing for the next round" in ended.reason


def test_a_rule_on_a_metric_that_never_appeared_does_not_fire_and_says_so(project: EngineProject) -> None:
    book = project.rules("""
        name = "own"
        version = "1"
        [[rule]]
        id = "mass"
        when = "ot_pi_sum.last < 1"
        reason = "mass"
        changes = ["lr@mul=2"]
        [[rule]]
        id = "high"
        when = "l1_loss.last > 100"
        reason = "high"
        changes = ["lr@mul=0.5"]
    """)
    loop = project.loop([project.config("a")], rounds=2, decide=True, rules=book)
    project.run(loop)
    assert project.runs(loop)[0].state is RunState.FINISHED
    assert project.proposals(loop) == []
    assert any("rule mass" in text and "ot_pi_sum" in text for text in project.story(loop, "note"))


def test_rules_in_python_make_the_next_round(project: EngineProject) -> None:
    rules = project.rules(
        """
class Idea:
    def __init__(self, reason, changes):
        self.reason, self.changes = reason, changes

def decide(summary):
    assert summary["train/l1_loss"]["last"] == 1.0 and summary["steps"] == 2
    return [Idea("from python", {"lr@mul": 10, "warm@set": True})]
""",
        "my_rules.py",
    )
    loop = project.loop([project.config("a")], rounds=2, decide=True, rules=rules)
    project.run(loop)
    (variant,) = project.runs(loop, 2)
    assert seen(variant)["config"]["lr"] == 10.0
    assert seen(variant)["config"]["warm"] is True
    assert project.proposals(loop)[0].reason == "from python"


def test_rules_in_python_that_raise_do_not_bring_the_loop_down(project: EngineProject) -> None:
    rules = project.rules("def decide(summary):\n    return summary['nothing']\n", "my_rules.py")
    loop = project.loop([project.config("a")], rounds=2, decide=True, rules=rules)
    assert project.run(loop).state is LoopState.FINISHED
    assert any("my_rules.py, line 2" in text and "KeyError" in text for text in project.story(loop, "note"))


def test_a_person_s_early_proposal_does_not_keep_the_rules_from_judging_its_run(project: EngineProject) -> None:
    gate = project.gate("slow")
    configs = [project.config("a"), project.config("slow", gate=str(gate), rows=[])]
    loop = project.loop(configs, concurrency=2, rounds=2, decide=True)
    with project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.FINISHED, "the end of a")
        engine.done(Propose(run="a", variants=[Variant(edits=["lr=7"], reason="a hunch")]))
        gate.touch()
        engine.end()
    assert {seen(run)["config"]["lr"] for run in project.runs(loop, 2)} == {2.0, 7}


def test_a_python_rule_that_thinks_holds_neither_the_store_nor_the_engine(project: EngineProject) -> None:
    """Meanwhile the engine carries out requests, and others can write to the project's store."""
    gate = project.gate("thought")
    code = f"""
import os, time
def decide(summary):
    open({str(gate) + ".asked"!r}, "w").close()
    while not os.path.exists({str(gate)!r}):
        time.sleep(0.01)
    return [{{"reason": "thought", "changes": ["lr@mul=2"]}}]
"""
    loop = project.loop([project.config("a")], decide=True, rounds=2, rules=project.rules(code, "slow.py"))
    with project.driven(loop) as engine:
        project.until(lambda: Path(f"{gate}.asked").exists(), "the question")
        project.store.add_event(loop.id, EventKind.NOTE, "somebody else writes")
        engine.ask(Pause())
        assert project.state(loop).paused
        assert project.proposals(loop) == []
        engine.ask(Resume())
        gate.touch()
        project.until(lambda: project.proposals(loop), "the proposal")
    assert [proposal.reason for proposal in project.proposals(loop)] == ["thought"]


def test_a_python_rule_that_takes_too_long_costs_its_run_the_proposal(project: EngineProject) -> None:
    (project.folder / "autoloop.toml").write_text("rules_timeout = 0.5\n")
    rules = project.rules("import time\ndef decide(summary):\n    time.sleep(1000)\n", "slow.py")
    loop = project.loop([project.config("a")], decide=True, rounds=2, rules=rules)
    with project.driven(loop):
        project.until(lambda: any("took longer than 0.5 s" in text for text in project.story(loop)), "the note")
    assert project.proposals(loop) == []


def test_reports_that_are_made_anew_are_the_same_to_the_byte(project: EngineProject) -> None:
    """The engine wrote them as the runs ended: in another order, with integer values and failed attempts."""
    counter = str(project.folder / "counter")
    gate = project.gate("a")
    whole = [{"_step": 1, "train/l1_loss": 2, "eval/reward": 3}, {"_step": 2, "train/l1_loss": 1, "eval/reward": 4.5}]
    configs = [
        project.config("a", gate=str(gate)),
        project.config("b", rows=whole),
        project.config("c", traceback="ConnectionResetError: gone", fails=1, counter=counter, late=True),
    ]
    loop = project.loop(configs, concurrency=3, retries=1)
    with project.driven(loop) as engine:
        engine.until(lambda: [project.named(loop, name).state for name in "bc"] == [RunState.FINISHED] * 2, "their end")
        gate.touch()
        engine.end()
    files = [Path(loop.spec.summary_out), Path(loop.spec.markdown_out)]
    written = [file.read_bytes() for file in files]

    def again() -> list[bytes]:
        assert reports.write_summary(project.store, loop.id) is None
        assert reports.write_markdown(project.store, loop.id, Settings().loop_book(project.state(loop).spec)) is None
        return [file.read_bytes() for file in files]

    assert again() == written
    assert again() == written
    for file in files:
        file.unlink()
    assert again() == written
