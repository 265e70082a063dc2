"""The test hosts themselves: they see no more than they should, can suffer every fault, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ssh.hosts import REPOSITORY, Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ssh


def said(lab: Lab, host: str, *words: str) -> str:
    done = lab.call(host, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_each_host_sees_its_own_and_neither_the_project_nor_the_others(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    seen = {}
    for name, host in lab.hosts.items():
        assert said(lab, name, "hostname") == name
        assert said(lab, name, f"ls -A {tmp_path} {REPOSITORY} 2>/dev/null | grep -v :; true") == ""
        said(lab, name, "echo mine > ~/file")
        assert (host.home / "file").read_text() == "mine\n"
        assert len(said(lab, name, "nvidia-smi -L").splitlines()) == 2
        seen[name] = said(lab, name, "cat /proc/sys/kernel/random/boot_id")
        # Its own shell and the listing command, but no processes of others.
        assert len(said(lab, name, "ls -d /proc/[0-9]*").splitlines()) < 12
    assert len({*seen.values(), Path("/proc/sys/kernel/random/boot_id").read_text().strip()}) == 4
    assert not (Path.home() / "file").exists()


def test_a_reboot_kills_everything_and_keeps_the_disk(lab: Lab) -> None:
    host, other = lab.hosts["box1"], lab.hosts["box2"]
    for name in ("box1", "box2"):
        said(lab, name, "echo kept > ~/kept; setsid sleep 12345 > /dev/null 2>&1 < /dev/null & true")
    eventually(host.processes, "its process")
    before = said(lab, "box1", "cat /proc/sys/kernel/random/boot_id")
    host.reboot()
    assert host.processes() == {}
    assert list(other.processes().values()) == ["sleep 12345 "]
    assert said(lab, "box1", "cat ~/kept") == "kept"
    assert said(lab, "box1", "cat /proc/sys/kernel/random/boot_id") != before


def test_disks_fill_keys_are_refused_clocks_differ_and_lines_are_slow(lab: Lab) -> None:
    host = lab.hosts["box1"]
    host.fill_disk()
    assert "No space left" in lab.call("box1", "echo more > ~/more").stderr
    host.free_disk()
    assert said(lab, "box1", "echo more > ~/more; cat ~/more") == "more"

    host.refuse_keys()
    assert "Permission denied" in lab.call("box1", "true").stderr
    host.accept_keys()

    code = "import time; print(time.time())"
    for option in ("", "-I", "-I -S"):
        assert abs(float(said(lab, "box1", f"python3 {option} -c '{code}'")) - time.time()) < 300
        host.set_clock(600.0)
        assert 500 < float(said(lab, "box1", f"python3 {option} -c '{code}'")) - time.time() <= 601
        assert 500 < float(said(lab, "box1", f"echo '{code}' | python3 {option} -")) - time.time() <= 601
        host.set_clock(0.0)

    began = time.monotonic()
    said(lab, "box1", "true")
    quick, host.link.latency = time.monotonic() - began, 0.1
    began = time.monotonic()
    said(lab, "box1", "true")
    assert time.monotonic() - began > quick + 0.5


def test_a_line_is_cut_and_joined_and_broken_off(lab: Lab) -> None:
    link = lab.hosts["box1"].link
    words = [str(lab.bin / "ssh"), "box1", "for i in 1 2; do read word; echo $word; done"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as talk:
        assert talk.stdin is not None
        assert talk.stdout is not None
        talk.stdin.write("one\n")
        assert talk.stdout.readline() == "one\n"
        link.cut()
        carried = link.carried
        talk.stdin.write("two\n")
        assert lab.call("box2", "true").returncode == 0
        assert lab.call("box1", "-o", "ConnectTimeout=1", "true").returncode == 255
        assert link.carried == carried
        link.join()
        assert talk.stdout.readline() == "two\n"
    with subprocess.Popen([str(lab.bin / "ssh"), "box1", "echo up; sleep 1000"], stdout=subprocess.PIPE, text=True) as talk:
        assert talk.stdout is not None
        assert talk.stdout.readline() == "up\n"
        link.break_off()
        assert talk.wait(60) == 255


OWNER = """
import sys, time
from pathlib import Path
from tests.ssh.hosts import Lab
lab = Lab(Path(sys.argv[1]), ("box1",))
lab.call("box1", "setsid sleep 54321 > /dev/null 2>&1 < /dev/null & true")
print("up", flush=True)
time.sleep(1000)
"""


def test_nothing_stays_of_a_laboratory_whose_owner_is_killed(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    words = [sys.executable, "-c", OWNER, str(folder)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "core")])}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        namespace = (folder / "box1/etc/namespace").read_text()
        assert living(namespace)
        owner.send_signal(signal.SIGKILL)
    eventually(lambda: not living(namespace), "the end of its host")
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def living(namespace: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "ns" / "pid") == namespace:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
