"""Every block of docs/your-trainer.md can be planned unchanged.

Trainers that cannot be installed for tests are replaced by a stand-in that accepts exactly their command line. Real
trainers are in tests/real_trainers.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from autoloop.model import RunState
from autoloop.settings import load_settings
from autoloop.trainers import load_preset

from tests.cli.conftest import Call
from tests.cli.project import CommandProject
from tests.support.trainer_page import PAGE, blocks

STUB = Path(__file__).with_name("stub_trainer.py")
SECTIONS = [(section, number) for section, found in blocks().items() if section for number in range(len(found))]

CONFIGS: dict[str, str] = {
    "json": '{"learning_rate": 0.001, "max_steps": 20}\n',
    "yaml": "learning_rate: 0.001\nmax_steps: 20\noutput_dir: out\n",
}
COMMANDS = {
    "axolotl": ("axolotl", "learning_rate=0.002", "train {config} --output-dir={output}"),
    "LLaMA-Factory": ("llamafactory-cli", "learning_rate=0.002", "train {config} output_dir={output}"),
    "torchtune": (
        "tune",
        "learning_rate=0.002",
        "run full_finetune_single_device --config {config} output_dir={output} device=cpu metric_logger.output_fmt=jsonl",
    ),
    "openpi": (
        "uv",
        "lr_schedule.peak_lr=0.002",
        "run scripts/train.py pi05_libero --exp-name={name} --checkpoint-base-dir={output} --num-train-steps=30000 "
        "--batch-size=32 --seed=42 --lr-schedule.peak-lr=0.002",
    ),
    "rsl-rl and Isaac Lab": (
        "python",
        "agent.algorithm.learning_rate=0.002",
        "scripts/reinforcement_learning/rsl_rl/train.py --task Isaac-Cartpole-v0 --headless agent.experiment_name={output} "
        "agent.max_iterations=10 agent.seed=1 agent.algorithm.learning_rate=0.002",
    ),
}
"""By section: the program that is started, an edit, and the words that follow the program."""


def prepare(project: CommandProject, section: str, number: int) -> None:
    """Create the project that a block is for: settings, the files they name, and programs beside the interpreter."""
    folder = project.folder
    (folder / "autoloop.toml").write_text(blocks()[section][number], encoding="utf-8")
    settings = load_settings(folder)
    preset = load_preset(settings.preset if settings.preset != "autoloop.toml" else str(folder / "autoloop.toml"))
    if isinstance(preset.base, str):
        (folder / preset.base).write_text(CONFIGS["json" if preset.base.endswith(".json") else "yaml"], encoding="utf-8")
    for script in {preset.script, settings.train_script, "train.py"} - {"", None}:
        path = folder / str(script)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STUB.read_text(encoding="utf-8"), encoding="utf-8")
    programs = folder / "bin"
    programs.mkdir()
    for program in ("python", "accelerate", "torchrun", "trl", "axolotl", "llamafactory-cli", "tune", "uv"):
        words = [sys.executable, *([] if program == "python" else [str(STUB), program])]
        (programs / program).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        (programs / program).chmod(0o755)


@pytest.mark.parametrize(("section", "number"), SECTIONS, ids=[f"{name} {number}" for name, number in SECTIONS])
def test_every_block_is_a_plan_as_it_stands(section: str, number: int, project: CommandProject, call: Call) -> None:
    prepare(project, section, number)
    preset = load_settings(project.folder).preset
    (project.folder / "config.json").write_text(CONFIGS["json"], encoding="utf-8")
    cfgs = ("--cfgs", "config.json") if preset != "autoloop.toml" else ()
    said = call("run", *cfgs, "--device", "cpu", "--python", str(project.folder / "bin/python"))
    assert said.code == 0, said.err
    assert "Nothing was started" in said.out


def test_every_trainer_of_the_table_has_a_section_with_as_many_lines_as_it_says() -> None:
    rows = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \| .+? \| ([\d–]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 14
    anchors = {re.sub(r"[^\w -]", "", section).lower().replace(" ", "-"): section for section in blocks() if section}
    assert {anchor for _, anchor, _ in rows} == set(anchors)
    for name, anchor, said in rows:
        lines = [line for line in blocks()[anchors[anchor]][0].splitlines() if line.strip()]
        assert str(len(lines)) == said.rpartition("–")[2], name


@pytest.mark.parametrize("section", sorted(COMMANDS))
def test_a_trainer_gets_the_command_line_that_its_documents_describe(section: str, project: CommandProject) -> None:
    """The stand-in writes the values it received, which shows that the edit reached it."""
    prepare(project, section, 0)
    program, edit, words = COMMANDS[section]
    said = project.call(
        *("run", "--device", "cpu", "--python", str(project.folder / "bin/python"), "--grid", edit, "--no-ui", "--exec")
    )
    assert said.returncode == 0, said.stdout + said.stderr
    (attempt,) = project.attempts()
    with project.open_store() as store:
        (run,) = store.runs(project.loop().id)
    assert run.state is RunState.FINISHED, run.reason
    filled = {"config": run.config_path, "output": attempt.output_dir, "name": run.name}
    assert attempt.argv[0] == str(project.folder / "bin" / program)
    given = [word.replace("'", "") for word in attempt.argv[1:]]
    assert sorted(given) == sorted(words.format(**filled).split())
    assert run.summary.metrics["train/rate"].last == 0.002
