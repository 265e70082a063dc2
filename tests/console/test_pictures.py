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
from tests.console.running import Size, at_each
from tests.console.still_loop import loop, settle, stand_still
from tests.console.waiting import settle as idle

SIZES = [(80, 24), (120, 40), (200, 50)]
MIDDLE = SIZES[1]

PLAN = """Plan of one loop: 3 configs, 1 round, 2 slots
  gpu 0  act_base       configs/act_base.json
  gpu 1  act_reg_040    configs/act_reg_040.json
  queue  act_tau_050    configs/act_tau_050.json

[1/3] act_base
CUDA_VISIBLE_DEVICES=0 WANDB_MODE=offline python -m lerobot.scripts.train --config_path=configs/act_base.json \
--steps=2000 --log_freq=50 --eval_freq=200 --output_dir=outputs/train/autorun/loop_1700000000/1_act_base_r1
Nothing has been started. `--exec` starts it."""


class Picture(SingleFileSnapshotExtension):
    """One text file per picture."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"

    @classmethod
    def get_snapshot_name(cls, *, test_location: Any, index: Any = 0) -> str:
        return f"{test_location.methodname}[{index}]"


@pytest.fixture
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A fixed environment: clock, time zone, folder name and machine load, and no user settings."""
    stand_still(monkeypatch, tmp_path)
    yield
    monkeypatch.undo()
    time.tzset()


# ---------------------------------------------------------------------------------------------------- taking them


async def shots(app: Any, sizes: Sequence[Size], keys: Sequence[str] = (), themes: Sequence[str] = ()) -> dict[str, str]:
    """Return pictures of what the keys lead to, by name: at each size, then in each theme at the middle size."""
    taken = {}
    async with app.run_test(size=sizes[0]) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        async for columns, lines in at_each(pilot, sizes):
            await settle(pilot)
            taken[f"{columns}x{lines}"] = picture(app)
        async for columns, lines in at_each(pilot, [MIDDLE] if themes else []):
            for theme in themes:
                app.theme = theme
                await idle(pilot)
                await settle(pilot)
                taken[f"{columns}x{lines}-{theme}"] = picture(app)
    return taken


async def console(name: str, sizes: Sequence[Size], themes: Sequence[str] = ()) -> dict[str, str]:
    project = loop(deciding=name == "proposals")
    with project.engine():
        taken = await shots(project.app(theme="dark"), sizes, SCREENS[name], themes)
    project.store.close()
    return taken


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
IN_THEMES = ("slots", "proposals", "rounds")
TOGETHER = [
    *((name, [MIDDLE] if name in ONE_SIZE else SIZES) for name in SCREENS if name != "confirm"),
    *(("confirm", [size]) for size in SIZES),  # what a dialog covers is not read again while it is open
]
"""Pictures that are taken in one console, which is resized."""


@pytest.fixture
def before(snapshot: Any) -> Any:
    """The stored picture of a name."""
    return snapshot.with_defaults(extension_class=Picture)


@pytest.mark.parametrize(("name", "sizes"), TOGETHER, ids=[f"{name}-{sizes[0][0]}" for name, sizes in TOGETHER])
async def test_console(still: Any, before: Any, name: str, sizes: list[Size]) -> None:
    themes = ("light", "okabe-ito") if name in IN_THEMES else ()
    for shown, taken in (await console(name, sizes, themes)).items():
        assert taken == before(name=f"{name}-{shown}")


async def test_welcome(still: Any, before: Any) -> None:
    for shown, taken in (await shots(WelcomeApp(Path("/data/act-ot"), preferences=Preferences()), SIZES)).items():
        assert taken == before(name=shown)


async def test_plan(still: Any, before: Any) -> None:
    for shown, taken in (await shots(PlanApp("tau sweep", PLAN), SIZES)).items():
        assert taken == before(name=shown)


async def test_a_picture_does_not_depend_on_when_and_where_it_was_taken(
    still: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await console("run-launch", [MIDDLE])
    elsewhere = tmp_path / "another" / "folder with a name"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert await console("run-launch", [MIDDLE]) == first
    assert str(tmp_path) not in first["120x40"]
