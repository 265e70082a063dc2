"""The Run screen: the command that was or would be run, without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from autoloop import secrets
from autoloop.model import ExitRecord, RunState, StopCause, StopKind, WandbSpec

from tests.console.projects import RecordedProject
from tests.console.screens.run.driving import drive, press, seen


async def test_the_launch_part_shows_command_environment_places_and_attempts(project: RecordedProject) -> None:
    run = project.run("twice", RunState.FAILED, attempts=2, attempt={"exit": ExitRecord(signal=9), "cause": "killed"})
    project.attempt(
        run,
        number=2,
        exit=ExitRecord(code=3),
        cause="it broke",
        stop=StopCause(kind=StopKind.USER, text="asked by somebody"),
    )

    async with drive(project, run, (120, 60)) as (pilot, screen):
        await press(pilot, "4")
        text = seen(screen)
        assert "/usr/bin/python3 train.py" in text
        assert "signal 9 (SIGKILL)" in text
        assert "exit code 3" in text
        assert "it broke" in text
        assert "asked by somebody" in text
        assert "WANDB_RUN_ID" in text
        assert str(run.output_dir)[:40] in text


async def test_a_queued_run_shows_the_command_as_it_would_start(project: RecordedProject) -> None:
    run = project.run("later", RunState.QUEUED)

    async with drive(project, run) as (pilot, screen):
        assert "The run is queued" in seen(screen)
        await press(pilot, "2")
        assert "queued: the log" in seen(screen)
        await press(pilot, "4")
        text = seen(screen)
        assert "preview: the run has not started yet" in text
        assert "train.py" in text
        assert "none yet: it is queued" in text


async def test_secrets_are_never_shown(project: RecordedProject, tmp_path: Path) -> None:
    preset = tmp_path / "secret.toml"
    preset.write_text(
        'name = "secret"\ntitle = "t"\n'
        'argv = ["{python}", "--api-key=sesame1", "--token", "sesame2", "{script}", "{config}"]\n'
        'override_style = "file-only"\n[env]\nMY_SECRET_X = "sesame3"\nDB_PASSWORD = "sesame4"\nHARMLESS = "shown"\n'
    )
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset=str(preset), wandb=WandbSpec(online=True)))
    run = project.run("hush", RunState.QUEUED)

    async with drive(project, run, (120, 60)) as (pilot, screen):
        await press(pilot, "4")
        text = seen(screen)
        assert "sesame" not in text
        assert text.count(secrets.MASK) == 4
        assert "shown" in text


async def test_a_preset_that_is_gone_is_said(project: RecordedProject, variant: Any) -> None:
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset="/nowhere/preset.toml"))

    async with drive(project, variant, (120, 60)) as (pilot, screen):
        await press(pilot, "4")
        text = seen(screen)
        assert "The launch preset" in text
        assert "/usr/bin/python3 train.py" in text  # the command that was run is still known


def test_a_flag_with_an_innocent_name_is_shown() -> None:
    words = ["--policy.n_tokens=5", "--key_bits=3", "--wandb.api_key=x", "--password", "p", "last"]
    hidden = secrets.MASK
    assert secrets.shown_words(words) == [
        "--policy.n_tokens=5",
        "--key_bits=3",
        f"--wandb.api_key={hidden}",
        "--password",
        hidden,
        "last",
    ]
