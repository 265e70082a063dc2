"""Every screen as users see it, compared with the pictures in __snapshots__.

For an intended change, check the new pictures after `pytest tests/console/test_pictures.py --snapshot-update`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.plan import PlanApp
from autoloop_tui.console.screens.welcome import WelcomeApp
from tests.console.pictures import picture
from tests.console.running import Size
from tests.console.still_loop import loop, settle, stand_still

SIZES = [(80, 24), (120, 40), (200, 50)]

PLAN = """Plan of one loop: 3 configs, 1 round, 2 slots
  gpu 0  act_base       configs/act_base.json
  gpu 1  act_reg_040    configs/act_reg_040.json
  queue  act_tau_050    configs/act_tau_050.json

[1/3] act_base
CUDA_VISIBLE_DEVICES=0 WANDB_MODE=offline python -m lerobot.scripts.train --config_path=configs/act_base.json \
--steps=2000 --log_freq=50 --eval_freq=200 --output_dir=outputs/train/autorun/loop_1700000000/1_act_base_r1
Nothing has been started. `--exec` starts it."""


class Picture(SingleFileSnapshotExtension):
    """One text file per picture, named after its test."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"


@pytest.fixture
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A fixed environment: clock, time zone, folder name and machine load, and no user settings."""
    stand_still(monkeypatch, tmp_path)
    yield
    monkeypatch.undo()
    time.tzset()


# ---------------------------------------------------------------------------------------------------- taking them


async def shot(app: Any, size: Size, keys: Sequence[str] = ()) -> str:
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        return picture(app)


async def console(keys: Sequence[str], size: Size, theme: str = "dark", *, deciding: bool = False) -> str:
    project = loop(deciding=deciding)
    with project.engine():
        made = await shot(project.app(theme=theme), size, keys)
    project.store.close()
    return made


SCREENS = {
    "slots": [],
    "slots-charts": ["m"],
    "proposals": ["p"],
    "rounds": ["r"],
    "compare": ["r", "j", "j", "j", "space", "j", "space", "g", "space", "c"],
    "run-charts": ["enter"],
    "run-log": ["enter", "2"],
    "run-config": ["enter", "3"],
    "run-launch": ["enter", "4"],
    "help": ["question_mark"],
    "confirm": ["x"],
}
"""By picture: the keys that lead to it."""

ONE_SIZE = ("run-log", "run-config", "run-launch", "slots-charts")
PICTURES = [
    *((name, size, "dark") for name in SCREENS for size in SIZES if name not in ONE_SIZE or size == (120, 40)),
    *((name, (120, 40), theme) for name in ("slots", "proposals", "rounds") for theme in ("light", "okabe-ito")),
]


def called(name: str, size: Size, theme: str = "dark") -> Any:
    return f"{name}-{size[0]}x{size[1]}" + ("" if theme == "dark" else f"-{theme}")


@pytest.fixture
def before(snapshot: Any) -> Any:
    """The stored picture of the same screen."""
    return snapshot(extension_class=Picture)


@pytest.mark.parametrize(("name", "size", "theme"), PICTURES, ids=[called(*each) for each in PICTURES])
async def test_console(still: Any, before: Any, name: str, size: Size, theme: str) -> None:
    assert await console(SCREENS[name], size, theme, deciding=name == "proposals") == before


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x50"])
async def test_welcome(still: Any, before: Any, size: Size) -> None:
    assert await shot(WelcomeApp(Path("/data/act-ot"), preferences=Preferences()), size) == before


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x50"])
async def test_plan(still: Any, before: Any, size: Size) -> None:
    assert await shot(PlanApp("tau sweep", PLAN), size) == before


async def test_a_picture_does_not_depend_on_when_and_where_it_was_taken(
    still: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await console(["enter", "4"], (120, 40))
    elsewhere = tmp_path / "another" / "folder with a name"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert await console(["enter", "4"], (120, 40)) == first
    assert str(tmp_path) not in first
