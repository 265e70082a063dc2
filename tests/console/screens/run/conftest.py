"""A project with a variant and its base."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import RunState

from tests.console.projects import CONFIG, RecordedProject, curve


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    return RecordedProject(tmp_path)


@pytest.fixture
def variant(project: RecordedProject) -> Any:
    """A running variant of a finished run, with a log."""
    base = project.run("baseline")
    config = copy.deepcopy(CONFIG)
    config["ot"]["loss_config"]["tau_src"] = 0.5
    proposal = project.proposal(base)
    project.round(2)
    metrics = {
        "train/l1_loss": curve(25, 0.9, 0.2),
        "eval/offline_eval/avg_l1": curve(5, 1.1, 0.3, 20),
        "train/grad_norm": curve(25, 5, 2),
    }
    log = "".join(f"INFO step {i}\n" for i in range(100)) + "ValueError: the end\n"
    return project.run(
        "variant", RunState.RUNNING, base=base, config=config, round=2, proposal=proposal.id, metrics=metrics, log=log
    )
