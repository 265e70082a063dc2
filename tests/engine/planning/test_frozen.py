"""The files that a loop was created with, and later changes to them."""

from __future__ import annotations

import pytest
from autoloop.engine.planning.frozen import differences

from tests.engine.project import EngineProject


@pytest.mark.parametrize(
    "text",
    ["x = [", "env = 3", "trainer = 3", "[trainer]\nenv = [1]", "[env]\nWANDB_API_KEY = 3", "base = 3", "\x00", "\ufeff["],
)
def test_a_preset_file_that_is_no_preset_any_more_is_told_as_changed(project: EngineProject, text: str) -> None:
    loop = project.loop([project.config("a")])
    assert differences(project.store.places, loop) == []
    (project.folder / "fake.toml").write_text(text)
    (told,) = differences(project.store.places, loop)
    assert "fake.toml" in told
