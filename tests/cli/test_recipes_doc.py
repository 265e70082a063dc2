"""Every command block of docs/recipes.md and every script of docs/python-api.md, unchanged.

Two things replace a training machine: a CPU stands in for the GPUs, and autoloop.toml names the trainer of these tests.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from autoloop.model import LoopState, RoundState

from tests.cli.project import CONFIG, ROOT, TRAINER, CommandProject, environment, terminal
from tests.support.waiting import PATIENCE, eventually

SECTIONS = re.split(r"^## ", (ROOT / "docs/recipes.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
SCRIPTS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python-api.md").read_text(encoding="utf-8"), re.DOTALL)


def blocks(section: str) -> list[str]:
    return [re.sub(r"--gpus [\d,]+", "--device cpu", block) for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


Shell = Callable[[str], str]


@pytest.fixture
def shell(project: CommandProject, tmp_path: Path) -> Shell:
    """shell(text): run it as a user would in the project's folder, require success, and return its standard output."""
    (project.folder / "configs").mkdir()
    features = [{"key": key, "weight_label": 0.01} for key in "abcd"]
    ot = {**CONFIG["ot"], "loss_config": {**CONFIG["ot"]["loss_config"], "features": features}}
    (project.folder / "configs/base.json").write_text(json.dumps({**CONFIG, "ot": ot}))
    (project.folder / "autoloop.toml").write_text(f'preset = "plain"\ntrain_script = {json.dumps(str(TRAINER))}\n')
    (project.folder / "next_round.py").write_text(SCRIPTS[0])
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"autoloop-tui": "-m autoloop_tui.cli.main", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    env = environment({"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"})

    def shell(text: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=project.folder,
            env=env,
            stdin=terminal(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    return shell


def settled(project: CommandProject) -> None:
    """Wait until the newest loop has no run left: it has ended, or waits for a decision."""

    def over() -> bool:
        with project.open_store() as store:
            loop = store.find_loop(None)
            return loop.state is not LoopState.ACTIVE or store.rounds(loop.id)[-1].state is RoundState.DECIDING

    if (project.folder / ".autoloop").exists():
        eventually(over, "the end of the loop")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.splitlines()[0])
def test_every_recipe_works_as_it_is_written(section: str, project: CommandProject, shell: Shell) -> None:
    if "next_round.py" in section or "analyze-offline" in section:
        shell("autoloop-tui run --cfgs configs/base.json --device cpu --exec --no-ui")  # a loop to continue from
    commands = blocks(section)
    assert commands
    queue = "propose --recipe" in section
    if queue:  # its first round still runs when the recipe is proposed, as it would for hours with a real trainer
        config = project.folder / "configs/base.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "trainer": {"wait_for": str(project.gate())}}))
    for command in commands:
        if "autoloop-tui wait" in command:
            project.open_gate()
        elif not queue:
            settled(project)
        shell(command)
    loop = project.loop()
    assert loop.state is LoopState.FINISHED
    with project.open_store() as store:
        assert {run.state.value for run in store.runs(loop.id)} == {"finished"}
        launched = {proposal.reason for proposal in store.proposals(loop.id) if proposal.run}
    if queue:
        assert launched == {"pi unlock mild", "pi unlock aggressive", "sharpness=0.75", "more OT mixing"}


def test_the_scripts_of_the_python_page_run(project: CommandProject, shell: Shell) -> None:
    shell("autoloop-tui run --cfgs configs/base.json --device cpu --exec --no-ui")
    (written,) = shell("python next_round.py").split()
    assert re.fullmatch(r"configs/base_[0-9a-f]{6}\.json", written)
    made = json.loads((project.folder / written).read_text())
    assert made["ot"]["loss_config"]["reg"] == 0.16  # what the ACT-OT book proposes if the OT mass is near zero
    (project.folder / "second.py").write_text(SCRIPTS[1])
    said = shell("python second.py").splitlines()
    assert "mass 1e-08 -> 1e-08 over 4 points" in said[0]
    assert said[1:] == ["ot.loss_config.reg 0.1 -> 0.15", "batch_size 8 -> 12"]
