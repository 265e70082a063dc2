"""The Run screen: its log and its config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autoloop.model import ExitRecord, RunState

from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.document import Document
from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import CONFIG, RecordedProject, painted
from tests.console.screens.run.driving import drive, press, seen


async def test_the_log_is_followed_and_searched(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "2")
        log = screen.query_one(LogTail)
        assert log.has_focus
        assert any("ValueError: the end" in row for row in painted(log))
        await press(pilot, "slash", *"step 42", "enter")
        assert any("step 42" in row for row in painted(log))
        await press(pilot, "n")
        assert isinstance(pilot.app.screen, RunScreen)  # during a search, n means the next match


@pytest.mark.parametrize("given", [True, False])
async def test_a_secret_of_extra_is_masked_where_its_variable_is_set_and_named_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    project = RecordedProject(tmp_path, extra=["--token=${AUTOLOOP_SECRET_TOKEN}"])
    run = project.run("talks", RunState.RUNNING, log="logging in with plain-words-of-mine\n")
    if given:
        monkeypatch.setenv("AUTOLOOP_SECRET_TOKEN", "plain-words-of-mine")

    async with drive(project, run, (120, 40)) as (pilot, screen):
        await press(pilot, "2")
        text = "\n".join(painted(screen.query_one(LogTail)))
        assert ("plain-words-of-mine" in text) is not given
        assert ("AUTOLOOP_SECRET_TOKEN not set here" in text) is not given


async def test_the_cause_of_a_failure_stands_above_the_log(project: RecordedProject) -> None:
    cause = "CUDA ran out of memory: make batch_size smaller. " * 2
    run = project.run("burst", RunState.FAILED, log="Traceback\n", attempt={"cause": cause, "exit": ExitRecord(code=1)})

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "2")
        pane = screen.query_one("#run-cause")
        assert pane.region.bottom <= screen.query_one(LogTail).region.y
        assert "✗ CUDA ran out of memory" in " ".join(painted(pane))
        assert 1 <= pane.size.height <= 3


async def test_no_room_is_taken_for_a_cause_where_there_is_none(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        assert not screen.query_one("#run-cause").display


async def test_the_config_part_shows_the_difference_the_lineage_and_the_whole(
    project: RecordedProject, variant: Any
) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        await press(pilot, "3")
        text = seen(screen)
        assert "Changes  against baseline" in text
        assert "~ ot.loss_config.tau_src  0.05 → 0.5" in text
        assert text.index("✓ baseline") < text.index("▶ variant")
        assert "proposal 1, by rule more-transport: the transport term is weak" in text
        assert '"optimizer_lr": 0.002,' in text


async def test_a_config_of_two_thousand_keys_is_scrolled_and_searched(project: RecordedProject) -> None:
    base = project.run("small")
    config = {**CONFIG, "many": {f"key_{i:04}": i for i in range(2000)}}
    run = project.run("large", base=base, config=config)

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "3")
        text = screen.query_one("#part-config", Document)
        await press(pilot, "G")
        assert "}" in painted(text)[-1]
        await press(pilot, "g", "slash", *"key_1234", "enter")
        assert any('"key_1234": 1234' in row for row in painted(text))
        await press(pilot, "ctrl+d", "ctrl+u", "j", "k", "n", "N")
        assert any('"key_1234": 1234' in row for row in painted(text))


async def test_a_config_that_cannot_be_read_is_one_sentence(project: RecordedProject, variant: Any) -> None:
    Path(variant.config_path).unlink()

    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "3")
        assert f"The frozen config of run {variant.id} cannot be read" in seen(screen)


async def test_added_and_removed_keys_are_told_apart(project: RecordedProject) -> None:
    base = project.run("before", config={"a": 1, "gone": 2})
    run = project.run("after", base=base, config={"a": 1, "new": {"x": 3}})

    async with drive(project, run, (120, 40)) as (pilot, screen):
        await press(pilot, "3")
        rows = seen(screen).splitlines()
        assert any(row.split()[:5] == ["-", "gone", "2", "→", "(deleted)"] for row in rows)
        assert any(row.split()[:2] == ["+", "new"] and "(new)" in row for row in rows)
