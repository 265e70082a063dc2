"""`backtest`: what rules would have done with the runs of this project's loops, and with those in a folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import Actor, LiveContext, Proposal, RunState

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve, open_store
from tests.cli.project import LAUNCH, CommandProject, tree
from tests.run_archive.layouts import wandb_run

BOOK = """
name = "mine"
version = "{version}"

[[rule]]
id = "high"
scope = "live"
between = [200, 400]
when = "eval_loss.last > {limit}"
reason = "too high"

[[rule]]
id = "more-lr"
when = "eval_loss.last > 1.5"
reason = "more"
changes = ["lr@mul=2"]
"""


def book(project: CommandProject, name: str, limit: float, version: str = "1") -> str:
    (project.folder / name).write_text(BOOK.format(limit=limit, version=version))
    return name


@pytest.fixture
def loops(project: CommandProject) -> CommandProject:
    """Eight finished runs. At step 300 their losses are 1 … 8 (but 9 for the best run), in the end 0.1 … 0.8."""
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        for index in range(8):
            early = 9.0 if index == 0 else index + 1.0
            end = (index + 1) / 10
            loop.add(f"run{index}", curve(10.0, 10.0 - index, early, *[end] * 7))
        loop.add("broken", curve(1.0, 9.0), state=RunState.FAILED, step=200)
    return project


def document(call: Call, *words: str) -> Any:
    said = call("backtest", *words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_it_tells_what_would_have_been_stopped_when_what_that_saves_and_which_of_the_best_are_lost(
    loops: CommandProject, call: Call
) -> None:
    found = document(call, "--rules", book(loops, "mine.toml", 8.5))
    ended = {run["name"]: (run["at"], run["rule"], run["among_best"]) for run in found["runs"] if run["ending"] == "stopped"}
    assert ended == {
        "run0": (200, "high", True),
        "run1": (200, "high", True),
        "broken": (200, "high", None),
    }
    totals = found["totals"]
    assert (totals["runs"], totals["finished"], totals["stopped"], totals["steps_saved"]) == (9, 8, 3, 1600)
    assert totals["hours_saved"] == pytest.approx(1600 * 0.5 / 3600)
    assert totals["stopped_among_best"]["hits"] == totals["best_stopped"]["hits"] == 2
    assert totals["rules"]["high"]["steps"] == [200, 200, 200]
    said = call("backtest", "--rules", "mine.toml").out
    assert "2 of 2 (95 %: 34–100 %) of these that finished were in the best quarter of their loop" in said
    assert "2 of 2 (95 %: 34–100 %) of all the best runs would have been lost" in said
    assert "Live rules would have ended 3 of 9 runs" in said


def test_it_changes_nothing(loops: CommandProject, call: Call) -> None:
    rules = book(loops, "mine.toml", 8.5)
    before = {path: content for path, (_, content) in tree(loops.folder).items() if "db" not in path}
    call("backtest", "--rules", rules)
    call("backtest", "--find-stop", "eval_loss")
    assert {path: content for path, (_, content) in tree(loops.folder).items() if "db" not in path} == before


def test_a_changed_book_is_compared_with_the_old_one(loops: CommandProject, call: Call) -> None:
    old, new = book(loops, "old.toml", 8.5), book(loops, "new.toml", 9.5, "2")
    found = document(call, "--rules", new, "--against", old)
    assert found["rules"] == {"name": "mine", "version": "2"}
    assert (found["totals"]["stopped"], found["against"]["totals"]["stopped"]) == (1, 3)
    names = {run["run"]: run["name"] for run in found["runs"]}
    assert [names[run] for run in found["different"]] == ["run1", "broken"]
    said = call("backtest", "--rules", new, "--against", old).out
    assert [line.split() for line in said.splitlines() if line.startswith("broken")] == [
        ["broken", "nothing", "stopped", "at", "200", "by", "high"]
    ]
    assert "All runs have the same outcome under both." in call("backtest", "--rules", old, "--against", old).out


def test_proposals_are_counted_with_those_that_have_been_run(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        loop.add("base", curve(2.0, 2.0), {"lr": 1.0})
        loop.add("tried", curve(1.0, 1.0), {"lr": 2.0})
    found = document(call, "--rules", book(project, "mine.toml", 99))
    assert found["totals"]["rules"]["more-lr"] == {"scope": "end", "fired": 1, "blocked": 0, "already_run": 0}
    (proposed,) = found["runs"][0]["proposed"]
    assert (proposed["rule"], proposed["edits"]) == ("more-lr", ["lr@mul=2"])


def test_a_line_of_the_log_counts_from_the_step_at_which_it_was_printed(project: CommandProject, call: Call) -> None:
    (project.folder / "log.toml").write_text(
        'name = "n"\nversion = "1"\n[[rule]]\nid = "overflow"\nscope = "live"\nreason = "r"\n'
        "when = 'log_matches(\"overflow\")'\n"
    )
    bars = [f"{step}/1000 [00:00<00:00, 100.0it/s]" + "\noverflow" * (step == 400) for step in range(10, 1001, 10)]
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        loop.add("told", curve(*[1.0] * 10), log="\n".join(bars) + "\n")
        loop.add("silent", curve(*[1.0] * 10), log="overflow\n")
    said = call("backtest", "--rules", "log.toml", "--json")
    told, silent = json.loads(said.out)["runs"]
    assert told["rule"] == "overflow"
    assert told["at"] == 400
    assert silent["ending"] == "untouched"
    assert "its log lines have no step numbers" in said.err


def test_a_run_that_real_live_rules_stopped_is_stopped_at_the_same_step_in_the_replay(
    project: CommandProject, call: Call
) -> None:
    """The engine and the replay judge the same run of the fake trainer."""
    (project.folder / "live.toml").write_text(
        'name = "n"\nversion = "1"\n[[rule]]\nid = "any"\nscope = "live"\nreason = "r"\nwhen = "loss.last > 0"\n'
    )
    project.config(wait=True)
    running = project.start(
        "run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--rules", "live.toml", "--exec", "--no-ui"
    )
    running.wait()
    with project.open_store() as store:
        (proposal,) = store.proposals(1)
    (run,) = document(call, "--rules", "live.toml")["runs"]
    assert proposal.live is not None
    assert (run["rule"], run["at"]) == ("any", proposal.live.step)


def test_a_lineage_that_has_had_its_relaunches_gets_no_more(project: CommandProject, call: Call) -> None:
    (project.folder / "live.toml").write_text(
        'name = "n"\nversion = "1"\n[[rule]]\nid = "high"\nscope = "live"\nreason = "r"\nwhen = "eval_loss.last > 5"\n'
        'changes = [["lr@mul=2"], ["lr@mul=3"]]\nrelaunches = 2\n'
    )
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        base = loop.add("base", curve(1.0, 9.0, 9.0))
        for number in (1, 2):
            asked = Proposal(
                id=number,
                loop=1,
                round=1,
                base_run=base.id,
                author=Actor.rule("high"),
                reason="r",
                edits=["lr@mul=2"],
                live=LiveContext(attempt=f"{base.id}-1", step=200),
            )
            store.put_proposal(asked)
            base = loop.add(f"base_live{number}", curve(1.0, 9.0, 9.0), base_run=base.id, proposal=number)
    found = document(call, "--rules", "live.toml")
    assert [(run["ending"], run["edits"]) for run in found["runs"]] == [
        ("relaunched", ["lr@mul=2"]),
        ("relaunched", ["lr@mul=3"]),
        ("untouched", []),
    ]
    assert found["runs"][2]["refused"] == {"high": 200}


def test_runs_of_any_folder_are_replayed_too(project: CommandProject, call: Call) -> None:
    for index in range(4):
        losses = [5.0 if index == 3 else 1.0, 1.0, 1.0, (index + 1) / 10]
        wandb_run(project.folder / f"elsewhere/run{index}", f"r{index}", losses, config={"lr": 1.0})
    (project.folder / "mine.toml").write_text(
        BOOK.format(limit=2, version="1").replace("[200, 400]", "[0, 2]").replace("eval_", "")
    )
    found = document(call, "elsewhere", "--rules", "mine.toml")
    assert found["totals"]["finished"] == 4
    assert [(run["name"], run["at"]) for run in found["runs"] if run["at"] is not None] == [("run3", 0)]
    assert found["totals"]["best_stopped"] == {
        "hits": 0,
        "n": 1,
        "rate": 0.0,
        "interval95": [0.0, pytest.approx(0.793, abs=1e-3)],
    }


def test_the_safe_step_is_shown_with_what_it_saves(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        for number in range(1, 6):
            loop = PastLoop(store, number, preset="plain")
            for index in range(8):
                loop.add(f"run{index}", curve(7.0 - index, *[float(index)] * 9))
    found = document(call, "--find-stop", "eval_loss", "--risk", "0.2")
    assert (found["safe"]["step"], found["runs"], found["cohorts"]) == (200, 40, 5)
    said = call("backtest", "--find-stop", "eval_loss", "--risk", "0.2").out
    assert "The worse half can be stopped at step 200" in said
    assert "No step can be shown to be safe" in call("backtest", "--find-stop", "eval_loss", "--risk", "0.01").out


def test_python_rules_are_replayed_at_the_end_of_runs(loops: CommandProject, call: Call) -> None:
    (loops.folder / "mine.py").write_text(
        "def decide(summary):\n"
        "    asked = [{'reason': 'r', 'changes': {'lr@mul': 2}}]\n"
        "    return asked if summary['eval_loss']['last'] > 0.65 else []\n"
    )
    totals = document(call, "--rules", "mine.py")["totals"]
    assert totals["rules"]["mine.py"]["fired"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--metric", "los"], "No run has a metric los; "),
        (["--find-stop", "eval_loss", "--rules", "mine.toml"], "--find-stop uses no rules; omit --rules."),
        (["--find-stop", "eval_loss", "--risk", "2"], "--risk must be between 0 and 1, not 2."),
        (["nowhere"], "There is no folder nowhere; "),
        (["--loops", "9"], 'There is no loop "9" here; '),
        (["--rules", "no.toml"], "no.toml does not exist"),
    ],
)
def test_a_slip_is_one_sentence(loops: CommandProject, call: Call, words: list[str], sentence: str) -> None:
    book(loops, "mine.toml", 8.5)
    said = call("backtest", *words)
    assert said.code == 2
    assert said.err.startswith("autoloop-tui: ")
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_without_a_loop_and_a_folder_there_is_nothing_to_replay(project: CommandProject, call: Call) -> None:
    said = call("backtest")
    assert said.code == 2
    assert "name folders with runs" in said.err


def test_a_metric_of_unknown_direction_needs_one(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        PastLoop(store, preset="plain").add("a", curve(1.0, 2.0, metric="quality"))
    said = call("backtest", "--find-stop", "quality")
    assert said.code == 2
    assert 'lower = ["quality"]' in said.err


def test_seeds_of_one_config_make_one_proposal(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        for seed, end in ((1, 1.0), (2, 3.0)):
            loop.add(f"seed={seed}", curve(2.0, end), {"lr": 1.0, "seed": seed}, group="g")
    first, second = document(call, "--rules", book(project, "mine.toml", 99))["runs"]
    assert [each["rule"] for each in first["proposed"]] == ["more-lr"]
    assert (first["judged_with"], second["proposed"]) == (["l1r1"], [])


def test_runs_whose_outputs_were_deleted_are_judged_by_what_the_store_knows(loops: CommandProject, call: Call) -> None:
    shutil.rmtree(loops.folder / "outputs")
    said = call("backtest", "--rules", book(loops, "mine.toml", 8.5), "--json")
    assert "note: of 9 runs: its history is gone" in said.err
    totals = json.loads(said.out)["totals"]
    assert (totals["finished"], totals["stopped"]) == (8, 0)


def test_a_run_whose_config_is_gone_is_passed_over_with_a_note(loops: CommandProject, call: Call) -> None:
    os.unlink(Path(loops.folder, ".autoloop/configs/l1r1.json"))
    said = call("backtest", "--rules", book(loops, "mine.toml", 8.5), "--json")
    assert "run1 (l1r1) is skipped: The frozen config of run l1r1 cannot be read" in said.err
    assert json.loads(said.out)["totals"]["runs"] == 8
