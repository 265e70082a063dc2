"""What a loop leaves behind and shows while it runs: no key, nothing for others to read, no open port, no drawing."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import psutil
import pytest
from autoloop.runners import local

from tests.cli.project import LAUNCH, PATIENCE, Project

KEY = "5ec4e7" + "0123456789abcdef" * 2 + "ab"
"""As long as a real W&B key."""


def holding(folder: Path, secret: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


def family(project: Project) -> list[psutil.Process]:
    """The engine of the newest loop, the supervisors, and all that they started."""
    found = []
    for path in (project.folder / ".autoloop/locks").iterdir():
        if text := path.read_text():
            found.append(psutil.Process(int(text.partition('"pid":')[2].partition(",")[0])))
    for attempt in project.attempts():
        if attempt.handle:
            found.append(psutil.Process(local.Handle.from_dict(attempt.handle).pid))
    return found + [child for process in found for child in process.children(recursive=True)]


def test_a_key_is_in_no_file_and_no_command_line_and_nothing_listens(project: Project) -> None:
    project.config(wait=True)
    key = {"WANDB_API_KEY": KEY}
    said = project.call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--detach", env=key)
    assert said.returncode == 0, said.stderr
    outputs = [said.stdout, said.stderr]
    running = project.start("wait")
    await_start(project)
    processes = family(project)
    assert len(processes) >= 3
    for process in psutil.process_iter():
        try:
            assert not any(KEY in word for word in process.cmdline()), process
        except psutil.Error:
            continue
    for process in processes:
        assert [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN] == [], process
    project.open_gate()
    assert running.wait() == 0
    outputs += [running.said, running.errors]
    for words in (("status", "--json"), ("runs", "--json"), ("logs",), ("report",)):
        outputs.append(project.call(*words, env=key).stdout)
    assert not any(KEY in text for text in outputs)
    assert holding(project.folder, KEY.encode()) == []


@pytest.mark.parametrize("kept_in", ["environment", "netrc"])
def test_a_key_that_a_trainer_prints_itself_is_not_shown(project: Project, tmp_path: Path, kept_in: str) -> None:
    """Its log holds the key, for that is what it wrote; nothing that we show of the log does."""
    home = tmp_path / "home"
    home.mkdir()
    env = {"SHOWN": KEY, "HOME": str(home)}
    if kept_in == "netrc":
        (home / ".netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
        (home / ".netrc").chmod(0o600)
    else:
        env["WANDB_API_KEY"] = KEY
    project.config(wait=True, tells="SHOWN", exit=3)
    words = ("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--detach")
    assert project.call(*words, env=env).returncode == 0
    told = project.start("wait", env=env)
    await_start(project)
    followed = project.start("logs", "--follow", env=env)
    followed.hear("the SHOWN is ")  # the beginning of the key is there, its rest is not
    project.open_gate()
    assert told.wait() == 1
    assert followed.wait() == 0
    outputs = [told.said, told.errors, followed.said]
    for words in (("status",), ("status", "--json"), ("runs",), ("runs", "--json"), ("logs",), ("report",)):
        said = project.call(*words, env=env)
        outputs += [said.stdout, said.stderr]
    assert not any(KEY[:9] in text for text in outputs)
    assert "the SHOWN is ***, and ***" in followed.said
    assert [path.name for path in holding(project.folder, KEY.encode())] == ["log.txt"]


def await_start(project: Project) -> None:
    deadline = time.monotonic() + PATIENCE
    while not list(project.folder.glob(".autoloop/attempts/*/start.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_all_that_auto_loop_keeps_is_its_owner_s_alone(project: Project) -> None:
    project.config()
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui").returncode == 0
    home = project.folder / ".autoloop"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for folder in (path for path in home.rglob("*") if path.is_dir()):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_what_a_trainer_prints_and_a_person_writes_cannot_draw_on_the_terminal(project: Project) -> None:
    project.config("a\x1b[31m\x1b]0;title\x07b")
    name = "\x1b[2Jloop"
    said = project.call(
        "run", "--cfgs", "a\x1b[31m\x1b]0;title\x07b.json", *LAUNCH, "--device", "cpu", "--name", name, "--exec", "--no-ui"
    )
    assert said.returncode == 0, said.stderr
    for words in ((), ("status",), ("status", "--all"), ("runs",), ("report",), ("proposals",), ("stop", "\x1b[31mx")):
        again = project.call(*words) if words else said
        assert "\x1b" not in again.stdout + again.stderr, words
    report = (project.folder / "reports/act_ot.md").read_text()
    assert "\x1b" not in report
