"""W&B online, with the real client and a stand-in for the service: what users see, and what the server receives."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from autoloop.engine.scheduling import wandb_status
from autoloop.model import LoopState, WandbSpec

from tests.cli.project import CommandProject, Running, command, environment, tree
from tests.engine.project import EngineProject
from tests.support import wandb_service
from tests.support.waiting import PATIENCE, eventually
from tests.support.wandb_service import ENTITY, KEY, Service

TRAINER = Path(__file__).with_name("trainer.py")
RUN = ("run", "--preset", "plain", "--train-script", str(TRAINER), "--device", "cpu", "--steps", "30", "--wandb-online")
ROUND = (*RUN, "--wandb-entity", ENTITY, "--wandb-project", "proj", "--exec", "--no-ui")


@pytest.fixture
def service() -> Iterator[Service]:
    with wandb_service.running() as service:
        yield service


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CommandProject]:
    folder = tmp_path / "project"
    folder.mkdir()
    project = CommandProject(folder)
    yield project
    project.close()


@pytest.fixture
def env(service: Service, tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {"WANDB_BASE_URL": service.address, "WANDB_API_KEY": KEY, "HOME": str(home)}


def report(project: CommandProject) -> str:
    return (project.folder / "reports/act_ot.md").read_text(encoding="utf-8")


def written(folder: Path) -> bytes:
    """Return the names and contents of everything in a folder."""
    return b"\n".join(name.encode() + content for name, (_, content) in tree(folder).items())


def test_every_round_is_online_under_groups_of_ours_and_the_key_is_written_nowhere(
    project: CommandProject, service: Service, env: dict[str, str]
) -> None:
    project.config(rows=6)
    done = project.call(*ROUND, "--cfgs", "base.json", "--rounds", "2", "--decide", "--variants-per-run", "1", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    loop = project.loop()
    with project.open_store() as store:
        runs = store.runs(loop.id)
    assert [run.round for run in runs] == [1, 2]
    for run in runs:
        got = service.runs[run.wandb_id or ""]
        assert (got["project"], got["entity"]) == ("proj", ENTITY)
        assert got["group"] == f"{loop.name}-r{run.round}"
        assert set(got["tags"]) == {"autoloop", f"{loop.name}-r{run.round}"}
        assert len(got["history"]) == 6
        assert got["exit"] == 0
        assert run.wandb_sync is None
    assert "wandb sync" not in report(project)
    assert KEY.encode() not in written(project.folder) + done.stdout.encode() + done.stderr.encode()


def test_the_key_may_come_from_the_netrc(project: CommandProject, service: Service, env: dict[str, str]) -> None:
    project.config(rows=2)
    del env["WANDB_API_KEY"]
    netrc = Path(env["HOME"]) / ".netrc"
    netrc.write_text(f"machine 127.0.0.1:{service.port}\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    done = project.call(*ROUND, "--cfgs", "base.json", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [len(run["history"]) for run in service.runs.values()] == [2]


def test_a_trainer_that_prints_the_key_does_not_get_it_into_reports_or_the_store(
    project: CommandProject, env: dict[str, str]
) -> None:
    project.config(says="refused: KEY")
    done = project.call(*ROUND, "--cfgs", "base.json", env=env)
    assert done.returncode == 1
    assert r"refused: \*\*\*" in report(project)  # inert Markdown
    for log in (project.folder / ".autoloop/attempts").rglob("log.txt"):
        assert KEY in log.read_text()
        log.unlink()
    assert KEY.encode() not in written(project.folder) + done.stdout.encode() + done.stderr.encode()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("12345", ["not valid", "5 characters", "at least 40"]),
        ("f" * 40, ["rejects", "WANDB_API_KEY", "HTTP 401", "wandb login"]),
    ],
)
def test_a_wrong_key_is_said_before_anything_starts(
    project: CommandProject, env: dict[str, str], key: str, said: list[str]
) -> None:
    project.config()
    before = tree(project.folder)
    done = project.call(*ROUND, "--cfgs", "base.json", env={**env, "WANDB_API_KEY": key})
    assert done.returncode == 1
    assert all(word in done.stderr for word in (*said, "Nothing was started")), done.stderr
    assert key not in done.stderr
    assert tree(project.folder) == before


def test_an_entity_of_somebody_else_is_said_before_anything_starts(project: CommandProject, env: dict[str, str]) -> None:
    project.config()
    words = (*RUN, "--wandb-entity", "others", "--wandb-project", "proj", "--exec", "--no-ui", "--cfgs", "base.json")
    done = project.call(*words, env=env)
    assert done.returncode == 1
    assert f"does not belong to others, only to {ENTITY}" in done.stderr


def test_without_a_server_nothing_starts_and_it_says_how_to_go_offline(
    project: CommandProject, service: Service, env: dict[str, str]
) -> None:
    project.config()
    service.stop()
    before = tree(project.folder)
    done = project.call(*ROUND, "--cfgs", "base.json", env=env)
    assert done.returncode == 1
    assert f"{service.address} cannot be reached: connection refused" in done.stderr
    assert "omit --wandb-online" in done.stderr
    assert tree(project.folder) == before


def test_at_a_terminal_it_offers_offline_and_reports_how_to_upload(
    project: CommandProject, service: Service, env: dict[str, str]
) -> None:
    project.config(rows=3)
    service.stop()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*ROUND, "--cfgs", "base.json"),
        cwd=project.folder,
        env=environment(env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = ""
    while "[y/N]" not in said:
        said += os.read(ours, 4096).decode()
    os.write(ours, b"y\n")
    while True:
        try:
            said += os.read(ours, 4096).decode()
        except OSError:  # the other side is closed
            break
    assert process.wait(PATIENCE) == 0, said
    os.close(ours)
    with project.open_store() as store:
        (run,) = store.runs(project.loop().id)
    assert run.wandb_sync is not None
    assert Path(run.wandb_sync).name.startswith("offline-run-")
    assert f"wandb sync --entity {ENTITY} --project proj {run.wandb_sync}" in report(project)


def test_a_server_that_goes_away_stops_no_run_and_the_report_has_the_lines_that_upload_them(
    project: CommandProject, service: Service, env: dict[str, str]
) -> None:
    project.config("first", wait=True, rows=8, finish_timeout="1")
    project.config("second", seed=2, rows=4)
    running: Running = project.start(*ROUND, "--cfgs", "first.json", "second.json", env=env)
    eventually(lambda: any("project" in run for run in service.runs.values()), "the first run online")
    service.stop()
    running.hear(f"W&B ({service.address}) cannot be reached")
    running.hear("running runs continue")
    project.open_gate()
    assert running.wait() == 0, running.said
    with project.open_store() as store:
        first, second = store.runs(project.loop().id)
    assert Path(first.wandb_sync or "").name.startswith("run-")
    assert Path(second.wandb_sync or "").name.startswith("offline-run-")
    service.start()
    wandb = Path(sys.executable).with_name("wandb")
    lines = [line for line in report(project).splitlines() if line.startswith("wandb sync ")]
    for line in lines:
        words = [str(wandb), *shlex.split(line)[1:]]
        subprocess.run(words, cwd=project.folder, env=environment(env), check=True, capture_output=True, timeout=PATIENCE)
    for run, rows in ((first, 8), (second, 4)):
        assert len(service.runs[run.wandb_id or ""]["history"]) == rows
        assert (service.runs[run.wandb_id or ""]["project"], service.runs[run.wandb_id or ""]["entity"]) == ("proj", ENTITY)


def test_a_formal_loop_waits_for_its_server(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_status, "EVERY", 0.1)
    monkeypatch.setenv("WANDB_BASE_URL", service.address)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    project = EngineProject(tmp_path)
    try:
        loop = project.loop([project.config("a")], wandb=WandbSpec(online=True, entity=ENTITY, project="proj"))
        with project.store.transaction():  # this test needs no GPU
            project.store.put_loop(msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, formal=True)))
        service.stop()
        with project.driven(loop) as driven:
            driven.until(lambda: any("new ones wait" in text for text in project.story(loop)), "the wait")
            assert not project.store.attempts(project.named(loop, "a").id)
            service.start()
            assert driven.end().state is LoopState.FINISHED
        assert any("is back" in text for text in project.story(loop))
    finally:
        project.close()
