"""Files named by users: anything that could block or never end is refused in a sentence, whatever its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.files import LARGEST, read_regular, read_text
from autoloop.metrics import default_book
from autoloop.model import Run, UserError
from autoloop.reports.summary_json import merge
from autoloop.rule_files import load_rules
from autoloop.trainers import load_preset
from autoloop.variants.files import load_recipe


@pytest.fixture(params=["a device", "a FIFO", "a socket", "a huge file"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "given.toml"
    if request.param == "a device":
        path.symlink_to("/dev/zero")
    elif request.param == "a FIFO":
        os.mkfifo(path)
    elif request.param == "a socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        with path.open("wb") as file:
            file.truncate(LARGEST + 1)
    return path


def test_it_is_refused_in_a_sentence(endless: Path) -> None:
    for read in (
        lambda: read_text(endless, "config"),
        lambda: load_preset(str(endless)),
        lambda: load_recipe(str(endless)),
        lambda: load_rules(str(endless), default_book()),
    ):
        with pytest.raises(UserError, match="cannot be read: it is "):
            read()


def frozen(path: Path) -> Run:
    return Run(
        id="r1",
        loop=1,
        name="r",
        round=1,
        config_path=str(path),
        source_path="r.json",
        config_hash="h",
        total_steps=1,
        position=0,
    )


def test_a_frozen_config_that_is_one_is_refused(endless: Path) -> None:
    with pytest.raises(UserError, match=r"^The frozen config of run r1 cannot be read \(it is .*given\.toml\.$"):
        frozen_config(frozen(endless))


def test_a_frozen_config_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes('{"a": "ä"}'.encode("utf-16"))
    with pytest.raises(UserError, match=r"^The frozen config of run r1 is UTF-16 text: .*c\.json\.$"):
        frozen_config(frozen(tmp_path / "c.json"))


@pytest.mark.parametrize("made", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_summary_file_that_is_one_is_a_sentence_and_stays(tmp_path: Path, made: Callable[[Path], None]) -> None:
    path = tmp_path / "summary.json"
    made(path)
    assert "could not be written (it is not a regular file)" in (merge(path, {"out": {"steps": 1}}) or "")
    assert not path.is_file()


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * LARGEST)
    assert len(read_regular(path)) == LARGEST
