"""The JSON answers of all commands, checked against their schemas, and the schemas themselves."""

from __future__ import annotations

import json
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from autoloop_tui.cli.catalogue import COMMANDS, function
from autoloop_tui.cli.documents.answers import ANSWERS, UNMARKED, mark
from autoloop_tui.cli.options import RunOptions
from docs.make_json_page import PAGE, page
from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve, open_store
from tests.cli.project import LAUNCH, CommandProject
from tests.support import schemas
from tests.support.schemas import faults

CPU = (*LAUNCH, "--device", "cpu")
PRESET = '[trainer]\ncommand = "{python} train.py {config} {output_dir}"\ncheckpoints = ["checkpoint-[0-9]*"]\n'
THEME = Path(__file__).parents[2] / "themes"


def test_each_command_prints_what_its_schema_says(project: CommandProject, call: Call) -> None:
    """Use a past loop, and one with two seeds in which proposals of rules ran; `checked_answer` compares."""
    project.write(
        "autoloop.toml",
        'grace = 0\noutput_root = "outputs"\n[keep]\ncheckpoints = "best 1 by val_loss"\n[hooks.desk]\ncommand = "true"\n',
    )
    with open_store(project.folder) as store:
        past = PastLoop(store, preset="autoloop.toml")
        (project.folder / ".autoloop/loops/loop_1").mkdir(parents=True)
        (project.folder / ".autoloop/loops/loop_1/preset.toml").write_text(PRESET)
        for number in range(1, 9):
            run = past.add(
                f"run{number}",
                curve(9.0, number, number / 10, metric="val_loss"),
                {"lr": number % 4 + 1.0, "seed": number % 2},
            )
            (Path(run.output_dir or "") / "checkpoint-100").mkdir()
    project.config("a")
    project.config("b", seed=2)
    loop = ("run", "--cfgs", "a.json", "b.json", *CPU, "--rounds", "2", "--decide", "--approve", "auto")
    assert project.call(*loop, "--exec", "--no-ui").returncode == 0
    theme = sorted(THEME.glob("*.toml"))[0]
    forms = {
        "status": ["status"],
        "loops": ["status", "--all"],
        "runs": ["runs"],
        "proposals": ["proposals"],
        "agents": ["agents"],
        "rules": ["rules"],
        "noise": ["noise"],
        "rejudge": ["rejudge"],
        "plan": list(loop),
        "findings": ["doctor", *loop[1:]],
        "check": ["check", "a", "--changes", "policy.optimizer_lr=3e-4"],
        "hooks": ["hooks"],
        "backtest": ["backtest"],
        "safe-stop": ["backtest", "--find-stop", "val_loss"],
        "effects": ["effects", "--metric", "val_loss"],
        "usage": ["disk"],
        "freeing": ["disk", "--free"],
        "freed": ["disk", "--free", "--exec"],
        "analysis": ["analyze-offline", "--rules"],
        "summaries": ["analyze-offline"],
        "themes": ["themes"],
        "theme": ["themes", "--check", str(theme)],
    }
    assert forms.keys() == ANSWERS.keys()
    for name, form in forms.items():
        schemas.checked.clear()
        said = call(*form, "--json")
        assert said.code in (0, 1), said.err
        assert schemas.checked == {name}, form
        document = json.loads(said.out)
        assert name in UNMARKED or document["schema"] == mark(name)
    proposals = json.loads(call("proposals", "--json").out)["proposals"]
    assert any(each["outcome"] for each in proposals)


def test_a_field_that_no_schema_names_and_a_wrong_type_are_faults(project: CommandProject, call: Call) -> None:
    project.config("a")
    plan = json.loads(call("run", "--cfgs", "a.json", *CPU, "--json").out)
    assert not faults("plan", plan)
    assert faults("plan", {**plan, "surprise": 1})
    assert faults("plan", {**plan, "runs": [{**plan["runs"][0], "surprise": 1}]})
    assert faults("plan", {**plan, "warnings": "none"})
    assert faults("plan", {name: value for name, value in plan.items() if name != "loop"})
    assert faults("plan", {**plan, "schema": "plan/0"})


@pytest.mark.parametrize("name", ["disk --free", "freeing", "freeing/1"])
def test_a_schema_is_found_by_command_or_name_and_says_what_fields_mean(name: str, call: Call) -> None:
    found = json.loads(call("schema", name).out)
    assert found["$id"] == "urn:autoloop-tui:freeing/1"
    assert found["properties"]["schema"]["const"] == "freeing/1"
    assert found["properties"]["trash"]["description"] == "Bytes already in the trash."


def test_the_list_of_schemas_has_all_and_a_wrong_name_is_one_sentence(call: Call) -> None:
    listed = call("schema").out
    assert all(mark(name) in listed for name in ANSWERS)
    wrong = call("schema", "stauts")
    assert wrong.code == 2
    assert "did you mean status?" in wrong.err


def test_the_page_of_answers_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m docs.make_json_page writes it anew"


def test_every_command_that_takes_json_has_an_answer_and_no_other() -> None:
    taking = set()
    for name in COMMANDS:
        module, _, called = function(name).partition(":")
        parameters = signature(getattr(import_module(module), called)).parameters
        if "json" in parameters or any(isinstance(each.default, RunOptions) for each in parameters.values()):
            taking.add(name)
    assert taking == {form.partition(" ")[0] for answer in ANSWERS.values() for form in answer.commands}
