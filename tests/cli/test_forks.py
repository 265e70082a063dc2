"""The fork server, which saves tests the start of Python, gives each command the same environment as a real start."""

from __future__ import annotations

from pathlib import Path

from tests.cli.forks import Forks
from tests.cli.project import environment, nothing


def test_a_command_has_a_folder_an_environment_and_an_end_of_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    server = Forks(environment())
    try:
        said = [server.call(["status"], folder, environment(), nothing()) for folder in folders]
        helped = server.call(["--help"], tmp_path, environment({"COLUMNS": "200"}), nothing())
    finally:
        server.close()  # returns once the server has ended, because it has no more clients
    assert [each.returncode for each in said] == [2, 2]
    assert all(f"There is no loop in {folder} yet" in each.stderr for folder, each in zip(folders, said, strict=True))
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "autoloop-tui" in helped.stdout
