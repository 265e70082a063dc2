"""Only one engine drives a loop, and everyone can see which."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
import threading

import msgspec
import pytest
from autoloop.engine import Engine, Holder, holder, spawn
from autoloop.engine.driver.lock import EngineLock
from autoloop.model import LoopState, UserError

from tests.engine.project import EngineProject
from tests.support.waiting import eventually


def test_a_second_engine_is_refused_and_told_who_drives_the_loop(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate))])
    engine = project.spawn(loop)
    project.trainer_pid(project.runs(loop)[0].id)
    with pytest.raises(UserError, match=rf"{loop.name}.*process {engine} "):
        Engine(project.store, project.state(loop)).run()
    assert spawn(project.store, project.state(loop)).pid == engine  # no new engine is started
    gate.touch()
    project.wait_engine(engine)
    assert project.state(loop).state is LoopState.FINISHED
    assert len(project.story(loop, "run started")) == 1


ASK = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
os.write(1, b"asking")
while os.getppid() == int(sys.argv[2]):
    fcntl.flock(fd, fcntl.LOCK_SH)
    fcntl.flock(fd, fcntl.LOCK_UN)
"""
"""Asks continuously who holds a lock, as `holder` does."""


def test_asking_who_drives_a_loop_never_keeps_an_engine_from_starting(project: EngineProject) -> None:
    path = project.store.places.lock("loop_1")
    path.touch()
    argv = [sys.executable, "-S", "-c", ASK, str(path), str(os.getpid())]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        assert asking.stdout.read(6) == b"asking"
        try:
            for _ in range(100):
                lock = EngineLock(path)
                assert lock.acquire() is None
                lock.release()
        finally:
            asking.kill()


def test_a_lock_that_outlives_its_engine_for_an_instant_is_waited_for(project: EngineProject) -> None:
    """A supervisor that is just starting shares its engine's lock and may outlive the engine."""
    path = project.store.places.lock("loop_1")
    dead = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(dead, 0)
    path.write_bytes(msgspec.json.encode(Holder(dead, socket.gethostname(), 0.0)))
    still_held = os.open(path, os.O_RDONLY)
    fcntl.flock(still_held, fcntl.LOCK_EX)
    assert holder(path) is None
    released = threading.Timer(0.05, os.close, [still_held])
    released.start()
    lock = EngineLock(path)
    assert lock.acquire() is None
    lock.release()
    released.join()


def test_an_engine_that_ends_in_its_first_turn_has_not_started(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    with sqlite3.connect(project.store.places.database) as raw:
        raw.execute("UPDATE runs SET body = '{'")
    raw.close()
    with pytest.raises(UserError, match=r"The engine did not start: .*cannot be read"):
        project.spawn(loop)


def test_an_engine_that_cannot_start_says_why(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    (project.store.places.frozen(loop.name) / "rules.toml").write_text("x = [")
    with pytest.raises(UserError, match=r"The engine did not start: .*rules\.toml"):
        project.spawn(loop)


SLOW_TO_SIGN = """
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
time.sleep(0.3)
os.pwrite(fd, sys.argv[2].replace("0", str(os.getpid()), 1).encode().ljust(512), 0)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.01)
"""
"""Takes a lock and signs it a little later, as an engine on a loaded machine does."""


def test_the_engine_that_was_started_is_named_and_not_the_dead_one_of_another_container(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = project.loop([project.config("a")])
    path = project.store.places.lock(loop.name)
    me = Holder.me(0.0)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(me, pid_ns=me.pid_ns + 1, at_work=True)))
    signs = msgspec.json.encode(msgspec.structs.replace(me, pid=0, at_work=True)).decode()
    gate = project.gate("end")
    argv = [sys.executable, "-S", "-c", SLOW_TO_SIGN, str(path), signs, str(gate)]
    monkeypatch.setattr("autoloop.engine.driver.process.isolated.command", lambda *_: argv)
    started = spawn(project.store, project.state(loop))
    gate.touch()
    assert started.pid_ns == me.pid_ns
    assert started.pid not in (0, os.getpid())
    eventually(lambda: holder(path) is None, "its end")
