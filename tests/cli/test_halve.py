"""`--halve`: at a given step, or at the one that the project's past runs show to be safe."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve, open_store
from tests.cli.project import CommandProject
from tests.cli.test_then import PRESET

RUN = ("run", "--device", "cpu", "--preset", "./long.toml", "--cfgs", "a.json", "b.json")


@pytest.fixture
def configs(project: CommandProject) -> CommandProject:
    (project.folder / "long.toml").write_text(PRESET)
    for name, lr in {"a": 1.0, "b": 3.0}.items():
        (project.folder / f"{name}.json").write_text(json.dumps({"seed": 0, "lr": lr, "loss": [1.0]}))
    return project


def past(project: CommandProject, loops: int) -> None:
    """Add loops of eight runs of 1000 steps each. From step 200 on, the runs are in their final order."""
    with open_store(project.folder) as store:
        for number in range(1, loops + 1):
            loop = PastLoop(store, number, preset=str(project.folder / "long.toml"))
            for index in range(8):
                loop.add(f"run{index}", curve(7.0 - index, *[float(index)] * 9))


def test_a_step_stands_in_the_plan(configs: CommandProject, call: Call) -> None:
    said = call(*RUN, "--halve", "600")
    assert (said.code, said.err) == (0, "")
    assert "the worse half stops at step 600" in " ".join(said.out.split())
    assert json.loads(call(*RUN, "--halve", "600", "--json").out)["halve"] == {"step": 600, "metric": None}


def test_auto_takes_the_step_that_past_runs_show_to_be_safe(configs: CommandProject, call: Call) -> None:
    past(configs, 10)
    said = call(*RUN, "--steps", "1000", "--halve", "auto", "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["halve"] == {"step": 200, "metric": "eval_loss"}


@pytest.mark.parametrize(
    ("loops", "steps", "sentence"),
    [
        (0, "1000", "needs finished runs of this trainer with 1000 steps, and there are 0"),
        (10, "2000", "needs finished runs of this trainer with 2000 steps, and there are 0"),
        (
            1,
            "1000",
            "8 past runs with 1000 steps show no step at which the worse half by eval_loss can be stopped at a risk of",
        ),
    ],
)
def test_auto_without_proof_is_refused(configs: CommandProject, call: Call, loops: int, steps: str, sentence: str) -> None:
    past(configs, loops)
    said = call(*RUN, "--steps", steps, "--halve", "auto")
    assert said.code == 2
    text = " ".join(said.err.split())
    assert sentence in text
    assert "backtest --find-stop" in text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("half", 'needs a step, as in --halve 600, or auto, not "half"'),
        ("0", 'not "0"'),
        ("2000", "must be less than the 2000 steps"),
    ],
)
def test_a_slip_is_one_sentence(configs: CommandProject, call: Call, given: str, sentence: str) -> None:
    said = call(*RUN, "--halve", given)
    assert said.code == 2
    assert sentence in " ".join(said.err.split())
    assert "Traceback" not in said.err
