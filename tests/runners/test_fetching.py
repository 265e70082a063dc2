"""A fetched file never mixes two states."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest
from autoloop.runners.ssh import fetching
from autoloop.runners.ssh.connection import Connection, UnreachableError
from autoloop.runners.ssh.far.main import Program


class Asked:
    """A connection whose other end is the program on this machine."""

    def __init__(self, cut_after: int) -> None:
        self.left = cut_after
        self.bytes = 0

    def ask(self, verb: str, given: dict[str, Any]) -> dict[str, Any]:
        if not self.left:
            raise UnreachableError("cut")
        self.left -= 1
        answer, data = getattr(Program({}, ""), verb)(given, b"")
        self.bytes += len(data)
        return {**answer, "data": data}


def bring(there: Path, here: Path, pieces: int = 1000) -> tuple[int | None, int]:
    asked = Asked(pieces)
    state = there.stat()
    stamp = [state.st_ino, state.st_size, state.st_mtime_ns]
    return fetching.bring(cast(Connection, asked), str(there), here, stamp), asked.bytes


def test_a_part_goes_on_only_if_it_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PIECE", 10)
    there, here = tmp_path / "there", tmp_path / "here" / ("m" * 250)
    there.write_bytes(b"a" * 35)
    with pytest.raises(UnreachableError):
        bring(there, here, 2)
    assert bring(there, here) == (35, 15), "it goes on"
    assert here.read_bytes() == b"a" * 35
    assert here.stat().st_mtime_ns == there.stat().st_mtime_ns

    here.unlink()
    with pytest.raises(UnreachableError):
        bring(there, here, 2)
    there.write_bytes(b"b" * 35)
    os.utime(there, (1, 1))
    assert bring(there, here) == (35, 35), "it begins anew"
    assert here.read_bytes() == b"b" * 35
    assert [path.name for path in here.parent.iterdir()] == [here.name]


def test_a_file_that_is_rewritten_meanwhile_is_of_one_state_or_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PIECE", 10)
    there, here = tmp_path / "there", tmp_path / "here"
    there.write_bytes(b"a" * 35)
    ask, rewrites = Asked.ask, 1

    def rewriting(asked: Asked, verb: str, given: dict[str, Any]) -> dict[str, Any]:
        nonlocal rewrites
        if given["at"] == 20 and rewrites:
            rewrites -= 1
            there.write_bytes(b"b" * 35)
            os.utime(there, (rewrites, rewrites))
        return ask(asked, verb, given)

    monkeypatch.setattr(Asked, "ask", rewriting)
    assert bring(there, here)[0] == 35
    assert here.read_bytes() == b"b" * 35
    here.unlink()
    rewrites = 1000
    assert bring(there, here)[0] is None
    assert not here.exists()
