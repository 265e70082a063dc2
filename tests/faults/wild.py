"""Loops with trainings that resist ending."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from autoloop.model import Loop

from tests.engine.project import EngineProject

TRAINER = str(Path(__file__).with_name("wild_trainer.py"))
PRESET = f"""
name = "wild"
title = "a trainer that does not want to end"
argv = ["{{python}}", "-I", "-S", {json.dumps(TRAINER)}, "{{config}}", "{{output_dir}}"]
override_style = "file-only"
stop = [["INT", 0.3], ["TERM", 0.3], ["KILL", 0]]
straggler_grace = 0.5
"""


def wild_loop(project: EngineProject, *ways: str, settings: str = "", **more: Any) -> Loop:
    """Create a loop with one such training, followed by an ordinary one in the same slot."""
    (project.folder / "wild.toml").write_text(PRESET)
    (project.folder / "autoloop.toml").write_text(settings)
    config = project.config("wild", ways=ways, **more)
    other = project.config("tame", ways=[])
    assert sys.executable
    return project.loop([config, other], preset=str(project.folder / "wild.toml"))
