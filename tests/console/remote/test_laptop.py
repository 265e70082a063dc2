"""A loop on another machine, shown by this console: all data comes over the connection and stays when it is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop import whoami
from autoloop.model import AgentsHeld, Attempt, LoopState, RunState, Sender, UserError
from autoloop.protocol import Pause, Resume
from autoloop.store import SCHEMA_VERSION, Command, Places

from autoloop_tui.cli.commands.console import console
from autoloop_tui.console.remote import link as link_module
from autoloop_tui.console.remote.feed import RemoteFeed, sender_here
from autoloop_tui.console.remote.link import Link, RemoteProject, command
from autoloop_tui.console.remote.messages import Message, Ready, State, Woken
from autoloop_tui.console.remote.mirror import Mirror
from autoloop_tui.console.remote.serving import sender_of
from tests.console.pictures import text
from tests.console.projects import NOW, RecordedProject, curve, history, output_of
from tests.console.remote.hosts import PROGRAM, Box, remote
from tests.console.running import ConsolePilot
from tests.console.waiting import until
from tests.support.waiting import PATIENCE, eventually

SECRET = "hf_Zz9Yy8Xx7Ww6Vv5Uu4Tt3"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{box.folder}{os.pathsep}{os.environ['PATH']}")
    return box


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    """A finished run, and one in training with a long log that contains a secret."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = RecordedProject(folder, name="far away")
    base = made.run("base", log="INFO fine\n")
    log = "INFO an early line\n" + "INFO filling\n" * 100_000 + f"token {SECRET}\nINFO newest line\nINFO not ended"
    made.run("variant", RunState.RUNNING, base=base, log=log)
    return made


def log_of(project: RecordedProject, run: str = "run00002") -> Path:
    return project.store.places.attempt(f"{run}-1") / "log.txt"


async def test_a_loop_is_shown_and_commanded_by_a_connection_that_may_be_cut(project: RecordedProject, box: Box) -> None:
    with project.engine():
        async with remote(project) as pilot:
            app = pilot.app
            feed = app.feed
            assert isinstance(feed, RemoteFeed)
            run = project.store.run("run00002")
            await until(pilot, lambda: "INFO newest line" in text(app), "the log")
            assert "box" in text(app).splitlines()[0]
            assert "BatchMode=yes" not in box.words  # the first connection may prompt at the terminal
            mirror = feed.project
            assert mirror != project.folder
            await until(pilot, lambda: len(feed.known(run).get("eval/offline_eval/avg_l1", ())) == 10, "the history")

            kept = (Places(mirror).attempt("run00002-1") / "log.txt").read_text()
            assert kept.startswith("[the first ")
            assert "an early line" not in kept
            assert "token ***" in kept
            assert "not ended" not in kept  # the incomplete line may start a secret
            for path in mirror.rglob("*"):
                assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path

            await pilot.press("P")
            sent = (await _command(pilot, project)).sender
            here = whoami.this_process()
            assert (sent.user, sent.agent) == (here.user, here.agent)
            project.store.answer(1, True, "the loop is paused now")
            await until(pilot, lambda: "the loop is paused now" in text(app), "the answer")
            project.change_loop(agents_held=AgentsHeld(by="ada", at=NOW))
            await until(pilot, lambda: "agents held" in text(app).splitlines()[0], "that agents are held")
            assert "box" in text(app).splitlines()[0]

            box.cut()
            await until(pilot, lambda: "not connected to box since" in text(app), "that it is cut")
            await until(pilot, lambda: "box: not connected" in text(app).splitlines()[0], "the first line")
            await until(pilot, lambda: "Connection refused" in text(app), "why it is not back yet")
            assert "BatchMode=yes" in box.words  # prompts would disturb the screen
            await pilot.press("P")
            assert feed.unsent() == []
            assert app.refusal("app.pause").startswith("not connected to box since")
            with log_of(project).open("a") as log:
                log.write(" until now\nINFO while you were away\n")
            history(output_of(run), {"train/l1_loss": curve(60), "eval/offline_eval/avg_l1": curve(12, 1.2, 0.2, 20)})
            project.run("afterwards", RunState.QUEUED)

            box.mend()
            await until(pilot, lambda: "INFO while you were away" in text(app), "what was written meanwhile")
            await until(pilot, lambda: "afterwards" in text(app), "what was made meanwhile")
            await until(pilot, lambda: len(feed.known(run)["eval/offline_eval/avg_l1"]) == 12, "the rest of the history")
            await until(pilot, lambda: "not connected" not in text(app).splitlines()[0], "the first line")
            assert (Places(mirror).attempt("run00002-1") / "log.txt").read_text().startswith(kept)
            assert project.commands() == []  # a request that could not be sent is not sent later
        assert not mirror.exists()


async def _command(pilot: ConsolePilot, project: RecordedProject) -> Command:
    """Return the command that arrived."""
    await until(pilot, project.commands, "the command")
    assert project.commands() == [Pause()]
    return project.store.open_commands(project.loop.id)[0]


def connected(project: RecordedProject, loop: str | None = None) -> tuple[Link, Mirror]:
    mirror = Mirror()
    link = Link(RemoteProject("box", str(project.folder), PROGRAM), loop, mirror)
    return link, mirror


def test_times_are_shown_by_the_clock_of_the_console(project: RecordedProject, box: Box) -> None:
    link, mirror = connected(project)
    link.wait()
    feed = RemoteFeed(link, mirror, None)
    try:
        feed.poll()
        assert feed.view is not None
        assert feed.view.loop.created_at == NOW - 900
        eventually(lambda: [feed.poll()] and feed._state, "where it stands")  # noqa: SLF001
        state = feed._state  # noqa: SLF001
        assert isinstance(state, State)
        link.close()
        link.join(PATIENCE)  # what follows are the last messages
        for message in (Ready(), msgspec.structs.replace(state, at=time.time() - 600)):  # their clock is ten minutes behind
            link.inbox.put(message)
        feed.poll()
        assert feed.view.loop.created_at == pytest.approx(NOW - 300, abs=60)
        attempt: Attempt = feed.attempts(project.store.run("run00001"))[0]
        assert attempt.started_at == pytest.approx(NOW, abs=60)
        assert feed.view.said(f"{mirror.project}/a") == f"{project.folder}/a"
    finally:
        feed.close()


def test_a_connection_that_ends_by_any_error_is_cut_and_comes_back(
    project: RecordedProject, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, mirror = connected(project)
    link.wait()
    feed = RemoteFeed(link, mirror, None)
    try:

        def broken(message: Message) -> bool:
            raise ValueError("embedded null byte")

        (box.folder / "refuses").touch()
        with monkeypatch.context() as patched:
            patched.setattr(mirror, "take", broken)
            eventually(lambda: "null byte" in feed.away or "Connection refused" in feed.away, "that it is cut")
        box.mend()
        eventually(lambda: not feed.away, "that it stands again")
        project.run("afterwards", RunState.QUEUED)
        eventually(lambda: feed.poll() and feed.view and feed.view.run("run00003"), "what was made meanwhile")
    finally:
        feed.close()


def test_a_database_that_was_brought_back_from_a_copy_is_shown_as_it_is(project: RecordedProject, box: Box) -> None:
    link, mirror = connected(project)
    link.wait()
    feed = RemoteFeed(link, mirror, None)
    try:
        with (
            closing(sqlite3.connect(project.store.places.database)) as database,
            closing(sqlite3.connect(":memory:")) as copy,
        ):
            database.backup(copy)
            project.run("afterwards", RunState.QUEUED)
            project.store.put_run(msgspec.structs.replace(project.store.run("run00002"), state=RunState.STOPPED))
            eventually(lambda: feed.poll() and feed.view and feed.view.run("run00003"), "the run that the copy has not")
            box.cut()
            eventually(lambda: feed.away, "that it is cut")
            copy.backup(database)
        box.mend()

        def shown() -> list[RunState]:
            feed.poll()
            return [run.state for run in feed.view.snapshot.runs] if feed.view else []

        eventually(lambda: shown() == [RunState.FINISHED, RunState.RUNNING], "what the copy has")
    finally:
        feed.close()


def test_a_request_is_given_up_with_its_connection_and_the_next_ones_is_not(
    project: RecordedProject, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, mirror = connected(project)
    link.wait()
    feed = RemoteFeed(link, mirror, None)
    try:
        feed.poll()
        with monkeypatch.context() as patched:
            patched.setattr(link, "send", lambda message: None)  # lost on the way
            feed.send(Pause())
        box.cut()
        eventually(lambda: feed.away, "that it is cut")
        box.mend()
        eventually(lambda: not feed.away, "that it stands again")  # no one has polled meanwhile: a pager was open
        feed.send(Resume())
        eventually(project.commands, "the second request")
        assert project.commands() == [Resume()]
        assert feed.unsent() == ["whether pause reached box is unknown: the connection was lost"]
        eventually(lambda: (feed.poll(), not feed._asked)[1], "that the second has arrived")  # noqa: SLF001
        assert feed.unsent() == []
    finally:
        feed.close()


@pytest.mark.parametrize(
    ("loop", "folder", "program", "why"),
    [
        (None, "empty", PROGRAM, "There is no loop in"),
        ("nightly", "project", PROGRAM, 'There is no loop "nightly" here'),
        (None, "project", "/nowhere/autoloop-tui", "give its path with --program"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(
    project: RecordedProject, box: Box, tmp_path: Path, loop: str | None, folder: str, program: str, why: str
) -> None:
    mirror = Mirror()
    link = Link(RemoteProject("box", str(tmp_path / folder), program), loop, mirror)
    try:
        with pytest.raises(UserError, match=why):
            link.wait()
    finally:
        link.close()
        mirror.close()


def test_a_host_that_refuses_is_a_sentence(project: RecordedProject, box: Box) -> None:
    (box.folder / "refuses").touch()
    link, mirror = connected(project)
    with pytest.raises(UserError, match="box: Connection refused"):
        link.wait()
    link.close()
    mirror.close()


@pytest.mark.parametrize(("name", "ours"), [("version", lambda _: "0.0.1"), ("SCHEMA_VERSION", 1)])
def test_versions_that_differ_are_a_sentence_that_names_both(
    project: RecordedProject, box: Box, monkeypatch: pytest.MonkeyPatch, name: str, ours: Any
) -> None:
    there = f"{version('autoloop-tui')} (records {SCHEMA_VERSION}) there"
    monkeypatch.setattr(link_module, name, ours)
    here = f"0.0.1 ({SCHEMA_VERSION}) here" if name == "version" else f"{version('autoloop-tui')} (1) here"
    link, mirror = connected(project)
    try:
        with pytest.raises(UserError) as refused:
            link.wait()
        assert str(refused.value) == f"Auto Loop is version {there} and {here}; install the same version on both."
        eventually(lambda: not link.is_alive(), "the end of the connection, which is not tried again")
    finally:
        link.close()
        mirror.close()


def test_an_engine_is_started_there_or_it_is_said_why_not(project: RecordedProject, box: Box) -> None:
    project.change_loop(spec=msgspec.structs.replace(project.spec, extra=["--hf_token=${AUTOLOOP_SECRET_HF_TOKEN}"]))
    link, mirror = connected(project)
    link.wait()
    feed = RemoteFeed(link, mirror, None)
    try:
        with ThreadPoolExecutor() as threads:
            asked = threads.submit(feed.wake)
            eventually(lambda: (feed.poll(), asked.done())[1], "an answer")
            with pytest.raises(UserError, match="AUTOLOOP_SECRET_HF_TOKEN"):
                asked.result()
    finally:
        feed.close()


@pytest.mark.parametrize("end", ["closed", "cut"])
def test_whoever_waits_for_an_engine_is_told_when_no_answer_can_come(
    project: RecordedProject, box: Box, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    link, mirror = connected(project)
    link.wait()
    feed = RemoteFeed(link, mirror, None)
    sent: list[Message] = []
    monkeypatch.setattr(link, "send", sent.append)  # it never arrives
    feed._take(Woken(ok=True, text="of an earlier wake"))  # noqa: SLF001
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(feed.wake)
        eventually(lambda: sent, "the question")
        feed.close() if end == "closed" else box.cut()
        with pytest.raises(UserError, match="the console is closed" if end == "closed" else "not connected to box"):
            asked.result()
    if end == "cut":
        feed.close()


def test_the_mirror_of_a_console_that_was_killed_is_deleted_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen(["true"]) as ended:
        pass
    killed, other = (tmp_path / f"autoloop-console-{pid}-abc" for pid in (ended.pid, os.getpid()))
    for folder in (killed, other, tmp_path / "autoloop-console-x-y"):
        (folder / ".autoloop").mkdir(parents=True)
    mirror = Mirror()
    assert not killed.exists()
    assert other.exists()
    mirror.close()
    assert {each.name for each in tmp_path.iterdir()} == {other.name, "autoloop-console-x-y"}


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /tmp/x", "", "a b", "a\n"])
def test_a_host_is_never_an_option_of_ssh(host: str) -> None:
    with pytest.raises(UserError, match="is not a valid SSH host"):
        command(RemoteProject(host), batch=True)


def test_the_flags_of_another_machine_belong_together() -> None:
    with pytest.raises(UserError, match="--project only works with --host"):
        console(project="act")
    with pytest.raises(UserError, match="--host needs a terminal"):
        console(host="box")


def test_an_ended_loop_is_shown_as_ended(project: RecordedProject, box: Box) -> None:
    project.change_loop(state=LoopState.FINISHED, ended_at=NOW)
    link, mirror = connected(project, "loop_1700000000")
    link.wait()
    feed = RemoteFeed(link, mirror, "loop_1700000000")
    try:
        eventually(lambda: feed.poll() or (feed.view and feed.view.engine is None), "that no engine is there")
    finally:
        assert feed.close() == []


def test_a_request_is_of_the_account_there_and_the_terminal_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whoami, "this_process", lambda: Sender(user="lovelace", terminal="/dev/ttys003", programs=["zsh"]))
    told = sender_here()
    assert told.terminal == f"{os.uname().nodename}:/dev/ttys003"
    monkeypatch.setattr(whoami, "this_process", lambda: Sender(user="ada", programs=["sshd"]))
    sent = sender_of(told)
    assert (sent.user, sent.terminal, sent.programs) == ("ada", told.terminal, ["zsh", "sshd"])
    assert sent.is_person
    monkeypatch.setattr(whoami, "this_process", lambda: Sender(user="ada", agent="codex"))
    assert not sender_of(told).is_person  # started there by an agent
