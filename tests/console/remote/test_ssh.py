"""The remote console through a real sshd on loopback, with its own keys, port and configuration."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.model import RunState, UserError

from autoloop_tui.console.remote.feed import RemoteFeed
from autoloop_tui.console.remote.link import Link, RemoteProject
from autoloop_tui.console.remote.mirror import Mirror
from tests.console.pictures import text
from tests.console.projects import RecordedProject
from tests.console.remote.hosts import PROGRAM, remote
from tests.console.waiting import until
from tests.support.waiting import eventually

pytestmark = pytest.mark.ssh

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Sshd:
    """An sshd of this user, started and ended by the test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        for name in ("host", "user", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nPasswordAuthentication no\nStrictModes no\nUsePAM no\n"
        )
        key = (folder / "host.pub").read_text()
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {key}")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def config(self, key: str = "user") -> str:
        """Return the ssh configuration for the machine `box`."""
        return (
            f"Host box\n  HostName 127.0.0.1\n  Port {self.port}\n  IdentityFile {self.folder / key}\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {self.folder / 'known'}\n  StrictHostKeyChecking yes\n"
        )

    def start(self) -> None:
        assert SSHD is not None
        Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
        with (self.folder / "sshd.log").open("ab") as log:
            command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.process = subprocess.Popen(command, stderr=log, start_new_session=True)
        eventually(self._answers, "sshd")

    def _answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it and its connections."""
        if self.process is not None:
            below = subprocess.run(
                ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
            ).stdout.split()
            self.process.kill()
            self.process.wait()
            for pid in below:
                subprocess.run(["kill", "-KILL", pid], check=False, capture_output=True)
            self.process = None


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd is installed here: apt-get install openssh-server")
    sshd = Sshd(tmp_path / "sshd")
    use(sshd, tmp_path, monkeypatch)
    yield sshd
    sshd.stop()


def use(sshd: Sshd, folder: Path, monkeypatch: pytest.MonkeyPatch, key: str = "user") -> None:
    """Make `ssh box` connect there: the real ssh, with a configuration of the test."""
    config, own = folder / f"config-{key}", folder / f"bin-{key}"
    config.write_text(sshd.config(key))
    own.mkdir()
    (own / "ssh").write_text(f'#!/bin/sh\nexec {shlex.quote(shutil.which("ssh") or "ssh")} -F {config} "$@"\n')
    (own / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{own}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    folder = tmp_path / "a project's folder"
    folder.mkdir()
    made = RecordedProject(folder)
    made.run("base", log="INFO fine\n")
    made.run("variant", RunState.RUNNING, log="INFO newest line\n")
    return made


async def test_a_loop_is_shown_commanded_and_shown_again_after_a_cut(project: RecordedProject, sshd: Sshd) -> None:
    log = project.store.places.attempt("run00002-1") / "log.txt"
    with project.engine():
        async with remote(project) as pilot:
            app = pilot.app
            assert isinstance(app.feed, RemoteFeed)
            await until(pilot, lambda: "INFO newest line" in text(app), "the log")
            await until(pilot, lambda: app.feed.known(project.store.run("run00002")), "the history")
            await pilot.press("P")
            await until(pilot, project.commands, "the command")
            assert "sshd" in project.store.open_commands(project.loop.id)[0].sender.programs

            sshd.stop()
            await until(pilot, lambda: "not connected to box since" in text(app), "that it is cut")
            with log.open("a") as file:
                file.write("INFO while you were away\n")
            sshd.start()
            await until(pilot, lambda: "INFO while you were away" in text(app), "what was written meanwhile")
            await until(pilot, lambda: "not connected" not in text(app).splitlines()[0], "the first line")


def test_a_refused_key_is_a_sentence(
    project: RecordedProject, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sshd, tmp_path, monkeypatch, "other")
    mirror = Mirror()
    link = Link(RemoteProject("box", str(project.folder), PROGRAM), None, mirror)
    with pytest.raises(UserError, match="Permission denied"):
        link.wait()
    link.close()
    mirror.close()
