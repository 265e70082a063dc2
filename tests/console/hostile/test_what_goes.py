"""Files that vanish and rows that are unknown: the console keeps running and says what is missing."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.console.hostile.driving import SCREENS, back_to_slots, console, drive, every_other, family, look, press
from tests.console.pictures import text
from tests.console.projects import RecordedProject


async def test_rows_of_a_later_version_are_shown_as_far_as_they_are_known(project: RecordedProject) -> None:
    family(project)
    project.store.close()
    database = project.store.places.database
    with contextlib.closing(sqlite3.connect(database)) as db:
        for table in ("loops", "rounds", "runs", "attempts", "proposals"):
            for key, body in db.execute(f"SELECT rowid, body FROM {table}").fetchall():
                row = json.loads(body) | {"hologram": {"of": [1, 2, {"x": None}]}, "zzz": "later"}
                db.execute(f"UPDATE {table} SET body = ? WHERE rowid = ?", (json.dumps(row).encode(), key))
        db.commit()

    async with console(project) as pilot:
        for screen, keys in SCREENS.items():
            await press(pilot, *keys)
            assert "variant" in text(pilot.app) or screen in ("help", "queue", "proposals", "compare", "confirm")
            back_to_slots(pilot.app)
            await press(pilot, "s")


@pytest.mark.parametrize("screen", every_other(SCREENS))
async def test_output_and_frozen_configs_that_are_deleted_while_shown_are_survived(
    project: RecordedProject, screen: Any
) -> None:
    running = family(project)

    async with console(project) as pilot:
        await press(pilot, *SCREENS[screen])
        shutil.rmtree(project.output)
        shutil.rmtree(Path(running.config_path).parent)
        shutil.rmtree(project.store.places.attempt(f"{running.id}-1"))
        await look(pilot, 12)
        await pilot.resize_terminal(80, 24)
        await look(pilot)
        await press(pilot, "q")


@pytest.mark.parametrize("keys", [["d"], ["enter", "3"], ["c"]], ids=["slots", "run", "compare"])
async def test_a_frozen_config_that_is_gone_is_said(project: RecordedProject, keys: Sequence[str]) -> None:
    running = family(project)
    shutil.rmtree(Path(running.config_path).parent)

    async with console(project) as pilot:
        await press(pilot, *keys)
        shown = text(pilot.app)
        assert "cannot be read" in shown or "No such file" in shown or "no config can be read" in shown


@pytest.mark.parametrize("screen", ["slots", "proposals", "run-config"])
async def test_a_project_whose_folder_is_deleted_while_open_is_survived_and_said(
    project: RecordedProject, screen: Any
) -> None:
    family(project)

    async with drive(project.app(), (250, 50)) as pilot:
        await press(pilot, *SCREENS[screen])
        shutil.rmtree(project.folder / ".autoloop")
        await look(pilot, 12)
        assert "the project's .autoloop folder is gone" in text(pilot.app)
        for key in ("a", "P", "p", "r", "c", "s", "R"):
            await press(pilot, key)
        await pilot.app.workers.wait_for_complete()
        await look(pilot, 2)
        assert "the project's .autoloop folder is gone" in text(pilot.app)
