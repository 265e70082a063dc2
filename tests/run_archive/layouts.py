"""Runs on disk in the layouts of different W&B versions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.metric_readers import builder


def wandb_run(
    output: Path, run_id: str, losses: list[float], *, at: str = "20260101_000000", start: int = 0, **more: Any
) -> Path:
    """Write an output directory with one segment of a run as 0.18 and later do; `more` may have `config` and `mode`."""
    folder = output / "wandb" / f"{more.get('mode', 'offline-run')}-{at}-{run_id}"
    folder.mkdir(parents=True)
    config = more.get("config")
    records = [builder.part(17, builder.part(4, builder.config({(k,): v for k, v in config.items()})))] if config else []
    records += [builder.new_row({"train/loss": loss}, start + step) for step, loss in enumerate(losses)]
    path = folder / f"run-{run_id}.wandb"
    path.write_bytes(builder.frame([*records, builder.exit_record(0)]))
    return path


def jsonl(path: Path, losses: list[float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"_step": step, "train/loss": loss}) for step, loss in enumerate(losses)]
    path.write_text("".join(row + "\n" for row in rows))
    return path


def written_at(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))
