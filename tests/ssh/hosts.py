"""Test hosts on this machine that share nothing with it except a folder of the test, each reached through its own sshd.

A host has its own disk, /tmp, processes, name and boot id, two cards for `nvidia-smi`, and its own keys. It sees neither
the project nor this repository. Everything ends with the process that created it, however that ends. All traffic is on
loopback, and no ~/.ssh of a user is read.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.ssh.link import Link
from tests.support.waiting import eventually

HERE, REPOSITORY = Path(__file__).parent, Path(__file__).resolve().parents[2]
ETC, SHARED, PYTHON = "/run/host", "/run/lab", "/run/python/bin/python3"
SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def missing() -> str:
    """Return what prevents hosts here; empty if nothing does."""
    lacking = [name for name in ("sshd", "ssh", "ssh-keygen", "unshare", "mount") if shutil.which(name, path=SBIN) is None]
    if lacking:
        return f"{', '.join(lacking)}: not installed (openssh-server, openssh-client, util-linux)"
    words = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "try", "/mnt"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if os.getuid() != 0 or done.returncode != 0:
        return "hosts of a laboratory need root, and the right to make namespaces and mounts"
    return ""


class Host:
    """One host. `disk`: size in MiB of the disk with its home folder."""

    def __init__(self, folder: Path, name: str, disk: int, authorized: str) -> None:
        self.name = name
        self.folder = folder
        self.etc = folder / "etc"
        (self.etc / "bin").mkdir(parents=True)
        (folder.parent / "shared").mkdir(exist_ok=True)
        self._authorized = authorized
        self._port = _free_port()
        self.link = Link(self._port)
        self._home = pwd.getpwuid(os.getuid()).pw_dir
        self._furnish()
        self._start(disk)
        self.up()

    def _furnish(self) -> None:
        _make_key(self.etc / "host_key")
        self.accept_keys()
        for name in ("machine.py", "nvidia_smi.py", "far_python.py"):
            shutil.copy(HERE / name, self.etc / name)
        for name, words in {"nvidia-smi": f"{ETC}/nvidia_smi.py", "python3": f"{ETC}/far_python.py"}.items():
            path = self.etc / "bin" / name
            path.write_text(f'#!/bin/sh\nexec {PYTHON} -I -S {words} "$@"\n')
            path.chmod(0o755)
        self.set_clock(0.0)
        (self.etc / "sshd_config").write_text(
            f"""ListenAddress 127.0.0.1
Port {self._port}
HostKey {ETC}/host_key
AuthorizedKeysFile {ETC}/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile none
MaxStartups 100
PrintMotd no
PrintLastLog no
SetEnv PATH={ETC}/bin:/usr/local/bin:/usr/bin:/bin
Subsystem sftp internal-sftp
"""
        )

    def _start(self, disk: int) -> None:
        hidden = [path for path in ("/tmp", str(REPOSITORY), str(self.folder.parent)) if not path.startswith("/run/")]
        words = [
            "unshare",
            "--mount",
            "--uts",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ]
        words += [sys.executable, "-I", "-S", str(HERE / "machine.py"), str(self.folder), self._home, str(disk), *hidden]
        log = (self.folder / "log").open("ab")
        env = {"PATH": SBIN, "SSHD": str(shutil.which("sshd", path=SBIN)), "LC_ALL": "C.UTF-8", "NAME": self.name}
        self._machine = subprocess.Popen(
            words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )
        log.close()

    # ------------------------------------------------------------------------------------------------------------- power

    def up(self) -> None:
        self._order("up")
        eventually(self._listens, f"the sshd of {self.name}")

    def down(self) -> None:
        """Cut the power: every process of the host is killed at once. Its disk stays."""
        self._order("down")

    def reboot(self) -> None:
        self.down()
        self.up()

    def _order(self, word: str) -> None:
        assert self._machine.stdin is not None
        assert self._machine.stdout is not None
        self._machine.stdin.write(f"{word}\n")
        answer = self._machine.stdout.readline().strip()
        assert answer == word, (self.folder / "log").read_text()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5) as line:
            return line.recv(4) == b"SSH-"
        return False

    def close(self) -> None:
        self.link.close()
        assert self._machine.stdin is not None
        self._machine.stdin.close()
        self._machine.wait(60)
        assert self._machine.stdout is not None
        self._machine.stdout.close()

    # -------------------------------------------------------------------------------------------------------------- disk

    @property
    def home(self) -> Path:
        """The host's home folder as a path on this machine, while the host is up."""
        pid = self._machine.pid
        (first,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return Path(f"/proc/{first}/root{self._home}")

    def fill_disk(self) -> None:
        with (self.home / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with (self.home / "filler").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x")

    def free_disk(self) -> None:
        (self.home / "filler").unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------- keys, clock, cards

    def accept_keys(self) -> None:
        (self.etc / "authorized_keys").write_text(self._authorized)

    def refuse_keys(self) -> None:
        (self.etc / "authorized_keys").write_text("")

    def set_clock(self, seconds: float) -> None:
        """Set the offset of its Python's clock from ours, for processes started from now on.

        The kernel's clock, which gives files their default time stamps, is that of this machine.
        """
        (self.etc / "clock").write_text(f"{seconds}\n")

    def set_cards(self, **state: Any) -> None:
        (self.etc / "gpus.json").write_text(json.dumps(state))

    # ------------------------------------------------------------------------------------------------------ what runs there

    def processes(self) -> dict[int, str]:
        """Return the host's processes except sshd: command lines by their pid on this machine."""
        namespace, found = (self.etc / "namespace").read_text(), {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and os.readlink(entry / "ns" / "pid") == namespace:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return {pid: words for pid, words in found.items() if words and not re.search(r"sshd|machine\.py", words)}


class Lab:
    """Several hosts. `ssh` in `bin` reads only `config`."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("box1", "box2", "box3"), *, disk: int = 64) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        _make_key(folder / "key")
        authorized = (folder / "key.pub").read_text()
        self.hosts: dict[str, Host] = {}
        try:
            for name in names:
                self.hosts[name] = Host(folder / name, name, disk, authorized)
        except BaseException:
            self.close()
            raise
        self._configure()

    def _configure(self) -> None:
        known = self.folder / "known_hosts"
        known.write_text("".join(f"{name} {(host.etc / 'host_key.pub').read_text()}" for name, host in self.hosts.items()))
        blocks = [
            f"""Host {name}
  HostName 127.0.0.1
  HostKeyAlias {name}
  Port {host.link.port}
  IdentityFile {self.folder}/key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {known}
  GlobalKnownHostsFile /dev/null
"""
            for name, host in self.hosts.items()
        ]
        (self.folder / "config").write_text("".join(blocks))
        for name in ("ssh", "scp", "sftp"):
            if real := shutil.which(name):
                path = self.bin / name
                path.write_text(f'#!/bin/sh\nexec {real} -F {shlex.quote(str(self.folder / "config"))} "$@"\n')
                path.chmod(0o755)

    def call(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a host through ssh."""
        return subprocess.run(
            [str(self.bin / "ssh"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", name, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def close(self) -> None:
        for host in self.hosts.values():
            host.close()


def _make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laboratory", "-f", str(path)], check=True)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
