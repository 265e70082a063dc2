"""`--then extend=N`: the plan, refusals, and how `status` shows the extension of the winner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tests.engine.rounds.then_trainer as trainer
from tests.cli.conftest import Call
from tests.cli.project import CommandProject

PRESET = f"""
name = "long"
title = "a trainer whose steps can be set"
argv = ["{{python}}", "-I", "-S", {json.dumps(str(Path(trainer.__file__)))}]
override_style = "dashed-eq"
success = "End of training"

[flags]
config = "{{config}}"
output_dir = "{{output_dir}}"
steps = "{{steps}}"

[resume]
checkpoint = "{{output_dir}}/checkpoints/last"

[resume.flags]
resume = "true"
"""
RUN = ("run", "--device", "cpu", "--steps", "20", "--concurrency", "4", "--preset", "./long.toml")


@pytest.fixture
def configs(project: CommandProject) -> list[str]:
    """A baseline and a better config, with four seeds each."""
    (project.folder / "long.toml").write_text(PRESET)
    names = []
    for name, losses in {"base": [1.0, 1.02, 0.98, 1.01], "new": [0.5, 0.53, 0.48, 0.52]}.items():
        for seed in range(4):
            names.append(f"{name}{seed}.json")
            config = {"seed": seed, "lr": 1.0 if name == "base" else 3.0, "loss": losses}
            (project.folder / names[-1]).write_text(json.dumps(config))
    return names


def test_the_plan_names_the_long_training(configs: list[str], call: Call) -> None:
    said = call(*RUN, "--cfgs", *configs, "--then", "extend=40")
    assert (said.code, said.err) == (0, "")
    assert "then extend the winner to 40 steps" in " ".join(said.out.split())
    assert json.loads(call(*RUN, "--cfgs", *configs, "--then", "extend=40", "--json").out)["then"] == {"extend": 40}


@pytest.mark.parametrize(
    ("given", "fragment"),
    [
        ("extent=40", "did you mean `extend`?"),
        ("stop", "use extend=200000"),
        ("extend", 'the total number of steps, as in extend=200000, not ""'),
        ("extend=2e5", 'not "2e5"'),
        ("extend=-3", 'not "-3"'),
        ("extend=20", "must be more than the 20 steps"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(configs: list[str], call: Call, given: str, fragment: str) -> None:
    said = call(*RUN, "--cfgs", *configs, "--then", given)
    assert said.code == 2
    assert fragment in " ".join(said.err.split())
    assert "Traceback" not in said.err


def test_status_and_json_follow_it_to_its_end(project: CommandProject, configs: list[str], call: Call) -> None:
    done = project.call(*RUN, "--cfgs", *configs, "--then", "extend=40", "--exec", "--no-ui")
    assert done.returncode == 0, done.stderr
    text = call("status").out
    assert "is trained to 40 steps: finished, step 40 of 40" in " ".join(text.split())
    then = json.loads(call("status", "--json").out)["then"]
    assert (then["extend"], then["status"], then["state"], then["step"]) == (40, "launched", "finished", 40)
    (proposal,) = json.loads(call("proposals", "--json").out)["proposals"]
    assert (proposal["extend"], proposal["author"], proposal["decided_by"]) == (40, "then", "policy")
    shown = call("proposals").out
    assert "continue to 40 steps" in shown
    assert "the median of the" in shown
    assert "continue to 40 steps" in (project.folder / "reports" / "autoloop.md").read_text()
