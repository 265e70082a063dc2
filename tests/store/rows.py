"""Rows of a loop, and a store with many of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from autoloop.model import Loop, LoopSpec, LoopState, Run, WandbSpec
from autoloop.store import Store


def a_loop(number: int = 1, **changes: object) -> Loop:
    values: dict[str, object] = {
        "id": number,
        "name": f"loop_{1_700_000_000 + number}",
        "state": LoopState.ACTIVE,
        "spec": LoopSpec(configs=["/c/a.json"], gpus=[0, 2], extra=["--x=1"], wandb=WandbSpec(online=True, entity="e")),
        "output_dir": "/out",
        "created_at": 1.5,
    }
    return Loop(**{**values, **changes})  # type: ignore[arg-type]


def a_run(name: str, loop: int = 1, round_: int = 1, position: int = 0, **changes: object) -> Run:
    values: dict[str, object] = {
        "id": name,
        "loop": loop,
        "round": round_,
        "position": position,
        "name": name,
        "config_path": f"/c/{name}.json",
        "source_path": f"/s/{name}.json",
        "config_hash": f"hash of {name}",
    }
    return Run(**{**values, **changes})  # type: ignore[arg-type]


def filled(folder: Path, runs: int = 300) -> Path:
    """Create the database of a project with one loop of `runs` runs, and return its path."""
    with Store.open(folder, create=True) as store, store.transaction():
        store.put_loop(a_loop())
        for number in range(runs):
            store.put_run(a_run(f"run{number}", position=number, source_path="x" * 500))
    return folder / ".autoloop" / "autoloop.db"


def without_revisions(raw: sqlite3.Connection) -> None:
    """Change the tables back to schema 9."""
    for table in ("runs", "attempts", "proposals"):
        raw.execute(f"DROP INDEX {table}_by_revision")
        raw.execute(f"ALTER TABLE {table} DROP COLUMN revision")
