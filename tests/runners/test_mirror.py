"""Files from a host are written to the output directory and nowhere else, whatever is already there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from autoloop.runners.ssh.left import notes_on, read_left
from autoloop.runners.ssh.mirror import Mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    (tmp_path / "output").mkdir()
    return Mirror(tmp_path, tmp_path / "output", "box", 1 << 20)


def chunk(path: str, at: int = 0, *, whole: bool = False) -> dict[str, object]:
    return {"path": path, "at": at, "whole": whole}


def test_a_gap_is_never_filled(mirror: Mirror) -> None:
    mirror.take(chunk("rows.jsonl"), b"0123456789")
    (mirror.output / "rows.jsonl").write_bytes(b"0123")
    with pytest.raises(OSError, match="is missing here"):
        mirror.take(chunk("rows.jsonl", 10), b"abc")
    assert (mirror.output / "rows.jsonl").read_bytes() == b"0123"
    (mirror.output / "rows.jsonl").unlink()
    with pytest.raises(FileNotFoundError):
        mirror.take(chunk("rows.jsonl", 10), b"abc")


def test_a_path_that_cannot_be_written_is_skipped_with_a_note(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "precious").write_text("mine")
    (mirror.output / "mine").symlink_to(tmp_path / "elsewhere")
    for path in ("mine/x", "../precious", "/etc/x", "a/../../precious", "n" * 300):
        mirror.take(chunk(path), b"x")
        mirror.take(chunk(path, 1), b"x")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (tmp_path / "precious").read_text() == "mine"
    left = read_left(mirror.output)
    assert left is not None
    assert left.skipped["mine/x"] == "mine is a link to another place"
    assert len(left.skipped) == 5
    (note,) = notes_on(mirror.output, "box")
    assert note == "../precious on box cannot be written here (it would be outside the output directory), and 4 more"
    assert notes_on(mirror.output, None) == [], "an attempt of this machine has nothing there"
    (mirror.output / "mine").unlink()
    mirror.take(chunk("mine/x"), b"x")
    left = read_left(mirror.output)
    assert left is not None
    assert "mine/x" not in left.skipped


def test_links_whose_path_cannot_be_made_are_skipped(mirror: Mirror) -> None:
    (mirror.output / "file").write_text("x")
    mirror.left({}, {"file/link": "a", "n" * 300: "a", "good": "file"})
    assert os.readlink(mirror.output / "good") == "file"
    left = read_left(mirror.output)
    assert left is not None
    assert set(left.skipped) == {"file/link", "n" * 300}


def test_how_many_small_files_were_too_many_is_noted(mirror: Mirror) -> None:
    mirror.left({}, {}, 70)
    assert notes_on(mirror.output, "box") == [
        "70 small files are on box only, because there were too many: `fetch` copies them"
    ]
