"""The state of an attempt on a host if its files say little."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
from pathlib import Path

import pytest
from autoloop.runners.ssh.far import following
from autoloop.runners.ssh.far.following import claim_of, lives, state_of

from tests.support.waiting import eventually


def test_a_claim_without_words_is_that_of_the_supervisor_which_runs_there(tmp_path: Path) -> None:
    """An empty claim, as a full disk leaves it."""
    (tmp_path / "claim").touch()
    assert state_of(str(tmp_path), "a-1")["state"] == "gone"
    script = tmp_path / "supervisor.py"
    script.write_text("import time; time.sleep(1000)\n")
    with subprocess.Popen([sys.executable, "-I", "-S", str(script), str(tmp_path)]) as supervisor:
        eventually(lambda: lives(claim_of(str(tmp_path)) or {}), "the supervisor")
        found = state_of(str(tmp_path), "a-1")
        assert found["state"] == "alive"
        assert found["claim"] == claim_of(str(tmp_path))
        assert (claim_of(str(tmp_path)) or {})["pid"] == supervisor.pid
        supervisor.kill()
    assert state_of(str(tmp_path), "a-1")["state"] == "gone"


def test_an_attempt_that_was_fenced_off_or_never_begun(tmp_path: Path) -> None:
    assert state_of(str(tmp_path), "a-1")["state"] == "none"
    (tmp_path / "claim").write_text('{"fenced_by": "autoloop"}\n')
    assert state_of(str(tmp_path), "a-1")["state"] == "fenced"


def test_a_folder_full_of_samples_keeps_no_history_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_FILES", 12)
    monkeypatch.setattr(following, "MOST_IN_FOLDER", 5)
    output = tmp_path / "output"
    for folder in ("a", "b", "c", "z"):
        (output / folder).mkdir(parents=True)
        for number in range(20):
            (output / folder / f"{number:02}.json").write_text("{}")
    (output / "z/deep").mkdir()
    for path in ("z/deep/history.jsonl", "z/events.out.tfevents.1", "config.yaml", "checkpoint-last.pt"):
        (output / path).write_text("x")
    given = {"id": "a-1", "dir": str(tmp_path), "out": str(output), "files": True, "fetch": [], "log": 0, "has": {}}
    room = following.AnswerBudget(1 << 20)
    state = following.FollowedAttempt(given).news(room)
    sent = [str(chunk["path"]) for chunk in room.chunks]
    assert sent[:3] == ["z/events.out.tfevents.1", "z/deep/history.jsonl", "config.yaml"]
    assert len(sent) == 12
    assert state is not None
    assert (state["complete"], state["cut"]) == (True, 83 - 12)
    assert state["left"] == {"checkpoint-last.pt": 1}


def scanned(output: Path, wanted: str) -> list[object]:
    given = {"id": "a", "dir": str(output), "out": str(output), "files": True, "fetch": [wanted], "log": 0, "has": {}}
    room = following.AnswerBudget(1 << 20)
    following.FollowedAttempt(given).news(room)
    return [chunk["path"] for chunk in room.chunks]


def test_a_pattern_may_name_the_folder_to_which_a_link_leads(tmp_path: Path) -> None:
    for folder in ("checkpoints/000005", "checkpoints/000010"):
        (tmp_path / "out" / folder).mkdir(parents=True)
        (tmp_path / "out" / folder / "model.safetensors").write_bytes(b"w")
    (tmp_path / "out/checkpoints/last").symlink_to("000010")
    (tmp_path / "out/checkpoints/first").symlink_to(tmp_path / "out/checkpoints/000005")
    (tmp_path / "out/deeper/than/its").mkdir(parents=True)
    (tmp_path / "out/deeper/than/its/target").symlink_to("../../../checkpoints/000010")
    for wanted, brought in (
        ("checkpoints/last/*", "000010"),
        ("checkpoints/first/*", "000005"),
        ("deeper/*/target/*.safetensors", "000010"),
    ):
        assert scanned(tmp_path / "out", wanted) == [f"checkpoints/{brought}/model.safetensors"]


@pytest.mark.parametrize("wanted", ["links/*/model.safetensors", "*/model.safetensors"])
def test_many_links_and_many_files_cost_no_product_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """A model cache links every file, and a trainer may link a folder again and again."""
    links, files = 200, 300
    for folder in ("blobs", "links", "samples"):
        (tmp_path / folder).mkdir()
    for number in range(files):
        (tmp_path / f"samples/{number}.txt").touch()
    for number in range(links):
        (tmp_path / f"blobs/{number}").touch()
        (tmp_path / f"links/{number}").symlink_to(f"../blobs/{number}")
        (tmp_path / f"links/again{number}").symlink_to("../samples")
    resolved = matched = 0
    relpath, fnmatchcase = os.path.relpath, fnmatch.fnmatchcase

    def counted_relpath(path: str, start: str) -> str:
        nonlocal resolved
        resolved += 1
        return relpath(path, start)

    def counted_match(name: str, pattern: str) -> bool:
        nonlocal matched
        matched += pattern == wanted
        return fnmatchcase(name, pattern)

    monkeypatch.setattr(os.path, "relpath", counted_relpath)
    monkeypatch.setattr(fnmatch, "fnmatchcase", counted_match)
    assert len(scanned(tmp_path, wanted)) == links + files
    assert resolved <= 2 * links
    assert matched <= 10 * (links + files)
