"""Project files named like a module that we import are for the trainer; our own imports ignore them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from autoloop import isolated

from tests.cli.project import LAUNCH, CommandProject, environment

NAMES = ("autoloop", "queue", "msgspec", "select", "tomllib", "sqlite3", "csv", "email", "zipfile")
SPY = """
import sys
with open({log!r}, "a") as log:
    log.write(__name__ + " by " + open("/proc/self/cmdline").read().replace(chr(0), " ") + chr(10))
raise ImportError("the project's own " + __name__)
"""


def run(project: CommandProject, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["run", "--cfgs", "base.json", "--device", "cpu", *LAUNCH, "--exec", "--detach"]
    argv = [sys.executable, "-P", "-m", "autoloop_tui", *words]
    return subprocess.run(argv, cwd=project.folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", ["beside the trainer", "on PYTHONPATH"])
def test_no_process_of_ours_imports_a_file_of_the_project(project: CommandProject, tmp_path: Path, where: str) -> None:
    log = tmp_path / "imported"
    for name in NAMES:
        (project.folder / f"{name}.py").write_text(SPY.format(log=str(log)))
    (project.folder / "autoloop").mkdir()
    (project.folder / "autoloop" / "__init__.py").write_text(SPY.format(log=str(log)))
    project.config("base")
    env = environment({"PYTHONPATH": str(project.folder) if where == "on PYTHONPATH" else ""})
    done = run(project, env)
    assert done.returncode == 0, done.stderr
    waited = subprocess.run(
        [sys.executable, "-P", "-m", "autoloop_tui", "wait"], cwd=project.folder, env=env, capture_output=True, check=False
    )
    assert waited.returncode == 0
    assert not log.exists(), log.read_text()


def test_what_python_runs_at_its_start_from_pythonpath_is_not_run_in_the_engine(
    project: CommandProject, tmp_path: Path
) -> None:
    log = tmp_path / "imported"
    (project.folder / "sitecustomize.py").write_text(SPY.format(log=str(log)).replace("raise ImportError", "str"))
    project.config("base", wait=True)
    assert run(project, environment({"PYTHONPATH": str(project.folder)})).returncode == 0
    project.open_gate()
    said = log.read_text()
    assert "autoloop.engine" not in said
    assert "supervisor" not in said


def test_nothing_is_left_of_a_loop_whose_engine_cannot_start(
    project: CommandProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autoloop.store import Store

    from autoloop_tui.cli import main

    project.config("base")
    monkeypatch.chdir(project.folder)
    fails = [sys.executable, "-c", "import sys; sys.exit('no such module')"]
    monkeypatch.setattr(isolated, "command", lambda *_: fails)
    with pytest.raises(SystemExit) as ended:
        main.main(["run", "--cfgs", "base.json", "--device", "cpu", *LAUNCH, "--exec", "--detach"])
    assert ended.value.code == 2
    with Store.open(project.folder) as store:
        assert store.loops() == []
    assert not list((project.folder / "outputs/train").iterdir())
    assert not list((project.folder / ".autoloop/configs").iterdir())
