"""What can be seen of attempts and their processes from outside: in their files and in the process table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autoloop.model import Attempt, Run, RunState


def span(attempt: Attempt) -> tuple[float, float]:
    """When the command of an ended attempt ran, from the files of its supervisor; where that was killed, till the engine
    gave its slot free."""
    start = json.loads((Path(attempt.directory) / "start.json").read_text())["started_at"]
    try:
        return float(start), float(json.loads((Path(attempt.directory) / "exit.json").read_text())["ended_at"])
    except FileNotFoundError:
        assert attempt.ended_at is not None
        return float(start), attempt.ended_at


def seen(run: Run) -> dict[str, Any]:
    """What the trainer of a run was given."""
    assert run.output_dir is not None
    value = json.loads((Path(run.output_dir) / "seen.json").read_text())
    assert isinstance(value, dict)
    return value


def states(runs: Iterable[Run]) -> list[RunState]:
    return [run.state for run in runs]
