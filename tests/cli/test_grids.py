"""A grid of values and seeds in one short command: its names, its means over seeds, and the rounds that follow."""

from __future__ import annotations

import json
import re
import shlex
import statistics
from pathlib import Path

from autoloop.model import RunState
from autoloop.text.values import number

from tests.cli.conftest import Call
from tests.cli.project import CommandProject
from tests.cli.test_foreign_trainers import BASE, RUN, TRAINER_TABLE, settings

GRID = "autoloop-tui run --grid lr=1e-3,3e-3,1e-2 --seeds 2 --exec"
WITH_SEED = BASE + "seed = 1\n"


def test_a_grid_of_rates_and_seeds_is_typed_in_65_characters_and_compared_by_config(
    project: CommandProject, call: Call
) -> None:
    assert len(GRID) <= 65
    settings(project, TRAINER_TABLE + WITH_SEED)
    said = project.call(*shlex.split(GRID)[1:], "--device", "cpu", "--no-ui")
    assert said.returncode == 0, said.stderr
    with project.open_store() as store:
        runs = store.runs(project.loop().id)
    assert [run.name for run in runs] == [f"lr={lr},seed={seed}" for lr in ("1e-3", "3e-3", "1e-2") for seed in (1, 2)]
    assert [run.state for run in runs] == [RunState.FINISHED] * 6
    assert {run.summary.metrics["train/lr"].last for run in runs} == {1e-3, 3e-3, 1e-2}
    assert Path(runs[0].output_dir or "").name == f"00_lr=1e-3_seed=1_{runs[0].id}"
    listed = call("runs").out
    losses = [run.summary.metrics["train/loss"].last for run in runs[:2]]
    assert "Over seeds, mean ± standard deviation (finished runs):" in listed
    assert f"{number(statistics.fmean(losses))} ± 0 (2)" in listed
    report = Path(project.loop().spec.markdown_out).read_text(encoding="utf-8")
    assert re.search(r"\| lr=1e-3 \| \w{8}, \w{8} \|", report)


def test_the_rounds_go_on_from_a_grid(project: CommandProject, call: Call) -> None:
    settings(project, TRAINER_TABLE + WITH_SEED)
    said = project.call(*RUN, "--grid", "lr=1e-3", "--seeds", "2", "--decide", "--rounds", "2")
    assert said.returncode == 0, said.stderr
    with project.open_store() as store:
        runs = store.runs(project.loop().id)
    assert [run.round for run in runs] == [1, 1, 2, 2]
    assert len({run.group for run in runs[:2]}) == len({run.group for run in runs[2:]}) == 1
    assert runs[0].group != runs[2].group
    assert [run.summary.metrics["train/lr"].last for run in runs] == [1e-3, 1e-3, 1e-2, 1e-2]
    with project.open_store() as store:
        (proposal,) = store.proposals(project.loop().id)
    assert proposal.runs == [runs[0].id, runs[1].id]
    told = " ".join(call("proposals").out.split())
    assert f"from lr=1e-3 ({runs[0].id}, 2 seeds) by" in told
    assert f"mean of 2 runs over seeds: {runs[0].id}, {runs[1].id}; the variant runs with each of their seeds" in told
    (first, second) = json.loads(call("rejudge", "--json").out)["runs"]
    assert (first["runs"], first["before"], first["now"]) == (proposal.runs, [proposal.origin], [proposal.origin])
    assert (len(second["runs"]), second["before"]) == (2, None)
    assert "lr=1e-3 (2 seeds)" in call("rejudge").out
    listed = call("runs").out
    assert re.search(r"^lr=1e-3 +2 ", listed, re.MULTILINE)
    assert re.search(r"^lr=0.01_r2_1: learning_rate=0.01 +2 ", listed, re.MULTILINE)


def test_the_plan_shows_every_run_of_the_grid_and_writes_nothing(project: CommandProject, call: Call) -> None:
    settings(project, TRAINER_TABLE + WITH_SEED)
    said = call("run", "--device", "cpu", "--grid", "lr=1..2", "batch_size=4,8", "--zip", "--seeds", "7,8")
    assert said.code == 0, said.err
    assert "Plan: 4 runs" in said.out
    assert "lr=2,batch_size=8,seed=8" in said.out
    assert "--learning_rate=2.0 --batch_size=8" in said.out
    assert "does not pass --steps" not in said.out  # [trainer] names the setting for it
    assert not (project.folder / ".autoloop").exists()


def test_a_mistake_in_a_grid_is_found_before_anything_starts(project: CommandProject, call: Call) -> None:
    settings(project, TRAINER_TABLE + BASE)
    said = call("run", "--device", "cpu", "--seeds", "2")
    assert said.code == 2
    assert "--seeds: the config has no key called seed; add it, or name its path as seed" in said.err
    found = call("doctor", "--device", "cpu", "--grid", "learning_rte=1,2").out
    assert "--grid learning_rte: the config has no learning_rte; the nearest" in " ".join(found.split())
    assert "add it, or omit --zip" in call("run", "--device", "cpu", "--zip").err


def test_generate_writes_a_file_for_each_point_named_by_its_values(project: CommandProject, call: Call) -> None:
    (project.folder / "base.yaml").write_text("# base\nlr: 0.1  # rate\nseed: 3\n", encoding="utf-8")
    said = call("generate", "--base-cfg", "base.yaml", "--grid", "lr=1e-3,3e-3", "--seeds", "2")
    assert said.code == 0, said.err
    assert sorted(path.name for path in project.folder.glob("*seed*")) == [
        "lr=1e-3,seed=1.yaml",
        "lr=1e-3,seed=2.yaml",
        "lr=3e-3,seed=1.yaml",
        "lr=3e-3,seed=2.yaml",
    ]
    text = (project.folder / "lr=3e-3,seed=2.yaml").read_text(encoding="utf-8")
    assert text == "# base\nlr: 0.003  # rate\nseed: 2\n"
    assert "Wrote variant: lr=3e-3,seed=2.yaml (lr=3e-3,seed=2)" in said.out


def test_generate_starts_from_the_base_of_the_preset_where_none_is_named(project: CommandProject, call: Call) -> None:
    settings(project, TRAINER_TABLE + WITH_SEED)
    said = call("generate", "--changes", "batch_size=16")
    assert said.code == 0, said.err
    (variant,) = project.folder.glob("base_*.json")
    assert '"batch_size": 16' in variant.read_text(encoding="utf-8")
    assert "omit --changes" in call("generate", "--changes", "batch_size=16", "--seeds", "2").err
