"""The spread of metrics between seeds: measured by a loop for that purpose, used by later loops, and shown by `noise`."""

from __future__ import annotations

import json
import statistics

import pytest
from autoloop.model import RunState

from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject

EXEC = (*LAUNCH, "--device", "cpu", "--exec", "--no-ui")
L1 = "eval/offline_eval/avg_l1"


def test_calibrate_trains_each_seed_and_tells_the_spread(project: CommandProject, call: Call) -> None:
    project.config(noise=0.01)
    done = project.call("calibrate", "base.json", "--seeds", "4", *EXEC)
    assert done.returncode == 0, done.stderr
    with project.open_store() as store:
        runs = store.runs(project.loop().id)
    assert [run.state for run in runs] == [RunState.FINISHED] * 4
    assert [run.seed for run in runs] == ["1", "2", "3", "4"]
    assert "eval_l1" in done.stdout[done.stdout.index("sd between seeds") :]
    found = json.loads(call("noise", "--json").out)["metrics"][L1]
    assert found["sd"] == pytest.approx(statistics.stdev(run.summary.metrics[L1].tail_mean for run in runs))
    assert (found["runs"], found["dof"], found["configs"], found["stable_from"]) == (4, 3, 1, 5)


def test_a_later_loop_on_the_same_base_is_judged_by_what_was_measured(project: CommandProject, call: Call) -> None:
    project.config(noise=0.001)
    assert project.call("calibrate", "base.json", "--seeds", "4", *EXEC).returncode == 0
    config = json.loads((project.folder / "base.json").read_text())
    config["ot"]["loss_config"]["reg"] = 9.0  # with the trainer of these tests, a larger reg gives a lower error
    (project.folder / "far.json").write_text(json.dumps(config))
    assert project.call("run", "--cfgs", "base.json", "far.json", *EXEC).returncode == 0
    told = " ".join(call("status").out.split())
    assert "is better than the baseline, base (" in told
    result = json.loads(call("status", "--json").out)["result"]
    assert (result["verdict"]["call"], result["verdict"]["runs"]) == ("better", [1, 4])
    listed = " ".join(call("runs").out.split())
    assert "Spread of eval_l1 between seeds" in listed
    assert "n 1 and 4" in listed


def test_without_replicates_nothing_is_better(project: CommandProject, call: Call) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        project.config(name, seed=seed)
    config = json.loads((project.folder / "b.json").read_text())
    config["ot"]["loss_config"]["reg"] = 9.0
    (project.folder / "b.json").write_text(json.dumps(config))
    assert project.call("run", "--cfgs", "a.json", "b.json", *EXEC).returncode == 0
    assert "within the run only, which cannot tell an effect from chance" in " ".join(call("status").out.split())
    assert "so none is better or worse" in " ".join(call("runs").out.split())
    assert "the spread between seeds is unknown" in call("noise").out
    assert json.loads(call("noise", "--json").out)["metrics"][L1] is None
    report = (project.folder / "reports/act_ot.md").read_text()
    assert "Changes are within the run only" in report


def test_one_seed_is_refused(project: CommandProject, call: Call) -> None:
    project.config()
    said = call("calibrate", "base.json", "--seeds", "1", *LAUNCH)
    assert said.code == 2
    assert "one seed cannot show the spread" in said.err


def test_a_config_without_a_seed_is_refused_in_one_sentence(project: CommandProject, call: Call) -> None:
    project.config()
    config = json.loads((project.folder / "base.json").read_text())
    del config["seed"]
    (project.folder / "base.json").write_text(json.dumps(config))
    said = call("calibrate", "base.json", *LAUNCH, "--device", "cpu")
    assert said.code == 2
    assert "the config has no key called seed" in said.err


def test_seeds_that_come_to_the_same_value_are_not_called_missing(project: CommandProject, call: Call) -> None:
    project.config(noise=0.0)
    grid = ("--grid", "ot.loss_config.reg=0.1,9.0", "--seeds", "2")
    done = project.call("run", "--cfgs", "base.json", *grid, *EXEC)
    assert done.returncode == 0, done.stderr
    for said in (done.stdout, call("noise").out, call("effects").out):
        told = " ".join(said.split())
        assert "two seeds" not in told
        assert (
            "ll seeds of a config gave the same value: does the seed reach the trainer? `autoloop-tui try` checks it."
            in told
        )
