"""A host that tries to write more here than the outputs of its runs, and one that answers endlessly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from autoloop.model import HostSpec
from autoloop.runners.ssh import connection
from autoloop.runners.ssh.connection import UnreachableError, connect
from autoloop.runners.ssh.fetching import fetch, part_of
from autoloop.runners.ssh.left import LEFT, RemoteFiles, read_left
from autoloop.runners.ssh.mirror import Mirror, make_links

from tests.runners.far_side import FarSide


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarSide:
    side = FarSide(tmp_path / "side")
    monkeypatch.setenv("PATH", f"{side.programs}{os.pathsep}{os.environ['PATH']}")
    return side


@pytest.mark.parametrize(
    "links",
    [
        {"a": "/etc/passwd"},
        {"a": "../keys"},
        {"x/y/d": "../..", "x/y/a": "d/../../keys"},
        {"x/y/d": "../..", "a": "x/y/d/../../keys"},
        {"a": "b/../../keys"},
        {"d": ".", "d/a": "../keys"},
        {"a": ""},
        {LEFT: "x"},
    ],
)
def test_no_link_that_a_host_names_leads_out_of_the_output_directory(tmp_path: Path, links: dict[str, str]) -> None:
    output = tmp_path / "output"
    (output / "x/y").mkdir(parents=True)
    make_links(output, links)
    for path in links:
        assert Path(os.path.realpath(output / path)).is_relative_to(output)
    assert not os.path.lexists(output / "a")
    assert not os.path.lexists(output / "x/y/a")


def test_links_among_the_outputs_are_made_also_where_their_end_comes_later(tmp_path: Path) -> None:
    links = {"checkpoints/last": "000010", "best": "checkpoints/last", "a/b/up": "../../checkpoints", "same": "./x.json"}
    make_links(tmp_path, links)
    assert {path: os.readlink(tmp_path / path) for path in links} == links


def test_what_a_host_sends_is_written_through_no_link(tmp_path: Path) -> None:
    """Nor through a link that existed before under the temporary name used while a file is written."""
    output, keys = tmp_path / "output", tmp_path / "keys"
    output.mkdir()
    keys.mkdir()
    (keys / "authorized").write_text("mine")
    (output / "folder").symlink_to(keys)
    (output / "rows").symlink_to(keys / "authorized")
    for name in ("whole", LEFT):
        (output / f".{name}.{os.getpid()}.tmp").symlink_to(keys / "authorized")
    mirror = Mirror(tmp_path / "attempt", output, "box", 1 << 20)
    mirror.take({"path": "whole", "whole": True, "at": 0}, b"theirs")
    mirror.take({"path": "folder/authorized", "whole": True, "at": 0}, b"theirs")
    mirror.take({"path": LEFT, "whole": True, "at": 0}, b"theirs")
    mirror.take({"path": "rows", "whole": False, "at": 0}, b"theirs")
    assert not (output / "rows").is_symlink()
    assert (output / "whole").read_bytes() == b"theirs"
    assert (left := read_left(output)) is not None, "our own words"
    assert "folder/authorized" in left.skipped
    assert (keys / "authorized").read_text() == "mine"


def test_what_is_fetched_is_written_through_no_link(side: FarSide, tmp_path: Path) -> None:
    output, keys = tmp_path / "output", tmp_path / "keys"
    output.mkdir()
    keys.write_text("mine")
    (side.home / "out").mkdir()
    there = side.home / "out/model.pt"
    there.write_text("theirs")
    state = there.stat()
    part_of(output / "model.pt", [state.st_ino, state.st_size, state.st_mtime_ns]).symlink_to(keys)
    left = RemoteFiles(host="box", folder=str(side.home / "out"))
    with pytest.raises(OSError, match="symbolic links"):
        fetch(HostSpec(name="box", python=sys.executable), left, output, [], lambda *_: None)
    assert keys.read_text() == "mine"


ENDLESS = "import sys\nwhile True: sys.stdout.write('x' * 65536)\n"
ANSWERS = """
import json, sys, time
real = json.dumps
json.dumps = lambda value, **more: real({**value, **CHANGED} if "time" in value else value, **more)
"""


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (ENDLESS, "prints too much"),
        (f"{ANSWERS}CHANGED = {{'x': 'x' * 200000}}", "its answer is too long"),
        (f"{ANSWERS}CHANGED = {{'bytes': 10 ** 12}}", "its answer is malformed"),
        (f"{ANSWERS}CHANGED = {{'bytes': -1}}", "its answer is malformed"),
        (f"{ANSWERS}CHANGED = {{'bytes': float('inf')}}", "its answer is malformed"),
    ],
)
def test_an_answer_without_end_fills_no_memory(side: FarSide, monkeypatch: pytest.MonkeyPatch, first: str, why: str) -> None:
    monkeypatch.setattr(connection, "MOST", 100_000)
    python, code = side.odd_python()
    code.write_text(first)

    def ask() -> None:
        line, _ = connect(HostSpec(name="box", python=python))
        try:
            line.ask("list", {"path": str(side.home)})
        finally:
            line.close()
            assert line.received < 1 << 20

    with pytest.raises(UnreachableError, match=why):
        ask()
