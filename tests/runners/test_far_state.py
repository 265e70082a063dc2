"""How an attempt on a host is, where its files say little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from autoloop.runners.ssh.far import following
from autoloop.runners.ssh.far.following import claim_of, lives, state_of

from tests.support.waiting import eventually


def test_a_claim_without_words_is_that_of_the_supervisor_which_runs_there(tmp_path: Path) -> None:
    """As a full disk leaves it."""
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
    room = following.Room(1 << 20)
    state = following.Followed(given).news(room)
    sent = [str(chunk["path"]) for chunk in room.chunks]
    assert sent[:3] == ["z/events.out.tfevents.1", "z/deep/history.jsonl", "config.yaml"]
    assert len(sent) == 12
    assert state is not None
    assert (state["complete"], state["cut"]) == (True, 83 - 12)
    assert state["left"] == {"checkpoint-last.pt": 1}


def test_a_pattern_may_name_the_folder_to_which_a_link_leads(tmp_path: Path) -> None:
    for folder in ("checkpoints/000005", "checkpoints/000010"):
        (tmp_path / "out" / folder).mkdir(parents=True)
        (tmp_path / "out" / folder / "model.safetensors").write_bytes(b"w")
    (tmp_path / "out/checkpoints/last").symlink_to("000010")
    (tmp_path / "out/checkpoints/first").symlink_to(tmp_path / "out/checkpoints/000005")
    for wanted, brought in (("checkpoints/last/*", "000010"), ("checkpoints/first/*", "000005")):
        given = {"id": "a", "dir": str(tmp_path), "out": str(tmp_path / "out"), "files": True, "fetch": [wanted], "log": 0}
        room = following.Room(1 << 20)
        following.Followed({**given, "has": {}}).news(room)
        assert [chunk["path"] for chunk in room.chunks] == [f"checkpoints/{brought}/model.safetensors"]
