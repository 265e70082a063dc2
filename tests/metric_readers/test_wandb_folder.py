"""The W&B runs of a folder are looked for again when something of theirs may have come, and only then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from autoloop.metric_readers.find import WandbFolder, wandb_runs


def settle(root: Path) -> None:
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        os.utime(folder, (1_700_000_000, 1_700_000_000))


def test_whatever_comes_is_found_and_nothing_is_listed_without_a_change(tmp_path: Path) -> None:
    folder, root = WandbFolder(tmp_path), tmp_path / "wandb"
    assert folder.look() == []
    run = root / "offline-run-20261122_080000-a"
    steps: list[Callable[[], object]] = [
        lambda: run.mkdir(parents=True),
        lambda: (run / "run-a.wandb").touch(),
        lambda: (run / "files").mkdir(),
        lambda: (run / "files" / "wandb-summary.json").touch(),
        lambda: (root / "run-20261122_090000-a").mkdir(),
        lambda: (root / "run-20261122_090000-a" / "run-a.wandb").touch(),
        lambda: (root / "autoloop-tap-b.jsonl").touch(),
        lambda: (run / "run-a.wandb").unlink(),
    ]
    for step in steps:
        step()
        found = folder.look()
        assert found == wandb_runs(tmp_path)
        settle(root)
        settled = folder.look()
        assert settled == found
        assert folder.look() is settled
    assert [files.run_id for files in found] == ["a", "b"]
