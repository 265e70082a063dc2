"""Which files of a project go to a host, and under which hash."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

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


def test_old_copies_are_deleted_there_and_none_in_which_a_run_works(tmp_path: Path) -> None:
    code, attempts = tmp_path / "code", tmp_path / "attempts"
    names = [f"{number:020x}" for number in range(15)]
    for age, name in enumerate(reversed(names)):
        (code / name).mkdir(parents=True)
        (code / name / "train.py").touch()
        at = time.time() - (age + 2) * copies.RECENT
        os.utime(code / name, (at, at))
    for name, used, over in (("running", names[0], False), ("over", names[1], True)):
        (attempts / name).mkdir(parents=True)
        (attempts / name / "spec.json").write_text(json.dumps({"argv": ["python", "x"], "cwd": str(code / used)}))
        (attempts / name / "claim").write_text(json.dumps(procfs.identity(os.getpid())))
        if over:
            (attempts / name / "exit.json").write_text(json.dumps({"attempt_id": name, "code": 0}))
    (attempts / "half").mkdir()
    copies.use(str(code / names[2]))
    copies.prune(str(code), str(attempts))
    # The one that was just asked for is the newest now.
    assert sorted(path.name for path in code.iterdir()) == [names[0], names[2], *names[6:]]

    (attempts / "running" / "spec.json").unlink()
    os.utime(code / names[0], (0, 0))
    with pytest.raises(OSError, match=r"spec\.json"):
        copies.prune(str(code), str(attempts))
    assert (code / names[0]).exists(), "none goes where it cannot be seen which are used"
