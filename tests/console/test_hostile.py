"""What a hostile or unlucky machine can put before the console: it stays up, it paints nothing that a terminal would act
upon, and it says what is missing or left out."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.configs import diff
from autoloop.model import (
    Actor,
    Change,
    Evidence,
    LoopEnd,
    LoopEndKind,
    Observation,
    RoundState,
    Run,
    RunState,
    StopCause,
    StopKind,
)
from rich.cells import cell_len
from textual import geometry
from textual.app import App
from textual.pilot import Pilot

import autoloop_tui.console.app
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.screens.plan import PlanApp
from autoloop_tui.console.screens.welcome import WelcomeApp
from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.pictures import picture, rows, text
from tests.console.projects import CONFIG, RecordedProject, curve, history, output_of
from tests.console.running import ConsolePilot, Size, on_top, run_app
from tests.console.waiting import laid_out, processed, resize_now, until

SIZES = [(80, 24), (120, 40), (200, 50)]
SCREENS = {
    "slots": [],
    "slots-charts": ["m"],
    "slots-config": ["d"],
    "queue": ["e"],
    "proposals": ["p"],
    "rounds": ["r"],
    "compare": ["c"],
    "run-charts": ["enter"],
    "run-log": ["enter", "2"],
    "run-config": ["enter", "3"],
    "run-launch": ["enter", "4"],
    "help": ["question_mark"],
    "confirm": ["x"],
}
"""The keys that lead from the first screen to each."""

NAMES = {
    "markup": "[bold red]x[/] [@click=app.quit()]y[/]",
    "control": "a\x1b[31mb\x1b]0;t\x07c\rd\ne\x00f\x9b2Jg\x7f",
    "rtl": "שלום \u202egnp.exe\u202c مرحبا \u200f\u2066x\u2069",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 e\u0301\u0302\u0303 搬运 \ufeff\u200b z\u0489\u0489",
}


@pytest.fixture(autouse=True)
def clock_turned_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoloop_tui.console.app, "CLOCK", 1e6)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    made = RecordedProject(tmp_path)
    yield made
    made.store.close()


def family(
    project: RecordedProject, name: str = "variant", log: str | bytes = "INFO step 1\nINFO the end\n", **more: Any
) -> Run:
    """A finished run, a running variant of it in slot 0, one that waits, and a pending proposal."""
    base = project.run("base", log="INFO fine\n")
    config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.15}}
    running = project.run(name, RunState.RUNNING, base=base, config=config, log=log, **more)
    project.run("waits", RunState.QUEUED, base=base, config={**CONFIG, "seed": 7})
    change = Change(path="ot.loss_config.reg", before=0.1, after=0.16)
    project.proposal(base, ["ot.loss_config.reg=0.16"], changes=[change])
    return running


@asynccontextmanager
async def drive(app: App[Any], size: Size = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    """Any app, after some turns of its clock."""
    async with app.run_test(size=size) as pilot:
        await look(pilot)
        yield pilot


@asynccontextmanager
async def console(project: RecordedProject, size: Size = (120, 40)) -> AsyncIterator[ConsolePilot]:
    """The console on a loop that has an engine."""
    async with run_app(project.app(), size, engine=project) as pilot:
        await look(pilot)
        yield pilot


async def look(pilot: Pilot[Any], turns: int = 4) -> None:
    """Some turns of the console's clock; then nothing on the screen is wrong."""
    for _ in range(turns):
        if isinstance(pilot.app, ConsoleApp):
            pilot.app.tick()
        await processed(pilot)
    await pilot.pause()
    # Laid out anew after a resize.
    await until(pilot, lambda: laid_out(pilot.app), "the new size")
    harmless(pilot.app)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
    await look(pilot)


TIMES = pytest.mark.parametrize("times", [30, pytest.param(300, marks=pytest.mark.faults)])


async def resize_often(pilot: Pilot[Any], times: int, seed: Any) -> None:
    """To sizes from one cell to 250 by 80, in bursts that outrun the painting, with a look now and then."""
    sizes = random.Random(seed)
    for n in range(times):
        size = geometry.Size(1, 1) if n == times // 2 else geometry.Size(sizes.randint(1, 250), sizes.randint(1, 80))
        resize_now(pilot.app, size)
        if n % 4 == 0:
            await processed(pilot)
        if n % 10 == 0:
            await look(pilot, 1)
    await pilot.resize_terminal(120, 40)
    await look(pilot)


def back_to_slots(app: Any) -> None:
    while len(app.screen_stack) > 2:
        app.pop_screen()


def harmless(app: App[Any]) -> None:
    """Every row is as wide as the terminal and holds nothing but printable characters of a known width."""
    painted = rows(app)
    assert len(painted) == app.size.height
    for row in painted:
        line = "".join(segment.text for segment in row)
        acting = [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert not acting, f"{acting!r} in {line!r}"
        assert cell_len(line) == app.size.width, line


# ---------------------------------------------------------------------------------------------------------------- logs

HOSTILE_LOG = (
    b"\x1b[31mred\x1b[0m \x1b[2J\x1b[H cleared [bold]markup[/bold] \x1b]0;a title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"
    b"\x1b]52;c;cGFzdGU=\x07\x1bP1;2|dcs\x1b\\ pasteboard\n"
    b"\xff\xfe\x80 invalid \xe6\x97 cut\n"
    + "搬运 wide, e\u0301\u0302 combining, 👩‍👩‍👧 joined, \u202e right to left\n".encode()
    + b"\r".join(b"%d%%|#### | %d/200000" % (n // 2000, n) for n in range(0, 200_000, 10))
    + b"\n"
    + b"w" * (10 << 20)
    + b"\n\x00\x01\x02\x9b31mC1\nINFO the last line\n"
)


@pytest.mark.parametrize("size", SIZES)
async def test_a_hostile_log_is_harmless_and_what_is_left_out_of_it_is_said(project: RecordedProject, size: Size) -> None:
    family(project, log=HOSTILE_LOG)

    async with console(project, size) as pilot:
        for keys in ([], ["enter", "2"]):  # in Slots, then alone
            await press(pilot, *keys)
            assert "INFO the last line" in text(pilot.app)
            assert "\\xff\\xfe\\x80 invalid" in text(pilot.app)
        log = pilot.app.screen.query_one("#part-log", LogTail)
        for _ in range(1100):
            if "… a line of 10M" in text(pilot.app):
                break
            log.action_sideways(size[0] // 24)
        else:
            raise AssertionError("nothing says how long the line is")
        harmless(pilot.app)


async def test_a_log_that_is_deleted_replaced_or_made_a_folder_is_followed_or_said(project: RecordedProject) -> None:
    running = family(project)
    log = project.store.places.attempt(f"{running.id}-1") / "log.txt"

    async with console(project) as pilot:
        await press(pilot, "enter", "2")
        log.unlink()
        await look(pilot)
        assert "the log file is gone" in text(pilot.app)
        log.write_text("INFO a new file\n")
        await look(pilot)
        assert "INFO a new file" in text(pilot.app)
        log.unlink()
        log.mkdir()
        await look(pilot)
        assert "not a file that can be followed" in text(pilot.app)


# ------------------------------------------------------------------------------------------------------------- terminal


@TIMES
@pytest.mark.parametrize("screen", [name for name in SCREENS if name not in ("queue", "slots-config", "run-launch")])
async def test_a_screen_survives_a_terminal_of_any_size_and_is_right_afterwards(
    project: RecordedProject, screen: Any, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    family(project)

    async with console(project) as pilot:
        await press(pilot, *SCREENS[screen])
        await look(pilot)
        before = picture(pilot.app)
        await resize_often(pilot, times, screen)
        assert picture(pilot.app) == before


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_screen_opens_on_a_terminal_of_one_cell(project: RecordedProject, screen: Any) -> None:
    family(project)

    async with console(project, (1, 1)) as pilot:
        await press(pilot, *SCREENS[screen])
        await press(pilot, "j", "k", "G", "tab", "l")
        await pilot.resize_terminal(80, 24)
        await look(pilot)
        assert text(pilot.app).strip()


@TIMES
@pytest.mark.parametrize("kind", ["plan", "welcome"])
async def test_the_plan_and_the_welcome_survive_a_terminal_of_any_size(tmp_path: Path, kind: Any, times: int) -> None:
    hostile = " ".join(NAMES.values())
    made = PlanApp(hostile, f"a plan\n{hostile}\n" * 50) if kind == "plan" else None
    app = made or WelcomeApp(Path(hostile.replace("\x00", "")), preferences=Preferences())

    async with drive(app) as pilot:
        before = picture(pilot.app)
        await resize_often(pilot, times, kind)
        assert picture(pilot.app) == before


# ------------------------------------------------------------------------------------------------------------ histories


@pytest.mark.parametrize("screen", ["slots-charts", "run-charts", "compare", "rounds"])
async def test_a_history_that_shrinks_is_replaced_or_goes_is_read_anew(project: RecordedProject, screen: Any) -> None:
    running = family(project)
    path = history(output_of(running), {"train/l1_loss": curve(), "eval/offline_eval/avg_l1": curve(10, 1.2, 0.2)})

    async with console(project) as pilot:
        await press(pilot, *SCREENS[screen])
        if screen == "compare":
            pilot.app.marked = [running.id]
            on_top(pilot.app, CompareScreen).refresh_view()
        await look(pilot, 12)
        with path.open("r+") as file:
            file.truncate(path.stat().st_size // 3 + 5)
        await look(pilot, 12)
        other = path.with_suffix(".new")
        other.write_text("".join(json.dumps({"_step": n, "eval/offline_eval/avg_l1": 0.777}) + "\n" for n in range(40)))
        os.replace(other, path)
        await look(pilot, 12)
        assert "0.777" in text(pilot.app)
        path.unlink()
        await look(pilot, 12)
        path.write_bytes(b'\x00\xff{not json\n[1,2]\n{"_step": "x"}\n' * 1000)
        await look(pilot, 12)


# ----------------------------------------------------------------------------------------------------------- great many


def big(value: int = 0, keys: int = 2000) -> Any:
    return {**CONFIG, "block": {f"key_{n:04d}": value if n % 500 == 7 else n for n in range(keys)}}


@pytest.mark.parametrize("size", SIZES)
async def test_a_config_of_2000_keys_is_read_compared_and_changed(project: RecordedProject, size: Size) -> None:
    base = project.run("base", config=big())
    variant = project.run("variant", config=big(5), base=base)
    changes = diff(big(), big(5))
    project.proposal(base, [f"{c.path}={c.after}" for c in changes], changes=changes)
    every = diff({**CONFIG, "block": {}}, big())
    project.proposal(base, [f"{c.path}={c.after}" for c in every], changes=every)

    async with console(project, size) as pilot:
        pilot.app.open_run(variant.id)
        await look(pilot)
        await press(pilot, "3")
        assert "block.key_0007  0 → 5" in text(pilot.app)
        await press(pilot, "G")
        assert '"key_1999": 1999' in text(pilot.app)
        await press(pilot, "q", "c")
        assert "4 of 2009 differ" in text(pilot.app)
        await press(pilot, "d", "G")
        assert "block.key_1999" in text(pilot.app) or "seed" in text(pilot.app)
        await press(pilot, "q", "p")
        assert "+" in text(pilot.app)  # more than one change in a row of the queue
        await press(pilot, "j", "enter", *["J"] * 5)
        assert "of 20" in text(pilot.app)  # how many rows there are


async def test_500_proposals_are_counted_and_the_last_is_reached(project: RecordedProject) -> None:
    base = project.run("base")
    project.round(1, RoundState.DECIDING)
    with project.store.transaction():
        for n in range(500):
            change = Change(path="ot.lambda_ot", before=0.1, after=n)
            project.proposal(base, [f"ot.lambda_ot={n}"], changes=[change], reason=f"reason {n}")

    for size in SIZES:
        async with console(project, size) as pilot:
            await press(pilot, "p")
            assert "500 pending" in text(pilot.app)
            assert "#1 " in text(pilot.app)
            await press(pilot, "G")
            assert "#500 " in text(pilot.app)
            await press(pilot, "k", "ctrl+u", "j", "ctrl+d", "g")
            assert "#1 " in text(pilot.app)


async def test_5000_past_runs_are_counted_and_the_last_is_reached(project: RecordedProject) -> None:
    first = project.run("first")
    with project.store.transaction():
        for n in range(1, 5000):
            round_ = 1 + n // 50
            if n % 50 == 0:
                project.round(round_, RoundState.DONE)
            past = msgspec.structs.replace(first, id=f"past{n:04d}", name=f"act_{n:04d}", round=round_, position=n)
            project.store.put_run(past)

    for size in SIZES:
        async with console(project, size) as pilot:
            await press(pilot, "r")
            assert "of 5000" in text(pilot.app).replace(" ", "").replace("of", "of ")
            await press(pilot, "G")
            assert "act_0049" in text(pilot.app)
            await press(pilot, "g", "ctrl+d", "slash", *"act_4321", "enter")
            assert "act_4321" in text(pilot.app)
            assert "past4321" in text(pilot.app) or size == (80, 24)


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(("kind", "size"), [*((kind, (200, 50)) for kind in NAMES), ("control", (80, 24))])
async def test_hostile_names_are_harmless_on_every_screen(project: RecordedProject, kind: Any, size: Size) -> None:
    name = NAMES[kind]
    project.change_loop(spec=msgspec.structs.replace(project.spec, name=name), end=LoopEnd(kind=LoopEndKind.USER, text=name))
    base = project.run("base", metrics={f"train/{name}": curve(), "eval/offline_eval/avg_l1": curve(10, 1.2, 0.2)})
    metrics = {f"train/{name}": curve(), "eval/offline_eval/avg_l1": curve(10, 1.2, 0.2)}
    config = {**CONFIG, name: {name: name}}
    running = family(project, metrics=metrics)
    running = msgspec.structs.replace(
        running, name=name, reason=name, source_path=name, wandb_url=name, base_run=base.id, changes=diff(CONFIG, config)
    )
    project.store.put_run(running)
    Path(running.config_path).write_text(json.dumps(config))
    seen = Observation(name=name, value=name, op="<", threshold=name, holds=True, metric=f"train/{name}")
    proof = Evidence(rule=name, rule_version=name, when=name, observations=[seen])
    change = Change(path=f"{name}.{name}", before=None, after=name, created=True, note=name)
    project.proposal(
        running,
        [f"a={name}"],
        author=Actor.rule(f"{name}"),
        reason=name,
        changes=[change],
        evidence=proof,
        notes=[name],
        note=name,
        decided_by=Actor.person(name),
        blocked=name,
    )
    project.attempt(
        running, number=2, argv=[name, f"--{name}={name}"], cause=name, stop=StopCause(kind=StopKind.USER, text=name)
    )

    async with console(project, size) as pilot:
        for keys in SCREENS.values():
            await press(pilot, *keys, *(["j", "l"] if keys != ["x"] else []))
            await look(pilot, 5)
            if kind == "markup" and keys == ["r"]:
                assert "[bold red]x[/]"[:9] in text(pilot.app)
            back_to_slots(pilot.app)
            await press(pilot, "s", "l", "g")


# ------------------------------------------------------------------------------------------- what goes or is not known


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


@pytest.mark.parametrize("screen", SCREENS)
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
