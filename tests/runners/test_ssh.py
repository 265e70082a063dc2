"""Attempts on a host as their runner reports them, despite cut connections, wrong machines and failing disks."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import msgspec
import pytest
from autoloop.model import HostSpec, UserError
from autoloop.runners.runner import Acceptance, AttemptExit, AttemptLoss, CommandStart, PlaceWait
from autoloop.runners.ssh import runner as host_runner
from autoloop.runners.ssh import words
from autoloop.runners.ssh.asking import ask_to_end
from autoloop.runners.ssh.fetching import fetch
from autoloop.runners.ssh.left import exists, read_left
from autoloop.runners.ssh.mirror import Mirror
from autoloop.runners.ssh.paths import PathMap

from tests.runners.trial import Trial
from tests.support.waiting import eventually


def test_a_run_on_a_host_is_followed_over_a_cut_and_by_another_engine(trial: Trial) -> None:
    attempt = trial.submit()
    began = trial.until(CommandStart)
    assert isinstance(began, CommandStart)
    assert began.node == os.uname().nodename
    assert began.since == pytest.approx(time.time(), abs=120)
    handed = trial.heard(Acceptance)
    assert isinstance(handed, Acceptance)
    assert handed.handle["host"] == "box"

    here, there = Path(attempt.output_dir), trial.output_there(attempt)
    eventually(lambda: (here / "rows.jsonl").exists() and (here / "checkpoints/last").is_symlink(), "its files")
    eventually(lambda: "key" in (Path(attempt.directory) / "log.txt").read_text(), "its log")
    log = (Path(attempt.directory) / "log.txt").read_text()
    code = next((trial.far.home / ".autoloop/project/code").iterdir())
    assert f"in {code} data DATA DATA" in log
    assert f"other None given {there}/x" in log
    assert sorted(path.name for path in code.iterdir()) == [".gitignore", "data", "train.py"]
    assert "k" * 40 not in (trial.there(attempt) / "spec.json").read_text()

    left = eventually(lambda: (found := read_left(here)) and len(found.files) > 1 and found.files, "what stays there")
    assert left == {"checkpoints/000010/model.safetensors": 100000, "checkpoints/000005/only.pt": 1}
    assert not (here / "checkpoints/last/model.safetensors").exists()
    eventually((here / "checkpoints/last/train_config.json").exists, "what says how to go on from it")
    assert exists(f"{here}/checkpoints/last", str(here)), "an engine can tell that it has a checkpoint"
    assert exists(f"{here}/checkpoints/000010/model.safetensors", str(here))
    assert exists(f"{here}/checkpoints/first", str(here))
    assert not exists(f"{here}/checkpoints/other", str(here))

    first = trial.far.connections()
    trial.far.cut()
    eventually(lambda: len(trial.far.connections()) > len(first), "another connection")
    assert trial.runner.trouble is None, "it answered at once"
    size = (here / "rows.jsonl").stat().st_size
    eventually(lambda: (here / "rows.jsonl").stat().st_size > size, "more rows here")
    trial.far.cut("ssh: connect to host box port 22: Connection refused")
    eventually(lambda: "(no SSH server is listening there)" in str(trial.runner.trouble), "trouble")
    assert str(trial.runner.trouble).startswith("box has been unreachable since ")
    size = (here / "rows.jsonl").stat().st_size
    eventually(lambda: (there / "rows.jsonl").stat().st_size > size + 1000, "more rows there")
    assert trial.heard(AttemptExit) is None
    assert trial.heard(AttemptLoss) is None
    trial.far.mend()
    eventually(lambda: trial.runner.trouble is None, "the end of the trouble")
    eventually(lambda: (here / "rows.jsonl").stat().st_size > size, "more rows here")

    trial.anew()
    trial.runner.reattach(attempt)
    size = (there / "rows.jsonl").stat().st_size
    eventually(lambda: (here / "rows.jsonl").stat().st_size > size, "more rows here")
    (there / "go").touch()
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert (ended.record.code, ended.taken) == (3, None)
    assert (here / "rows.jsonl").read_bytes() == (there / "rows.jsonl").read_bytes()
    assert json.loads((Path(attempt.directory) / "exit.json").read_text())["code"] == 3
    assert not trial.runner.any_left()

    told: list[tuple[str, int]] = []
    model = "checkpoints/000010/model.safetensors"
    found = read_left(here)
    assert found is not None
    with pytest.raises(UserError, match="no longer exists on box"):
        fetch(trial.host, msgspec.structs.replace(found, folder="/nowhere"), here, [], lambda *_: None)
    assert fetch(trial.host, found, here, ["checkpoints/last/*"], lambda *each: told.append(each)) == {model: 100000}
    assert (here / "checkpoints/last/model.safetensors").read_bytes() == b"w" * 100000
    assert told == [(model, 100000)]
    assert fetch(trial.host, found, here, [], lambda *_: None) == {"checkpoints/000005/only.pt": 1}
    assert fetch(trial.host, found, here, [], lambda *_: None) == {}

    (there / model).write_bytes(b"v" * 100000)
    later = time.time() + 10
    os.utime(there / model, (later, later))
    assert fetch(trial.host, found, here, [], lambda *_: None) == {model: 100000}, "a newer one of the same size"
    assert (here / model).read_bytes() == b"v" * 100000
    assert fetch(trial.host, found, here, [], lambda *_: None) == {}


CHANGES = """
import os, pathlib, sys, time
out = pathlib.Path(sys.argv[1])
(out / "last").mkdir(parents=True)
(out / "last" / "x").write_text("in a folder")
(out / "best").write_text("a file")
(out / "first").symlink_to("last")
(out / os.fsdecode(b"weights \\xff.pt")).write_text("w")
while not (out / "go").exists():
    time.sleep(0.02)
(out / "last" / "x").unlink()
(out / "last").rmdir()
(out / "last").write_text("a file")
(out / "best").unlink()
(out / "best").mkdir()
(out / "best" / "y").write_text("in a folder")
(out / "first").unlink()
(out / "first").mkdir()
(out / "first" / "z").write_text("in a folder")
(out / ("n" * 255)).write_text("a long name")
(out / os.fsdecode(b"note \\xff")).write_text("n")
"""


def test_names_that_are_not_utf_8_and_paths_that_change_their_kind_hold_up_nothing(trial: Trial) -> None:
    attempt = trial.submit(sys.executable, "-c", CHANGES, str(trial.project / "outputs/train/loop/r1"))
    here, there = Path(attempt.output_dir), trial.output_there(attempt)
    eventually(
        lambda: (here / "last/x").exists() and (here / "first").is_symlink() and (here / "best").exists(), "its files"
    )
    left = eventually(lambda: (found := read_left(here)) and found.files, "what stays there")
    assert left == {os.fsdecode(b"weights \xff.pt"): 1}
    (there / "go").touch()
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert ended.record.code == 0
    assert (here / "last").read_text() == "a file"
    assert (here / "last.before1/x").read_text() == "in a folder", "nothing is deleted with a folder"
    assert (here / "best/y").read_text() == "in a folder"
    assert (here / "first/z").read_text() == "in a folder"
    assert not (here / "last.before1/z").exists(), "nothing is written through a link that was there before"
    assert (here / ("n" * 255)).read_text() == "a long name"
    assert (here / os.fsdecode(b"note \xff")).read_text() == "n"
    assert trial.runner.trouble is None


def test_what_cannot_be_written_here_holds_up_no_other_run_and_is_said(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_runner, "AGAIN", 0.2)
    mends = trial.folder / "mended"
    take = Mirror.take

    def fails(mirror: Mirror, chunk: dict[str, object], data: bytes) -> None:
        if mirror.directory.name == "r1-1" and not mends.exists():
            raise RuntimeError("as nobody thought of")
        take(mirror, chunk, data)

    monkeypatch.setattr(Mirror, "take", fails)
    first = trial.submit("sh", "-c", "echo first")
    trial.submit("sh", "-c", "echo second", name="r2-1")
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert [id_ for id_, news in trial.told if isinstance(news, AttemptExit)] != [first.id]
    eventually(lambda: "output of r1 on box cannot be written here: as nobody" in str(trial.runner.trouble), "the reason")
    mends.touch()
    eventually(lambda: (trial.heard(AttemptExit), not trial.runner.any_left())[1], "the end of the first")
    assert (Path(first.directory) / "log.txt").read_text() == "first\n"
    assert trial.runner.trouble is None


def test_stop_and_kill_and_what_never_began(trial: Trial) -> None:
    attempt = trial.submit("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done")
    trial.until(CommandStart)
    trial.runner.stop(attempt, kill=False)
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert (ended.record.code, ended.record.stopped_by, ended.taken) == (7, "stop", None)

    trial.told.clear()
    trial.anew()
    trial.far.cut("Permission denied (publickey).")
    waiting = trial.submit("true", name="r2-1")
    trial.until(PlaceWait)
    assert "cannot be reached" in str(trial.told)
    assert "must work without a password" in str(trial.runner.trouble)
    trial.runner.stop(waiting, kill=True)
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert ended.record.stopped_by == "kill"
    assert not trial.there(waiting).exists()


def test_what_an_engine_died_before_submitting_is_never_started(trial: Trial) -> None:
    attempt = trial.attempt()
    Path(attempt.directory).mkdir()
    trial.runner.reattach(attempt)
    gone = trial.until(AttemptLoss)
    assert isinstance(gone, AttemptLoss)
    assert not gone.started
    assert (trial.there(attempt) / "claim").exists(), "a start that comes later finds it taken"


def test_a_run_is_given_back_by_a_host_that_is_not_reached(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_runner, "GIVE_BACK", 0.2)
    trial.far.cut("ssh: Could not resolve hostname box: Name or service not known")
    trial.submit("true")
    gone = trial.until(AttemptLoss)
    assert isinstance(gone, AttemptLoss)
    assert not gone.started
    assert "its name cannot be resolved" in str(trial.runner.trouble)


OTHER_MACHINE = """
import builtins, io, os
real, named = open, os.uname()
os.uname = lambda: os.uname_result((named.sysname, "box2", named.release, named.version, named.machine))
boot = "/proc/sys/kernel/random/boot_id"
builtins.open = lambda path, *rest, **more: io.StringIO("other") if path == boot else real(path, *rest, **more)
"""


def test_a_name_that_leads_to_another_machine_decides_nothing(trial: Trial) -> None:
    """Even if that machine sees the same home folder. Back on the first one, a missing folder means the end only after its
    processes have ended."""
    python, first = trial.far.odd_python()
    trial.host = msgspec.structs.replace(trial.host, python=python)
    trial.anew()
    attempt = trial.submit("sh", "-c", "echo begun; exec sleep 1000")
    trial.until(CommandStart)
    handed = trial.heard(Acceptance)
    assert isinstance(handed, Acceptance)
    node = os.uname().nodename

    def another_machine() -> bool:
        return f"leads to another machine, box2, while runs are on {node}" in str(trial.runner.trouble)

    first.write_text(OTHER_MACHINE)
    trial.far.cut()
    eventually(another_machine, "the trouble")
    trial.anew()
    trial.runner.reattach(msgspec.structs.replace(attempt, handle=handed.handle))
    eventually(another_machine, "the trouble of another engine")
    trial.anew()
    trial.runner.reattach(attempt)
    eventually(another_machine, "the trouble by its claim")
    assert trial.heard(AttemptLoss) is None
    known = msgspec.structs.replace(attempt, handle=handed.handle)
    assert not ask_to_end(msgspec.structs.replace(trial.spec, hosts=[trial.host]), known, kill=True)

    first.write_text("")
    eventually(lambda: trial.runner.trouble is None, "the end of the trouble")
    trial.told.clear()
    trial.until(CommandStart)
    trial.there(attempt).rename(trial.far.home / "moved")
    gone = trial.until(AttemptLoss)
    assert isinstance(gone, AttemptLoss)
    assert "its folder on box is gone" in gone.reason
    assert "left-over process" in gone.reason, "nothing of it stays"


def test_paths_are_mapped_where_they_stand_as_such() -> None:
    mapped = PathMap({"/home/ann/p": "/code/1", "/home/ann/p/out": "/o", "/data/a": "/mnt/a"})
    assert mapped('{"x": "/home/ann/p/out/r1", "y": "/home/ann/p"}') == '{"x": "/o/r1", "y": "/code/1"}'
    assert mapped("--dir=/home/ann/p/c.json,/data/a") == "--dir=/code/1/c.json,/mnt/a"
    assert mapped("/home/ann/project /x/data/a /data/ab") == "/home/ann/project /x/data/a /data/ab"


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("bash: line 1: /opt/py: No such file or directory", "there is no Python"),
        ("@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.", "known_hosts"),
        ("Host key verification failed.", "connect once by hand"),
        ("", "ssh exited with code 255"),
    ],
)
def test_why_a_host_cannot_be_used_is_one_sentence(printed: str, sentence: str) -> None:
    assert sentence in words.why(HostSpec(name="box"), printed, 255)
