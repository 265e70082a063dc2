"""What was read is cached, and the cache is never trusted if the files differ."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from autoloop.metrics import MetricBooks, parse_metric_book
from autoloop.run_archive import CachedRecord, Memory, find_runs, memory_path, read_runs, reading, version_of

from tests.run_archive.layouts import wandb_run


class Folder:
    """A folder of runs whose last losses are queried; `read` names the runs that were actually read for the answer."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / "outputs"
        self.memory = root / "memory.msgpack"
        self.read: list[str] = []
        self.book = MetricBooks()
        real = reading.read_run

        def read_run(run: Any, books: Any) -> Any:
            self.read.append(os.path.basename(run.name))
            return real(run, books)

        monkeypatch.setattr(reading, "read_run", read_run)
        monkeypatch.setattr(reading, "SETTLED", -1.0)

    def ask(self, processes: int = 1, limit: int | None = None) -> dict[str, float]:
        self.read.clear()
        memory = Memory(self.memory, CachedRecord, version_of(self.book))
        found = read_runs(find_runs(self.root), self.book, limit=limit, memory=memory, processes=processes)
        return {os.path.basename(run.name): record.summary.metrics["train/loss"].last for run, record in found}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder = Folder(tmp_path, monkeypatch)
    wandb_run(folder.root / "a", "a", [2, 1])
    wandb_run(folder.root / "b", "b", [4, 3])
    return folder


def test_a_file_that_has_not_changed_is_not_read_again(folder: Folder) -> None:
    assert folder.ask() == {"a": 1, "b": 3}
    assert sorted(folder.read) == ["a", "b"]
    assert folder.ask() == {"a": 1, "b": 3}
    assert folder.read == []


def test_a_config_that_cannot_be_remembered_is_read_again_and_the_others_are_not(folder: Folder) -> None:
    wandb_run(folder.root / "c", "c", [6, 5], config={"seed": 2**70, "lr": 1e-4})
    assert folder.ask() == {"a": 1, "b": 3, "c": 5}
    assert folder.ask() == {"a": 1, "b": 3, "c": 5}
    assert folder.read == ["c"]


def test_half_a_surrogate_pair_in_a_config_or_a_name_is_read_and_remembered(folder: Folder) -> None:
    """This is how JSON represents a path with a byte that is not valid text."""
    rows = folder.root / "c" / "wandb-history.jsonl"
    rows.parent.mkdir()
    rows.write_text('{"train/loss": 5, "of/\\udce9": NaN, "at/\\udce9": 1}\n')
    wandb_run(folder.root / "d", "d", [8, 7], config={"dataset": "data/\udce9"})
    assert folder.ask() == {"a": 1, "b": 3, "c": 5, "d": 7}
    assert folder.ask() == {"a": 1, "b": 3, "c": 5, "d": 7}
    assert folder.read == []


def test_a_file_that_grew_or_is_new_is_read(folder: Folder) -> None:
    folder.ask()
    wandb_run(folder.root / "c", "c", [6, 5])
    with next(folder.root.glob("a/wandb/*/*.wandb")).open("ab") as file:
        file.write(b"\0")
    assert folder.ask() == {"a": 1, "b": 3, "c": 5}
    assert sorted(folder.read) == ["a", "c"]


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read(folder: Folder) -> None:
    folder.ask()
    path = next(folder.root.glob("a/wandb/*/*.wandb"))
    before = path.stat()
    other = wandb_run(folder.root.parent / "elsewhere", "a", [8, 9])
    assert other.stat().st_size == before.st_size
    os.replace(other, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.ask() == {"a": 9, "b": 3}


def test_a_file_rewritten_in_place_with_its_old_time_is_read(folder: Folder) -> None:
    folder.ask()
    path = next(folder.root.glob("a/wandb/*/*.wandb"))
    before = path.stat()
    path.write_bytes(wandb_run(folder.root.parent / "elsewhere", "a", [8, 9]).read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.ask() == {"a": 9, "b": 3}


def test_a_file_that_was_just_written_is_not_remembered(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another write within the same tick of the clock would not be noticed."""
    monkeypatch.setattr(reading, "SETTLED", 3600.0)
    folder.ask()
    folder.ask()
    assert sorted(folder.read) == ["a", "b"]


def test_another_metric_book_makes_everything_be_read(folder: Folder) -> None:
    folder.ask()
    folder.book = MetricBooks(parse_metric_book('key = ["train/loss"]', "mine"))
    folder.ask()
    assert sorted(folder.read) == ["a", "b"]


@pytest.mark.parametrize("damage", [b"", b"\x00" * 100, b"not ours", None])
def test_a_damaged_memory_is_rebuilt(folder: Folder, damage: bytes | None) -> None:
    folder.ask()
    whole = folder.memory.read_bytes()
    folder.memory.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert folder.ask() == {"a": 1, "b": 3}
    assert sorted(folder.read) == ["a", "b"]
    folder.ask()
    assert folder.read == []


def test_every_cut_of_the_memory_gives_the_same_answer(folder: Folder) -> None:
    expected = folder.ask()
    whole = folder.memory.read_bytes()
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        folder.memory.write_bytes(whole[:end])
        assert folder.ask() == expected


def test_a_memory_that_cannot_be_written_is_no_failure(folder: Folder) -> None:
    folder.memory.mkdir()
    assert folder.ask() == {"a": 1, "b": 3}
    assert folder.ask() == {"a": 1, "b": 3}


def test_runs_that_are_gone_are_forgotten_and_those_beyond_the_limit_are_not(folder: Folder) -> None:
    folder.ask()
    for path in folder.root.glob("a/wandb/*/*.wandb"):
        path.unlink()
    wandb_run(folder.root / "c", "c", [6, 5])
    assert folder.ask(limit=1) == {"c": 5}
    memory = Memory(folder.memory, CachedRecord, version_of(folder.book))
    assert sorted(Path(key).stem for key in memory.entries) == ["run-b", "run-c"]


def test_several_processes_give_the_same_answer(folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MUCH", 0)
    for index in range(20):
        wandb_run(folder.root / f"r{index}", f"r{index}", [index + 1, index])
    assert folder.ask(processes=2) == {"a": 1, "b": 3} | {f"r{index}": index for index in range(20)}


def test_it_is_kept_in_the_project_else_in_the_users_cache(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "home")}
    runs = tmp_path / "outputs"
    assert memory_path(tmp_path, runs, environment).parent == tmp_path / "home/.cache/autoloop/cache"
    assert memory_path(tmp_path, runs, {"XDG_CACHE_HOME": "/xdg"}).parent == Path("/xdg/autoloop/cache")
    (tmp_path / ".autoloop").mkdir()
    assert memory_path(tmp_path, runs, environment).parent == tmp_path / ".autoloop/cache"
    assert memory_path(tmp_path, runs, environment) != memory_path(tmp_path, tmp_path, environment)
