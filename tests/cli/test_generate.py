"""`generate`: variants of a config as files and as a loop; `propose --recipe`: variants as proposals."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path

import pytest
from autoloop.variants.files import load_recipe, recipe_names

from autoloop_tui.cli.commands.generate import generate
from autoloop_tui.cli.options import LaunchOptions
from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, ROOT, CommandProject, tree

BASE = ("generate", "--base-cfg", "base.json")
CPU = (*LAUNCH, "--device", "cpu")
RECIPE = """
base = "base.json"
reason = "more mass"
[[variant]]
changes = ["ot.loss_config.reg@mul=2"]
[[variant]]
reason = "less lambda"
changes = { "ot.lambda_ot@mul" = 0.5, "batch_size@add" = 4 }
"""


def written(out: str) -> list[tuple[str, str]]:
    """Return (path, reason) of every line that users' scripts parse."""
    lines = [line.removeprefix("Wrote variant: ") for line in out.splitlines() if line.startswith("Wrote variant: ")]
    return [(line.split(" (")[0], line.split(" (", 1)[1].removesuffix(")")) for line in lines]


def test_the_flags_of_the_document_are_there_with_their_defaults() -> None:
    defaults = {name: p.default for name, p in inspect.signature(generate).parameters.items()}
    defaults |= {field.name: field.default for field in dataclasses.fields(LaunchOptions)}
    expected = {
        "base_cfg": None,
        "changes": None,
        "reason": None,
        "out_dir": None,
        "exec_": False,
        "steps": 2000,
        "log_freq": 50,
        "eval_freq": 200,
        "extra": None,
    }
    assert {name: defaults[name] for name in expected} == expected


def test_a_variant_is_written_beside_its_base_and_told_with_what_changes(project: CommandProject, call: Call) -> None:
    project.config()
    said = call(*BASE, "--reason", "reg+tau", "--changes", "ot.loss_config.reg@mul=1.5", "ot.lambda_ot@set=0.12")
    assert (said.code, said.err) == (0, "")
    ((path, reason),) = written(said.out)
    assert reason == "reg+tau"
    assert "    ot.loss_config.reg  0.1 → 0.15\n    ot.lambda_ot        0.1 → 0.12\n" in said.out
    assert f"autoloop-tui run --cfgs {path} --steps 2000 --exec" in said.out
    base, made = (json.loads((project.folder / name).read_text()) for name in ("base.json", path))
    assert (made["ot"]["loss_config"]["reg"], made["ot"]["lambda_ot"]) == (0.15, 0.12)
    made["ot"]["loss_config"]["reg"], made["ot"]["lambda_ot"] = 0.1, 0.1
    assert made == base


def test_each_group_of_changes_is_a_variant_and_both_forms_say_the_same(project: CommandProject, call: Call) -> None:
    project.config()
    said = call(
        *BASE,
        "--reason",
        "a",
        "--changes",
        "batch_size@add=4",
        "seed=7",
        "--reason",
        "b",
        "--changes",
        "seed=8",
        "--out-dir",
        "made/here",
    )
    (first, a), (second, b) = written(said.out)
    assert (a, b) == ("a", "b")
    assert [json.loads((project.folder / path).read_text())["seed"] for path in (first, second)] == [7, 8]
    again = call(*BASE, "--out-dir", "made/here", "--changes", '{"batch_size@add": 4, "seed": 7}')
    assert written(again.out) == [(first, "variant")]
    assert "the file already existed with this content" in again.out


def test_no_file_of_somebody_else_is_overwritten(project: CommandProject, call: Call) -> None:
    project.config()
    ((path, _),) = written(call(*BASE, "--changes", "seed=7").out)
    (project.folder / path).write_text("mine")
    ((other, _),) = written(call(*BASE, "--changes", "seed=7").out)
    assert other != path
    assert (project.folder / path).read_text() == "mine"


def test_exec_trains_the_variants_as_one_loop(project: CommandProject, call: Call) -> None:
    project.config()
    words = (*BASE, "--changes", "seed=7", "--changes", "seed=8", *CPU, "--exec", "--no-ui")
    done = project.call(*words)
    assert done.returncode == 0, done.stderr
    runs = json.loads(call("runs", "--json").out)["runs"]
    assert [run["state"] for run in runs] == ["finished", "finished"]
    assert [Path(run["source_path"]).name for run in runs] == [path for path, _ in written(done.stdout)]
    again = call(*words)
    assert again.code == 2
    assert "This config has already been run: run " in again.err


MISTAKES = {
    "no base": (["generate", "--changes", "seed=2"], "name one with --base-cfg"),
    "a base that is not there": (["generate", "--base-cfg", "bsae.json", "--changes", "seed=2"], "did you mean base.json?"),
    "no change": ([*BASE], "Nothing to change"),
    "changes with nothing": ([*BASE, "--changes"], "Nothing to change"),
    "no edit": ([*BASE, "--changes", "seed"], '"seed" is not an edit'),
    "no such key": ([*BASE, "--changes", "ot.lamda_ot@mul=2"], "the nearest existing path is ot.lambda_ot"),
    "the second of two": ([*BASE, "--changes", "seed=2", "--changes", "ot.lamda_ot@mul=2"], "matches nothing"),
    "no effect": ([*BASE, "--changes", "seed=1"], "no edit left that changes the training"),
    "set by a flag": ([*BASE, "--preset", "lerobot", "--changes", "steps=5"], "steps is set by a flag"),
    "twice the same": ([*BASE, "--changes", "seed=2", "--changes", "seed=2.0"], "same training as variant 1"),
    "reasons that do not fit": ([*BASE, "--changes", "seed=2", "--reason", "a", "--reason", "b"], "one for all"),
    "broken JSON": ([*BASE, "--changes", "{seed: 2}"], "--changes, line 1, column 2"),
    "a place that is a file": ([*BASE, "--changes", "seed=2", "--out-dir", "base.json"], "--out-dir"),
    "recipe and changes": ([*BASE, "--changes", "seed=2", "--recipe", "pi-unlock"], "omit --changes"),
    "no such recipe": ([*BASE, "--recipe", "pi-unlok"], "did you mean pi-unlock?"),
    "a recipe without base": (["generate", "--recipe", "pi-unlock"], "names no base"),
    "a loop that cannot start": ([*BASE, "--changes", "seed=2", "--device", "cpu", "--exec"], "training script"),
    "a flag after --extra-args": ([*BASE, "--changes", "seed=2", "--extra-args", "--exec"], "--exec comes after"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_nothing_is_written(name: str, project: CommandProject, call: Call) -> None:
    project.config()
    before = tree(project.folder)
    words, fragment = MISTAKES[name]
    said = call(*words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert fragment in said.err
    assert tree(project.folder).keys() == before.keys()
    assert (project.folder / "base.json").read_bytes() == before["base.json"][1]


# ------------------------------------------------------------------------------------------------------------ recipes


def test_a_recipe_of_ones_own_names_its_base_and_its_variants(project: CommandProject, call: Call) -> None:
    project.config()
    (project.folder / "mine.toml").write_text(RECIPE)
    said = call("generate", "--recipe", "mine.toml")
    assert [reason for _, reason in written(said.out)] == ["more mass", "less lambda"]
    second = json.loads((project.folder / written(said.out)[1][0]).read_text())
    assert (second["ot"]["lambda_ot"], second["batch_size"]) == (0.05, 12)


def test_the_recipe_of_the_document_is_shipped() -> None:
    assert recipe_names() == sorted(path.stem for path in (ROOT / "recipes").glob("*.toml"))
    assert [len(variant.edits) for variant in load_recipe("pi-unlock").variants] == [6, 6, 7, 7]


SLIPS = {
    "not TOML": ("[[variant", "mine.toml is not valid TOML"),
    "no variant": ('reason = "x"', "contains no [[variant]]"),
    "unknown key": (RECIPE.replace("reason =", "raeson =", 1), 'unknown key "raeson"; did you mean "reason"?'),
    "unknown key of a variant": (RECIPE + 'change = ["a=1"]\n', 'variant 2: unknown key "change"; did you mean "changes"?'),
    "no changes": ('[[variant]]\nreason = "x"', 'variant 1: the key "changes" is missing'),
    "empty changes": ("[[variant]]\nchanges = []", "variant 1: changes contains no edit"),
    "no edit": ('[[variant]]\nchanges = ["a@mull=1"]', 'variant 1: changes: In the edit "a@mull=1"'),
    "a number for a name": ("name = 3\n[[variant]]\nchanges = ['a=1']", "mine.toml: name must be a text"),
    "variants that are no list": ("variant = 3", "mine.toml: variant must be a list"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_bad_recipe_is_one_sentence_naming_file_and_key(name: str, project: CommandProject, call: Call) -> None:
    project.config()
    text, fragment = SLIPS[name]
    (project.folder / "mine.toml").write_text(text)
    said = call(*BASE, "--recipe", "mine.toml")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "mine.toml" in said.err
    assert fragment in said.err


def test_a_recipe_is_proposed_whole_or_not_at_all(project: CommandProject, call: Call) -> None:
    project.config()
    (project.folder / "mine.toml").write_text(RECIPE)
    (project.folder / "half.toml").write_text(RECIPE.replace("batch_size", "batch_sise"))
    loop = project.start(
        "run", "--cfgs", "base.json", *CPU, "--rounds", "2", "--decide", "--approve", "manual", "--exec", "--no-ui"
    )
    loop.hear("waits for a decision on 1 proposal")
    refused = call("propose", "--recipe", "half.toml")
    assert refused.code == 2
    assert "Nothing was proposed: variant 2 (less lambda): " in refused.err
    assert len(json.loads(call("proposals", "--json").out)["proposals"]) == 1
    assert "used the config other.json" in call("propose", "--recipe", "mine.toml", "--base", "other.json").err
    assert 'no run "bse"; did you mean base?' in call("propose", "--recipe", "mine.toml", "--base", "bse").err
    said = call("propose", "--recipe", "mine.toml")  # its base is the config of the run `base`
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("proposals 2 to 3 from base\n")
    assert said.out.endswith("Approve them: autoloop-tui approve 2 3\n")
    many = "".join(f"[[variant]]\nreason = 'v{number}'\nchanges = ['seed={number}']\n" for number in range(100, 125))
    (project.folder / "many.toml").write_text(f'base = "base.json"\n{many}')
    assert call("hold").code == call("reject", "1").code == call("approve", "2", "3").code == 0
    assert call("propose", "--recipe", "many.toml").out.endswith("Approve them: autoloop-tui approve --all\n")
    assert call("reject", "--all").code == call("start").code == 0
    assert loop.wait() == 0
    assert [run["round"] for run in json.loads(call("runs", "--json").out)["runs"]] == [1, 2, 2]


def test_what_would_never_run_is_not_proposed(project: CommandProject, call: Call) -> None:
    project.config(wait=True)
    loop = project.start("run", "--cfgs", "base.json", *CPU, "--exec", "--no-ui")
    loop.hear("started on")
    said = call("propose", "base", "--changes", "seed=2")
    assert said.code == 2
    assert "This loop ends with round 1, so a new proposal would never run" in said.err
    project.open_gate()
    assert loop.wait() == 0


def test_a_deleted_and_a_confirmed_new_key_are_told_and_are_all_that_diff_shows(project: CommandProject, call: Call) -> None:
    text = '{\n  "lr": 1.0,\n  "ot": {\n    "tau_src": 0.5,\n    "features": [\n      1,\n      2\n    ]\n  }\n}'
    (project.folder / "own.json").write_text(text)
    edits = ("ot.tau_src@del", "ot.features.0@del", "ot.tau_scr@new=1e-5")
    said = call("generate", "--base-cfg", "own.json", "--changes", *edits)
    assert (said.code, said.err) == (0, "")
    assert "    ot.tau_src     0.5 → (deleted)\n" in said.out
    assert "    ot.features.0  1 → (deleted)\n" in said.out
    ((path, _),) = written(said.out)
    made = (project.folder / path).read_text()
    assert made == text.replace('"tau_src": 0.5,', "").replace("\n    \n", "\n").replace("      1,\n", "").replace(
        "    ]\n", '    ],\n    "tau_scr": 1.0e-05\n'
    )


def test_python_spellings_and_slips_are_refused_and_nothing_is_written(project: CommandProject, call: Call) -> None:
    project.config()
    before = tree(project.folder)
    refused = {"ot.lamda_ot=1": "ot.lamda_ot@new=1", "dataset.shuffle=False": "write false;", "x=None": "write null;"}
    for edit, words in refused.items():
        said = call(*BASE, "--changes", edit)
        assert said.code == 2
        assert words in said.err
    assert tree(project.folder) == before
