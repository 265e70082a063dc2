"""The files of a project that are sent to a host, and their hash."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import LoopSpec
from autoloop.runners import procfs
from autoloop.runners.ssh.far import copies
from autoloop.runners.ssh.far import main as far
from autoloop.runners.ssh.project import Code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "p/wandb/run-1").mkdir(parents=True)
    for path in ("train.py", "wandb/run-1/x", "nohup.out", "tool.sh"):
        (tmp_path / "p" / path).write_text(path)
    (tmp_path / "p/tool.sh").chmod(0o755)
    (tmp_path / "p/link").symlink_to("train.py")
    return tmp_path / "p"


def code_of(root: Path) -> Code:
    return Code(LoopSpec(configs=[], cwd=str(root), output_root=str(root / "outputs"), python="python"))


def test_the_usual_stays_here_unless_git_knows_it(root: Path) -> None:
    assert code_of(root).digest()[1] == ["link", "tool.sh", "train.py"]
    git = ("git", "-C", str(root))
    subprocess.run([*git, "init", "-q"], check=True)
    assert code_of(root).digest()[1] == ["link", "tool.sh", "train.py"]
    subprocess.run([*git, "add", "nohup.out"], check=True)
    assert code_of(root).digest()[1] == ["link", "nohup.out", "tool.sh", "train.py"]


def test_what_changes_while_it_is_packed_goes_under_the_hash_of_what_is_packed(root: Path) -> None:
    code = code_of(root)
    before, paths = code.digest()
    archive, packed = code.archive(paths)
    assert packed == before
    with archive, tarfile.open(fileobj=archive) as members:
        assert members.getmember("link").linkname == "train.py"
        assert [members.getmember(name).mode for name in ("tool.sh", "train.py")] == [0o700, 0o600]
    (root / "train.py").write_text("another")
    (root / "tool.sh").unlink()
    archive, packed = code.archive(paths)
    with archive, tarfile.open(fileobj=archive) as members:
        assert members.getnames() == ["link", "train.py"]
        content = members.extractfile("train.py")
        assert content is not None
        assert content.read() == b"another"
    assert packed != before
    assert packed == code.digest()[0]


def test_code_that_came_in_part_long_ago_is_deleted_there(tmp_path: Path) -> None:
    (tmp_path / "code/a.1.new").mkdir(parents=True)
    (tmp_path / "code/a.1.new/x").write_text("x")
    for name in ("b.part", "c.part"):
        (tmp_path / "code" / name).write_text("x")
    (tmp_path / "code/d").mkdir()
    (tmp_path / "code/e.1.old").mkdir()
    for name in ("a.1.new", "b.part", "d", "e.1.old"):
        os.utime(tmp_path / "code" / name, (0, 0))
    sources = {f"autoloop.runners.{name}": "" for name in far.SUPERVISOR}
    far.Program(sources, "x").settle({"folder": str(tmp_path), "make": True}, b"")
    assert sorted(path.name for path in (tmp_path / "code").iterdir()) == ["c.part", "d"]


class Copies:
    """Copies of code on a host, each last requested a day before the next one, and attempts that use some of them."""

    def __init__(self, folder: Path) -> None:
        self.code, self.attempts = folder / "code", folder / "attempts"
        self.names = [f"{number:020x}" for number in range(15)]
        for age, name in enumerate(reversed(self.names)):
            (self.code / name).mkdir(parents=True)
            (self.code / name / "train.py").touch()
            self.asked_for(name, time.time() - (age + 2) * copies.RECENT)
        self.attempts.mkdir()

    def asked_for(self, name: str, at: float) -> None:
        os.utime(self.code / name, (at, at))

    def attempt(self, name: str, used: str, **claim: Any) -> Path:
        directory = self.attempts / name
        directory.mkdir()
        (directory / "spec.json").write_text(json.dumps({"argv": ["python", "x"], "cwd": str(self.code / used)}))
        (directory / "claim").write_text(json.dumps({**procfs.identity(os.getpid()), **claim}))
        return directory

    def prune(self) -> None:
        copies.prune(str(self.code), str(self.attempts))

    def left(self) -> list[str]:
        return sorted(path.name for path in self.code.iterdir())


@pytest.mark.parametrize("folder", ["project", '训练 "quoted" back\\slash'])
def test_old_copies_are_deleted_there_and_none_in_which_a_run_works(tmp_path: Path, folder: str) -> None:
    there = Copies(tmp_path / folder)
    names = there.names
    running = there.attempt("running", names[0])
    over = there.attempt("over", names[1])
    (over / "exit.json").write_text(json.dumps({"attempt_id": "over", "code": 0}))
    (there.attempts / "half").mkdir()
    copies.use(str(there.code / names[2]))
    there.prune()
    # The one just requested is now the newest.
    assert there.left() == [names[0], names[2], *names[6:]]

    for spoil in (lambda: (running / "spec.json").write_text("{"), (running / "spec.json").unlink):
        spoil()
        there.asked_for(names[0], 0)
        with pytest.raises((OSError, ValueError)):
            there.prune()
        assert names[0] in there.left(), "none goes where it cannot be seen which are used"


def test_code_stays_unless_its_attempt_is_known_to_be_over(tmp_path: Path) -> None:
    """Even on another host with the same home folder, whose processes cannot be seen from here."""
    there = Copies(tmp_path)
    names = there.names
    there.attempt("other-host", names[0], boot_id="another", host="gpu2")
    there.attempt("same-name", names[1], boot_id="another")
    (there.attempt("not-begun", names[2]) / "claim").unlink()
    (there.attempt("claim-without-words", names[3]) / "claim").write_text("")
    there.prune()
    assert there.left() == [*names[:4], *names[5:]], "the fifth is nobody's, the rest is among the newest"

    os.utime(there.attempts / "same-name/claim", (0, 0))  # this host, before it was restarted
    (there.attempts / "not-begun/claim").write_text('{"fenced_by": "autoloop"}')
    (there.attempts / "claim-without-words/claim").write_text(json.dumps({**procfs.identity(os.getpid()), "start_time": 1}))
    (there.attempts / "other-host/exit.json").write_text(json.dumps({"attempt_id": "other-host", "code": 0}))
    there.prune()
    assert there.left() == names[5:]


def test_a_copy_that_is_asked_for_while_it_is_deleted_stays_or_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Copies(tmp_path)
    program, real = far.Program({}, "x"), os.rename
    answers: dict[str, bool] = {}

    def put(path: str) -> None:
        answers[os.path.basename(path)] = bool(program.put({"path": path}, b"")[0]["there"])

    def asked_for_just_before(path: str, to: str) -> None:
        if path.endswith(there.names[4]):  # the first of the old ones that is deleted
            put(path)
            put(str(there.code / there.names[3]))
        real(path, to)
        if path.endswith(there.names[2]):
            put(path)

    monkeypatch.setattr(os, "rename", asked_for_just_before)
    there.prune()
    assert answers == {there.names[4]: True, there.names[3]: True, there.names[2]: False}
    assert there.left() == there.names[3:]
