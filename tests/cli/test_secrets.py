"""What a loop stores and shows while it runs: no key, nothing that others can read, no open port, no control sequences."""

from __future__ import annotations

import stat
from pathlib import Path

import psutil
import pytest
from autoloop.runners import local

from tests.cli.project import LAUNCH, CommandProject
from tests.support.waiting import eventually

KEY = "5ec4e7" + "0123456789abcdef" * 2 + "ab"
"""As long as a real W&B key."""


def holding(folder: Path, secret: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


def family(project: CommandProject) -> list[psutil.Process]:
    """Return the engine of the newest loop, the supervisors, and all of their descendants."""
    found = []
    for path in (project.folder / ".autoloop/locks").iterdir():
        if text := path.read_text():
            found.append(psutil.Process(int(text.partition('"pid":')[2].partition(",")[0])))
    for attempt in project.attempts():
        if attempt.handle:
            found.append(psutil.Process(local.Handle.from_dict(attempt.handle).pid))
    return found + [child for process in found for child in process.children(recursive=True)]


def test_a_key_is_in_no_file_and_no_command_line_and_nothing_listens(project: CommandProject) -> None:
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
    for words in (("status", "--json"), ("runs", "--json"), ("logs",), ("report",), ("report", "--html", "page.html")):
        outputs.append(project.call(*words, env=key).stdout)
    assert not any(KEY in text for text in outputs)
    assert holding(project.folder, KEY.encode()) == []


@pytest.mark.parametrize("kept_in", ["environment", "netrc"])
def test_a_key_that_a_trainer_prints_itself_is_not_shown(project: CommandProject, tmp_path: Path, kept_in: str) -> None:
    """Its raw log contains the key, because the trainer wrote it; nothing that we show of the log does."""
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
    followed.hear("it tells:")  # the beginning of the key has been written, the rest has not
    project.open_gate()
    assert told.wait() == 1
    assert followed.wait() == 0
    outputs = [told.said, told.errors, followed.said]
    for asked in (("status",), ("status", "--json"), ("runs",), ("runs", "--json"), ("logs",), ("report",)):
        said = project.call(*asked, env=env)
        outputs += [said.stdout, said.stderr]
    assert not any(KEY[:9] in text for text in outputs)
    assert "the SHOWN is ***, and ***" in followed.said
    assert [path.name for path in holding(project.folder, KEY.encode())] == ["log.txt"]


ALL_KINDS = """
import os, sys
print("environment", {name: value for name, value in os.environ.items() if "9Z" in value})
print("arguments", sys.argv[5:], "the first is", sys.argv[5].partition("=")[2])
print("bare", os.environ["MY_TOKEN"], os.environ["DATABASE_PASSWORD"], "and ghp_9ZGitHub0123456789abcd")
raise RuntimeError("login refused: " + os.environ["MY_TOKEN"] + " https://me:url9Zsecret@host/x " + str(sys.argv[5:]))
"""

PRESET = """
name = "p"
title = "t"
argv = ["{python}", "{script}"]
override_style = "dashed-space"
output_dir = "may-exist"
[flags]
config = "{config}"
output_dir = "{output_dir}"
[env]
MY_TOKEN = "preset9Ztoken"
"""


def test_no_kind_of_secret_is_stored_or_shown_and_the_trainer_gets_them_all(project: CommandProject) -> None:
    project.config(password="config9Zpassword", hub={"token": "config9Ztoken"})
    (project.folder / "kinds.py").write_text(ALL_KINDS)
    (project.folder / "p.toml").write_text(PRESET)
    env = {"DATABASE_PASSWORD": "environment9Z", "WANDB_BASE_URL": "https://u:base9Zsecret@wandb.local"}
    launch = ("--cfgs", "base.json", "--preset", "./p.toml", "--train-script", "kinds.py", "--device", "cpu", "--steps", "2")
    extra = ("--extra", "--hf_token=argument9Zone", "--password", "argument9Ztwo", "--lr=1e-5")
    said = [project.call("run", *launch, *extra, env=env), project.call("run", *launch, "--json", *extra, env=env)]
    assert "hf_token=" in said[0].stdout
    assert "argument9Z" not in said[0].stdout + said[1].stdout
    said.append(project.call("run", *launch, "--exec", "--no-ui", *extra, env=env))
    for words in (("status",), ("status", "--json"), ("runs",), ("runs", "--json"), ("logs",), ("report",)):
        said.append(project.call(*words, env=env))
    assert project.call("report", "--html", "page.html", env=env).returncode == 0
    page = (project.folder / "page.html").read_text()
    assert "login refused" in page
    assert "9Z" not in page.replace("the first is argument9Zone", "")
    attempt = project.attempts()[0]
    log = Path(attempt.directory, "log.txt").read_text()
    for secret in ("argument9Zone", "argument9Ztwo", "preset9Ztoken", "environment9Z", "ghp_9Z"):
        assert secret in log, f"the trainer got {secret}"
    shown = "".join(each.stdout + each.stderr for each in said)
    assert "1e-5" in shown
    assert "login refused" in shown
    # A process without these arguments knows only the names of their variables, so a bare value in the raw log is not
    # masked.
    assert "9Z" not in shown.replace("the first is argument9Zone", "")
    assert (
        "AUTOLOOP_SECRET_HF_TOKEN is not set here, so if the run printed that secret from --extra, the log shows it" in shown
    )
    given = {"AUTOLOOP_SECRET_HF_TOKEN": "argument9Zone", "AUTOLOOP_SECRET_PASSWORD": "argument9Ztwo"}
    logs = project.call("logs", env=env | given)
    assert (logs.returncode, logs.stderr) == (0, "")
    assert "the first is ***" in logs.stdout
    assert "9Z" not in logs.stdout
    configs = set((project.folder / ".autoloop/configs").iterdir())
    sources = {project.folder / name for name in ("base.json", "kinds.py", "p.toml")}
    assert set(holding(project.folder, b"9Z")) - sources - configs == {Path(attempt.directory, "log.txt")}
    assert configs  # The trainer reads these files, so they contain its secrets; only the owner can read the folder.
    assert stat.S_IMODE((project.folder / ".autoloop/configs").stat().st_mode) & 0o077 == 0
    assert "base.json contains a secret (trainer.hub.token, trainer.password)" in said[0].stdout


def test_an_address_with_a_password_is_not_shown_by_what_looks_at_it(project: CommandProject) -> None:
    project.config()
    env = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "https://u:base9Zsecret@127.0.0.1:9"}
    online = ("--wandb-online", "--wandb-entity", "e", "--wandb-project", "p")
    launch = ("--cfgs", "base.json", *LAUNCH, "--device", "cpu", *online)
    said = [project.call("doctor", *launch, env=env), project.call("doctor", "--json", *launch, env=env)]
    said.append(project.call("run", *launch, "--exec", "--no-ui", env=env))
    said.append(project.call("analyze-wandb", "--entity", "e", "--project", "p", "--timeout", "5", env=env))
    assert [each.returncode for each in said] == [1, 1, 1, 2]
    assert not any("9Z" in each.stdout + each.stderr for each in said)


def test_a_variant_of_a_secret_is_shown_without_it(project: CommandProject) -> None:
    project.config()
    said = project.call("generate", "--base-cfg", "base.json", "--changes", "hub.token@new=variant9Z", "seed=2")
    assert said.returncode == 0, said.stderr
    assert "hub.token" in said.stdout
    assert "9Z" not in said.stdout + said.stderr


def test_a_preset_s_secret_that_is_gone_is_a_sentence_and_not_a_wrong_key(project: CommandProject) -> None:
    project.config(wait=True)
    preset = project.folder / "p.toml"
    preset.write_text(PRESET.replace("preset9Ztoken", "x9Z"))
    launch = ("--cfgs", "base.json", "--preset", "./p.toml", "--train-script", LAUNCH[3], "--device", "cpu", "--steps", "20")
    assert project.call("run", *launch, "--exec", "--detach").returncode == 0
    await_start(project)
    assert holding(project.folder / ".autoloop", b"x9Z") == []
    assert project.call("kill").returncode == 0
    project.call("wait")
    preset.unlink()
    project.call("resume", "--no-ui")
    assert "MY_TOKEN of the preset" in project.call("status").stdout


def test_a_secret_argument_is_asked_for_when_a_loop_goes_on_without_it(project: CommandProject) -> None:
    project.config(wait=True)
    said = project.call(
        "run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--detach", "--extra", "--hf_token=argument9Z"
    )
    assert said.returncode == 0, said.stderr
    await_start(project)
    assert project.call("kill").returncode == 0
    project.call("wait")
    again = project.call("resume")
    assert again.returncode == 2
    assert "set AUTOLOOP_SECRET_HF_TOKEN in the environment" in again.stderr
    project.open_gate()
    assert project.call("resume", "--no-ui", env={"AUTOLOOP_SECRET_HF_TOKEN": "argument9Z"}).returncode == 0
    assert "${AUTOLOOP_SECRET_HF_TOKEN}" in project.attempts()[-1].argv[-1]


def test_a_proposal_cannot_carry_a_secret_into_the_store(project: CommandProject) -> None:
    project.config()
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui").returncode == 0
    said = project.call("propose", "base", "--changes", "hub.token@set=proposed9Z")
    assert said.returncode == 2
    assert holding(project.folder / ".autoloop", b"proposed9Z") == []


def await_start(project: CommandProject) -> None:
    eventually(lambda: list(project.folder.glob(".autoloop/attempts/*/start.json")), "the first attempt")


def test_all_that_auto_loop_keeps_is_its_owner_s_alone(project: CommandProject) -> None:
    project.config()
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui").returncode == 0
    home = project.folder / ".autoloop"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for folder in (path for path in home.rglob("*") if path.is_dir()):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_what_a_trainer_prints_and_a_person_writes_cannot_draw_on_the_terminal(project: CommandProject) -> None:
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
