"""`run --propose`: the plan states the search space, and an invalid space is refused in one sentence."""

from __future__ import annotations

import json

import pytest

from tests.cli.project import LAUNCH, CommandProject
from tests.support.packages import needs

pytestmark = needs("optuna")

RUN = ("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--rounds", "3", "--propose", "optuna")


def test_the_plan_states_what_is_searched(project: CommandProject) -> None:
    project.config()
    plan = project.call(*RUN, "--grid", "reg=0.05..0.8", "window_size=5,10,20", env={"COLUMNS": "200"})
    assert plan.returncode == 0, plan.stderr
    assert "then up to 2 more by optuna (TPE), approve auto" in plan.stdout
    searched = "TPE over ot.loss_config.reg 0.05 … 0.8 (log), ot.window_size 5, 10, 20"
    assert f"searched: {searched}" in " ".join(plan.stdout.split())
    as_json = json.loads(project.call(*RUN, "--grid", "reg=0.05..0.8", "--json").stdout)
    axis = {"path": "ot.loss_config.reg", "low": 0.05, "high": 0.8, "log": True}
    assert as_json["search"] == {"axes": [axis]}
    assert (
        "base, runs again beside it on fresh seeds before it is called better: up to 2 of 2 runs per round"
        in (as_json["confirming"])
    )
    assert len(as_json["runs"]) == 1


def test_a_loop_searches_the_space_of_its_settings_and_keeps_it(project: CommandProject) -> None:
    project.config()
    project.write("autoloop.toml", '[search]\n"ot.loss_config.reg" = { low = 0.05, high = 0.8 }\n')
    done = project.call(*RUN, "--replicates", "0", "--exec", "--no-ui")
    assert done.returncode == 0, done.stderr
    assert "round 3: 2 proposals by optuna (TPE)" in done.stdout
    assert [axis.path for axis in project.loop().spec.search.axes] == ["ot.loss_config.reg"]
    listed = json.loads(project.call("proposals", "--json").stdout)["proposals"]
    assert {each["author"] for each in listed} == {"optuna (TPE)"}
    assert "optuna (TPE): 4 proposed, 4 ran" in project.call("status").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--grid", "rge=0.05..0.8"), "the nearest path is ot.loss_config.reg"),
        (("--grid", "reg=0.5..0.8"), "base.json has 0.1 there, which is not among what is searched"),
        ((), "give ranges or values with --grid"),
        (("--grid", "reg=0.05..0.8", "--propose", "hyperband"), "--propose cannot be"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_in_one_sentence(
    project: CommandProject, words: tuple[str, ...], said: str
) -> None:
    project.config()
    refused = project.call(*RUN[:-2] if "--propose" in words else RUN, *words)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (project.folder / ".autoloop").exists()
