"""Loops of the benches: many runs that sleep, through the real engine, store and supervisors."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from autoloop.engine import create_loop, plan_loop
from autoloop.gpus import GpuReport
from autoloop.model import Loop, LoopSpec
from autoloop.settings import Settings
from autoloop.store import Store


def sleeping_loop(store: Store, project: Path, runs: int, seconds: float, more: str = "", **spec: Any) -> Loop:
    """A loop of `runs` runs of `seconds` each. `more`: further lines of the preset; `spec`: fields of LoopSpec."""
    preset = project / "sleep.toml"
    preset.write_text(
        f"""
name = "sleep"
title = "a job that sleeps"
argv = ["/bin/sleep", "{seconds:g}"]
override_style = "file-only"
{more}
env = {{ JOB = "{{config}}" }}
"""
    )
    configs = []
    for number in range(runs):
        path = project / f"job{number}.json"
        path.write_text(json.dumps({"seed": number}))
        configs.append(str(path))
    asked = LoopSpec(
        configs=configs,
        device="cpu",
        preset=str(preset),
        python=sys.executable,
        cwd=str(project),
        output_root=str(project / "outputs"),
        summary_out=str(project / "reports/summary.json"),
        markdown_out=str(project / "reports/report.md"),
        **spec,
    )
    plan = plan_loop(asked, Settings(), GpuReport(gpus=()), os.environ, store.where_run, time.time())
    return create_loop(store, plan, time.time())
