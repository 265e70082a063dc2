"""Files that a person names: what could block or never end is refused in a sentence, whatever it is named as."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from autoloop.engine.planning.checks import load_rules
from autoloop.files import LARGEST, read_regular, read_text
from autoloop.metrics import default_book
from autoloop.model import UserError
from autoloop.trainers import load_preset
from autoloop.variants.recipes import load_recipe


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


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * LARGEST)
    assert len(read_regular(path)) == LARGEST
