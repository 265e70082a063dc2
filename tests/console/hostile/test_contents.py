"""Whatever the logs, histories, names and number of rows, the console draws nothing that a terminal would interpret."""

from __future__ import annotations

import json
import os
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
    StopCause,
    StopKind,
)

from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.hostile.driving import (
    HOSTILE_LOG,
    NAMES,
    SCREENS,
    back_to_slots,
    console,
    family,
    harmless,
    look,
    press,
)
from tests.console.pictures import text
from tests.console.projects import CONFIG, RecordedProject, curve, history, output_of
from tests.console.running import Size, on_top

SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_a_hostile_log_is_harmless_and_what_is_left_out_of_it_is_said(project: RecordedProject, size: Size) -> None:
    family(project, log=HOSTILE_LOG)

    async with console(project, size) as pilot:
        for keys in ([], ["enter", "2"]):  # in Slots, then on its own
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
        assert "not a regular file" in text(pilot.app)


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


def big(value: int = 0, keys: int = 2000) -> Any:
    return {**CONFIG, "block": {f"key_{n:04d}": value if n % 500 == 7 else n for n in range(keys)}}


@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.faults), SIZES[-1]])
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
        assert "+" in text(pilot.app)  # a row of the queue with more than one change
        await press(pilot, "j", "enter", *["J"] * 5)
        assert "of 2 0" in text(pilot.app)  # the number of rows


async def test_500_proposals_are_counted_and_the_last_is_reached(project: RecordedProject) -> None:
    base = project.run("base")
    project.round(1, RoundState.DECIDING)
    with project.store.transaction():
        for n in range(500):
            change = Change(path="ot.lambda_ot", before=0.1, after=n)
            project.proposal(base, [f"ot.lambda_ot={n}"], changes=[change], reason=f"reason {n}")

    for size in (SIZES[0], SIZES[-1]):
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

    for size in (SIZES[0], SIZES[-1]):
        async with console(project, size) as pilot:
            await press(pilot, "r")
            assert "of 5000" in text(pilot.app).replace(" ", "").replace("of", "of ")
            await press(pilot, "G")
            assert "act_0049" in text(pilot.app)
            await press(pilot, "g", "ctrl+d", "slash", *"act_4321", "enter")
            assert "act_4321" in text(pilot.app)
            assert "past4321" in text(pilot.app) or size == (80, 24)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *((kind, (200, 50)) for kind in NAMES),
        ("control", (80, 24)),
        *(pytest.param(kind, (160, 45), marks=pytest.mark.faults) for kind in NAMES),
    ],
)
async def test_hostile_names_are_harmless_on_every_screen(project: RecordedProject, kind: Any, size: Size) -> None:
    """On the largest terminal, each kind of name is tested on every other screen; on the others, on every screen."""
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

    shown = list(SCREENS.values())[list(NAMES).index(kind) % 2 :: 2] if size == (200, 50) else list(SCREENS.values())
    if ["r"] not in shown:
        shown.append(["r"])
    async with console(project, size) as pilot:
        for keys in shown:
            await press(pilot, *keys, *(["j", "l"] if keys != ["x"] else []))
            await look(pilot, 5)
            if kind == "markup" and keys == ["r"]:
                assert "[bold red]x[/]"[:9] in text(pilot.app)
            back_to_slots(pilot.app)
            await press(pilot, "s", "L", "g")
