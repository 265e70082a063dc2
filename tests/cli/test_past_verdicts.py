"""Rules that need verdicts, applied to past runs: backtest, analyze-offline, the Python API."""

from __future__ import annotations

import json
import shutil

import pytest
from autoloop import api
from autoloop.store import Store

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve
from tests.cli.project import CommandProject

BOOK = """
name = "mine"
version = "1"
[[rule]]
id = "goes-on"
when = "better_than_base(eval_loss) and n == 4"
reason = "it helped"
changes = ["lr@mul=3"]
"""
LIVE = """
name = "live"
version = "1"
[[rule]]
id = "far-off"
scope = "live"
when = "eval_loss.last > noise(eval_loss)"
reason = "r"
"""


def history(project: CommandProject, seeds: int = 4) -> None:
    """Add a loop with several seeds of a config and of its variant, which is better."""
    with Store.open(project.folder, create=True) as store:
        loop = PastLoop(store, preset="plain")
        for lr, level, base in ((1.0, 2.0, None), (2.0, 1.0, "l1r0")):
            for seed in range(seeds):
                config = {"lr": lr, "seed": seed}
                rows = curve(*[level + seed / 100] * 3)
                loop.add(f"lr={lr},seed={seed}", rows, config, group=f"g{lr}", seed=str(seed), base_run=base)


def test_a_back_test_compares_the_runs_of_a_loop_with_their_bases(project: CommandProject, call: Call) -> None:
    history(project)
    project.write("mine.toml", BOOK)
    found = json.loads(call("backtest", "--rules", "mine.toml", "--json").out)
    assert found["totals"]["rules"]["goes-on"]["fired"] == 1
    by_id = {run["run"]: run for run in found["runs"]}
    assert [each["rule"] for each in by_id["l1r4"]["proposed"]] == ["goes-on"]
    assert any("the config has no base" in note for note in by_id["l1r0"]["notes"])


def test_a_back_test_knows_nothing_of_later_loops(project: CommandProject, call: Call) -> None:
    history(project, seeds=1)
    with Store.open(project.folder) as store:
        later = PastLoop(store, 2, preset="plain")
        for seed in range(1, 5):
            later.add(
                f"seed={seed}", curve(*[2.0 + seed / 100] * 3), {"lr": 1.0, "seed": seed}, group="g1.0", seed=str(seed)
            )
    project.write("mine.toml", BOOK.replace(" and n == 4", ""))
    found = json.loads(call("backtest", "--rules", "mine.toml", "--loops", "1", "--json").out)
    notes = next(run["notes"] for run in found["runs"] if run["run"] == "l1r1")
    assert any("within the run only: no config was run with two seeds" in note for note in notes)


def test_live_rules_that_ask_for_the_noise_are_not_replayed_with_it_and_a_note_says_so(
    project: CommandProject, call: Call
) -> None:
    history(project)
    project.write("live.toml", LIVE)
    said = call("backtest", "--rules", "live.toml", "--json")
    assert json.loads(said.out)["totals"]["stopped"] == 0
    assert "note: of 8 runs: live rules that use the noise between seeds could not be evaluated" in said.err


def test_analyze_offline_knows_verdicts_of_runs_of_loops_only(project: CommandProject, call: Call) -> None:
    history(project)
    shutil.copytree(project.folder / "outputs/loop_1/lr=2.0,seed=0_l1r4", project.folder / "outputs/elsewhere/run")
    project.write("mine.toml", BOOK)
    said = call("analyze-offline", "--outputs-root", "outputs", "--rules", "mine.toml", "--json")
    proposed = {name for name, found in json.loads(said.out)["proposals"].items() if found}
    assert {name.rpartition("_")[2] for name in proposed} == {"l1r4"}  # the first of four seeds
    assert "runs are compared within a loop, and this run belongs to no known loop (1 run)" in said.err


def test_a_script_names_the_run_of_which_rules_ask_for_verdicts(
    project: CommandProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(project)
    rules = project.write("mine.toml", BOOK)
    monkeypatch.chdir(project.folder)
    with Store.open(project.folder) as store:
        base, better = store.run("l1r0"), store.run("l1r4")
    for run, reasons in ((base, []), (better, ["it helped"])):
        assert run.summary is not None
        assert run.output_dir is not None
        assert [each.reason for each in api.decide(run.summary, rules, run=run.output_dir)] == reasons
        assert api.decide(run.summary, rules) == []
    assert better.summary is not None
    with pytest.raises(api.UserError, match=r"No run of a loop in .* wrote to nowhere"):
        api.decide(better.summary, rules, run="nowhere")
