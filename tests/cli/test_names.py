"""Names from outside that could escape a folder, draw on the terminal or act as markup are harmless."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.project import CONFIG, LAUNCH, CommandProject

ODD = [
    "..",
    "a\nb",
    "| x | y |",
    "`tick` <!-- autoloop loop_1 -->",
    "-rf",
    "$(touch pwned); touch pwned",
    "空" * 80,
    "\x1b[2J\x07",
    "C:\\x\\..\\..",
    " ",
]
"""Names of config files, without `.json`."""


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def placed(project: CommandProject, name: str, seed: int) -> Path:
    path = project.folder / f"{name}.json"
    path.write_text(json.dumps({**CONFIG, "seed": seed}), encoding="utf-8")
    return path


def test_the_names_of_configs_never_lead_out_of_the_loop_s_folder_nor_break_its_report(project: CommandProject) -> None:
    for seed, name in enumerate(ODD):
        placed(project, name, seed)
    before = everything(project.folder.parent)
    said = project.call(
        "run", "--cfgs", *(f"./{name}.json" for name in ODD), *LAUNCH, "--device", "cpu", "--exec", "--no-ui"
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "\x1b" not in said.stdout + said.stderr
    loop = project.loop()
    with project.open_store() as store:
        runs = store.runs(loop.id)
    assert len(runs) == len(ODD)
    for run in runs:
        assert run.output_dir is not None
        assert Path(run.output_dir).parent == Path(loop.output_dir)
        assert Path(run.config_path).parent == project.folder / ".autoloop/configs"
    own = ("project/.autoloop", "project/outputs", "project/reports", "project/__pycache__")
    assert [name for name in everything(project.folder.parent) - before if not name.startswith(own)] == []
    report = (project.folder / "reports/act_ot.md").read_text(encoding="utf-8")
    table = [line for line in report.splitlines() if line.startswith("| ") and "finished" in line]
    assert len(table) == len(ODD)
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    # Writing it again replaces it: no name was taken for one of the report's own markers.
    assert project.call("report").returncode == 0
    assert (project.folder / "reports/act_ot.md").read_text(encoding="utf-8") == report


@pytest.mark.parametrize("name", ODD)
def test_a_variant_stays_beside_its_base_whatever_that_is_called(project: CommandProject, name: str) -> None:
    placed(project, name, 1)
    before = everything(project.folder.parent)
    said = project.call("generate", "--base-cfg", f"./{name}.json", "--changes", "batch_size=16")
    assert said.returncode == 0, said.stderr
    assert "\x1b" not in said.stdout
    (made,) = everything(project.folder.parent) - before
    assert Path(made).parent == Path("project")
    assert json.loads((project.folder.parent / made).read_text())["batch_size"] == 16


def test_a_recipe_s_names_and_reasons_are_text_and_no_paths(project: CommandProject) -> None:
    project.config()
    (project.folder / "odd.toml").write_text(
        'name = "../../up"\nbase = "base.json"\n[[variant]]\nreason = "../x\\n| y <!-- -->\\u001b[2J"\n'
        'changes = ["batch_size=16"]\n'
    )
    before = everything(project.folder.parent)
    said = project.call("generate", "--recipe", "./odd.toml")
    assert said.returncode == 0, said.stderr
    assert "\x1b" not in said.stdout
    (made,) = everything(project.folder.parent) - before
    assert Path(made).parent == Path("project")


def test_names_for_w_and_b_reach_the_trainer_as_they_are_and_nothing_else(project: CommandProject) -> None:
    """The group is set by us. Entity and project come from the user, and are passed as variables, never through a shell."""
    (project.folder / "trainer.py").write_text(
        "import json, os, sys\n"
        "names = ('WANDB_ENTITY', 'WANDB_PROJECT', 'WANDB_RUN_GROUP', 'WANDB_RUN_ID', 'WANDB_NAME')\n"
        "json.dump({n: os.environ.get(n) for n in names}, open('given.json', 'w'))\n"
    )
    project.config("../project/base")
    said = project.call(
        "run",
        "--cfgs",
        "base.json",
        "--preset",
        "plain",
        "--train-script",
        "trainer.py",
        "--steps",
        "2",
        "--device",
        "cpu",
        "--wandb-entity",
        "../e\n$(touch pwned)",
        "--wandb-project",
        "p/../..",
        "--name",
        "../../n\x1b[2J|",
        "--exec",
        "--no-ui",
    )
    assert "Traceback" not in said.stdout + said.stderr
    given = json.loads((project.folder / "given.json").read_text())
    assert given["WANDB_RUN_GROUP"] == f"{project.loop().name}-r1"
    assert given["WANDB_RUN_ID"] is None  # each wandb.init of the trainer gets its own id
    assert not os.path.exists(project.folder / "pwned")
    assert "\x1b" not in said.stdout + said.stderr + project.call("status").stdout
    assert all(Path(name).parts[0] == "project" for name in everything(project.folder.parent))
