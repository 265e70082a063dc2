"""`effects`: pairs of past runs that differ in one value, from this project's loops and from any folder."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import pytest
from autoloop.model import RunState

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve, open_store
from tests.cli.project import CommandProject
from tests.run_archive.layouts import wandb_run


def document(call: Call, *words: str) -> Any:
    said = call("effects", *words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_pairs_of_several_loops_are_shown_with_their_values_and_a_verdict(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        loop = PastLoop(store, 1, preset="plain")
        loop.add("base", curve(3.0, 1.0), {"lr": 1.0, "seed": 1})
        loop.add("failed", curve(9.0), {"lr": 7.0, "seed": 1}, state=RunState.FAILED)
        PastLoop(store, 2, preset="plain").add("more", curve(3.0, 0.5), {"lr": 2.0, "seed": 1}, created_at=5.0)
    found = document(call)
    (pair,) = found["pairs"]
    assert (pair["key"], pair["before"], pair["after"]) == ("lr", 1.0, 2.0)
    assert (pair["runs_before"], pair["runs_after"], pair["basis"]) == (["l1r0"], ["l2r0"], "within the run only")
    assert found["why_no_importance"].startswith("Importance needs 20 finished runs")
    said = call("effects").out
    assert "lr       1 → 2" in said
    assert "none of these differences is distinguishable from chance" in said


def test_seeds_tell_the_spread_and_decide(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        for lr, level in ((1.0, 2.0), (2.0, 1.0)):
            for seed in range(4):
                loop.add(f"lr={lr},seed={seed}", curve(*[level + seed / 100] * 3), {"lr": lr, "seed": seed})
    found = document(call, "--metric", "eval_loss")
    (pair,) = found["pairs"]
    assert (pair["verdict"], len(pair["runs_before"]), len(pair["runs_after"])) == ("better", 4, 4)
    assert pair["interval"][0] < -1.0 < pair["interval"][1] < 0
    assert (found["noise"][0]["dof"], found["noise"][0]["configs"]) == (6, 2)
    assert "Spread between seeds: " in call("effects").out


def test_runs_of_any_folder_are_compared_by_the_config_that_w_and_b_recorded(project: CommandProject, call: Call) -> None:
    for index, lr in enumerate((1.0, 2.0)):
        wandb_run(
            project.folder / f"elsewhere/run{index}", f"r{index}", [3.0, lr], config={"lr": lr, "output_dir": f"/{index}"}
        )
    (pair,) = document(call, "elsewhere")["pairs"]
    assert {pair["before"], pair["after"]} == {1.0, 2.0}


def test_importance_comes_from_twenty_runs_on_or_says_what_to_install(
    project: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(0)
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain")
        for index in range(20):
            lr = chance.uniform(0, 6)
            loop.add(f"run{index}", curve(*[abs(lr - 3)] * 3), {"lr": lr, "wd": chance.random(), "seed": 1})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "optuna", None)
        assert "pip install 'autoloop-tui[search]'" in call("effects").out
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    assert document(call)["importance"][0]["key"] == "lr"
    assert "Importance for reaching the best results" in call("effects").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "This folder has no loop"),
        (["nowhere"], "There is no folder nowhere"),
        (["."], "No run below . has recorded its config"),
    ],
)
def test_without_runs_one_sentence_says_what_to_name(
    project: CommandProject, call: Call, words: list[str], sentence: str
) -> None:
    said = call("effects", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_an_unknown_metric_is_one_sentence(project: CommandProject, call: Call) -> None:
    with open_store(project.folder) as store:
        PastLoop(store, preset="plain").add("base", curve(1.0))
    said = call("effects", "--metric", "eval_los")
    assert said.code == 2
    assert "eval_loss" in said.err
