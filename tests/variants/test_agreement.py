"""For one run and one set of rules, the engine, the analysis, users' scripts and `generate` make the same variants."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from autoloop import api
from autoloop.metrics import MetricBooks
from autoloop.model import Change, Proposal, Run
from autoloop.settings import load_settings
from autoloop.store import Store

from autoloop_tui.cli import main
from autoloop_tui.cli.output import analysis
from tests.engine.conftest import project
from tests.engine.project import PRESET, EngineProject, rows

__all__ = ["project"]

BOOK = """
name = "test"
version = "1"

[[rule]]
id = "taken"
when = "l1_loss.last > 0"
reason = "all of it can be done"
changes = ["lr@mul=2", "tau@add=0.25"]
priority = 3

[[rule]]
id = "partly"
when = "l1_loss.last > 0"
reason = "a bound, a flag and a key that is not there"
changes = ["lr@mul=100", "warmup@add=7", "nowhere@mul=2", "tau=0.5"]
priority = 2
[rule.clamp]
lr = {max = 8}

[[rule]]
id = "flag"
when = "l1_loss.last > 0"
reason = "a flag overrides it"
changes = ["warmup@mul=2"]
priority = 1

[[rule]]
id = "ran"
when = "l1_loss.last > 0"
reason = "that is the other run"
changes = ["lr=3"]

[[rule]]
id = "impossible"
when = "l1_loss.last > 0"
reason = "nothing of it can be done"
changes = ["nowhere@add=1"]
priority = -1
"""

# With a flag that is the same for all runs, and the number of steps on the command line.
FLAGS = PRESET.replace('override_style = "file-only"', 'override_style = "dashed-eq"') + (
    '\n[flags]\nwarmup = "5"\nsteps = "{steps}"\n'
)

Variant = tuple[list[tuple[str, Any, Any]], list[str]]


@pytest.fixture
def judged(project: EngineProject, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, list[Proposal]]:
    """An ended run, and the engine's proposals from it. Approval is manual, so nothing has started."""
    (project.folder / "fake.toml").write_text(FLAGS)
    (project.folder / "autoloop.toml").write_text('preset = "./fake.toml"\nrules = "own.toml"\n')
    shared = {"seed": 1, "number": 1, "tau": 0.25, "steps": 900, "warmup": 1, "rows": rows(2.0, 1.0)}
    configs = [project.config("base", **shared), project.config("other", **shared, lr=3)]
    loop = project.loop(
        configs, rounds=2, decide=True, approve="manual", rules=project.rules(BOOK), extra=["--loader.workers=1"]
    )
    base = project.named(loop, "base")
    with project.driven(loop) as engine:
        engine.until(lambda: len(project.proposals(loop)) == 10, "the proposals")
    monkeypatch.chdir(project.folder)
    return project.store.run(base.id), [each for each in project.proposals(loop) if each.base_run == base.id]


def resolved(changes: list[Change]) -> list[tuple[str, Any, Any]]:
    return [(change.path, change.before, change.after) for change in changes]


def rule_of(proposal: Proposal) -> str:
    assert proposal.evidence is not None
    return proposal.evidence.rule


def test_the_engine_leaves_out_what_cannot_be_and_blocks_what_must_not_be(judged: tuple[Run, list[Proposal]]) -> None:
    _, proposals = judged
    assert {rule_of(each): (resolved(each.changes), each.blocked is None) for each in proposals} == {
        "taken": ([("lr", 1.0, 2.0), ("tau", 0.25, 0.5)], True),
        "partly": ([("lr", 1.0, 8.0), ("tau", 0.25, 0.5)], True),
        "flag": ([], False),
        "ran": ([("lr", 1.0, 3.0)], False),
        "impossible": ([], False),
    }
    why = {rule_of(each): each.blocked or "" for each in proposals}
    assert "warmup is set by a flag for all runs" in why["flag"]
    assert "This config has already been run: run " in why["ran"]


def test_the_analysis_says_what_the_engine_says(
    judged: tuple[Run, list[Proposal]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, proposals = judged
    with pytest.raises(SystemExit) as ended:
        main.main(["analyze-offline", "--rules", "--json"])
    assert not ended.value.code
    (found,) = [asked for name, asked in json.loads(capsys.readouterr().out)["proposals"].items() if name.endswith(run.id)]
    assert [
        (each["rule"], [tuple(change.values()) for change in each["resolved"]], each["notes"], each["blocked"])
        for each in found
    ] == [(rule_of(each), resolved(each.changes), each.notes, each.blocked) for each in proposals]


def test_the_analysis_of_a_wandb_project_knows_the_runs_of_the_loops(judged: tuple[Run, list[Proposal]]) -> None:
    """W&B names a run by the id given by its loop, and returns a config without what it considers defaults."""
    run, proposals = judged
    assert run.summary is not None
    books, settings = MetricBooks(), load_settings(Path.cwd())
    source = analysis.rules_of([], settings, books)
    there = analysis.AnalysedRun(name=run.id, shown=run.name, cells=[], summary=run.summary, config={"lr": 1})
    other = analysis.AnalysedRun(name="elsewhere", shown="elsewhere", cells=[], summary=run.summary, config={"lr": 1})
    found = analysis.proposals_for([there, other], source, settings, books)
    assert [
        (each.request.rule, each.variant and (each.variant.changes, each.variant.notes, each.variant.blocked))
        for each in found[0].asked
    ] == [(rule_of(each), (each.changes, each.notes, each.blocked)) for each in proposals]
    assert found[1].runs == [other]
    assert found[1].asked != found[0].asked


def test_a_script_that_asks_the_rules_makes_what_the_engine_makes(judged: tuple[Run, list[Proposal]]) -> None:
    run, proposals = judged
    assert run.summary is not None
    config = api.load_config(run.config_path)
    decisions = api.decide(run.summary, "own.toml", config)
    assert [decision.reason for decision in decisions] == [each.reason for each in proposals]
    for decision, proposal in zip(decisions, proposals, strict=True):
        if not proposal.changes:
            with pytest.raises(api.UserError, match="There is no edit left that changes the training"):
                api.edit(config, decision)
        else:  # only a loop knows what has run before
            made = api.edit(config, decision)
            assert (made.changes, made.notes) == (proposal.changes, proposal.notes)


def test_generate_makes_the_same_training_and_refuses_what_has_run(
    judged: tuple[Run, list[Proposal]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, proposals = judged

    def generated(rule: str) -> tuple[int, str]:
        (proposal,) = [each for each in proposals if rule_of(each) == rule]
        words = f"generate --base-cfg {run.config_path} --out-dir made --steps 2 --changes {shlex.join(proposal.edits)}"
        with pytest.raises(SystemExit) as ended:
            main.main([*shlex.split(words), "--extra-args=--loader.workers=1"])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    code, said = generated("taken")
    (proposal,) = [each for each in proposals if rule_of(each) == "taken"]
    assert code == 0, said
    assert [path.stem.rpartition("_")[2] for path in Path("made").iterdir()] == [proposal.config_hash[:6]]
    for rule in ("flag", "ran"):
        code, said = generated(rule)
        (proposal,) = [each for each in proposals if rule_of(each) == rule]
        assert code == 2
        assert proposal.blocked is not None
        assert proposal.blocked in said


def test_a_person_is_shown_what_the_engine_will_make(judged: tuple[Run, list[Proposal]]) -> None:
    from autoloop_tui.console.present.proposals.edits import edit_check

    run, proposals = judged
    with Store.open(Path.cwd()) as store:
        for proposal in proposals:
            checked = edit_check(store, store.loop(run.loop), run, 1, proposal)(proposal.edits)
            if rule_of(proposal) in ("taken", "flag", "ran"):
                assert (checked.changes, checked.notes, checked.hash, checked.blocked) == (
                    proposal.changes,
                    proposal.notes,
                    proposal.config_hash,
                    proposal.blocked,
                )
            else:  # a person's edit of a missing setting was intentional
                assert "nowhere" in (checked.blocked or "")
