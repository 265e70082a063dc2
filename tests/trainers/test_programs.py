"""A program named without a path belongs to the training environment, whichever environment is active."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.trainers import parse_preset
from autoloop.trainers.dump import dumped
from autoloop.trainers.programs import exists, program_path


def environment(folder: Path) -> str:
    """Create an environment whose `trainer` prints a config, and return its interpreter."""
    folder.mkdir()
    for name in ("python", "trainer"):
        (folder / name).write_text("#!/bin/sh\necho 'lr: 0.1'\n")
        (folder / name).chmod(0o755)
    return str(folder / "python")


def test_a_program_beside_the_interpreter_stands_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "active")
    monkeypatch.setenv("PATH", f"{tmp_path / 'active'}:/usr/bin:/bin")
    python = environment(tmp_path / "chosen")
    assert program_path("trainer", python) == str(tmp_path / "chosen/trainer")
    assert program_path("sh", python) == "sh"
    assert program_path("./trainer", python) == "./trainer"
    assert program_path("{python}", python) == "{python}"
    (tmp_path / "chosen/trainer").chmod(0o644)
    assert program_path("trainer", python) == "trainer"


def test_what_can_be_started_is_there(tmp_path: Path) -> None:
    python = environment(tmp_path / "chosen")
    assert exists("trainer", python, str(tmp_path))
    assert exists("chosen/trainer", "/usr/bin/python3", str(tmp_path))
    assert exists("sh", python, str(tmp_path))
    assert not exists("trainer", "/usr/bin/python3", str(tmp_path))


def test_a_dump_is_made_by_the_program_of_the_environment(tmp_path: Path) -> None:
    preset = parse_preset('command = "trainer"\nconfig = "overrides"\ndump = "trainer --print"', "mine.toml")
    assert dumped(preset, environment(tmp_path / "chosen"), str(tmp_path), "cpu") == "lr: 0.1\n"
