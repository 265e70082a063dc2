"""Convert a command into the text of `autoloop.toml`, a base config if there is none yet, and a report of assumptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from autoloop.adoption import settings_text
from autoloop.adoption.arguments import read_arguments
from autoloop.adoption.command import Command
from autoloop.adoption.draft import Ask, Draft
from autoloop.adoption.known import trainer_of
from autoloop.adoption.own_table import fill_table
from autoloop.adoption.script import read_script
from autoloop.adoption.shipped import use_preset
from autoloop.secrets.names import is_secret
from autoloop.settings import Settings


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Queries about the environment. Each answers at once, or within the time that importing a trainer takes."""

    cwd: Path
    gpus: list[int] | None
    """The GPU indices of this machine; None if it has no usable GPU."""
    ask: Ask | None = None
    """Asks the user at the terminal and returns the answer; None without a terminal."""
    interpreter: Callable[[str], str | None]
    """The path of the interpreter that a word of the command refers to; None if it is Auto Loop's own."""
    found: Callable[[str], str | None]
    """The path of a program, as a shell finds it."""
    version: Callable[[str, str], str | None]
    """The version of a package in an interpreter's environment (an empty interpreter is Auto Loop's own)."""


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    settings: str
    """The text of autoloop.toml."""
    base: tuple[str, str] | None
    """The name and text of the base config; None if the trainer's own config file is used."""
    report: list[tuple[str, str]]
    """Everything recognised, assumed or left out, as a subject and a sentence."""
    flags: list[str]
    """Additional flags that `run`, `doctor` and `try` need."""


def adopt(command: Command, world: World) -> Adoption:
    """Convert a command. UserError if no table can express it, or its config cannot be read."""
    script = read_script(world.cwd, command.script, command.module)
    arguments = read_arguments(command.arguments, script.flags)
    words = [each.text for each in arguments if each.kind == "word"]
    trainer = trainer_of(command.program, command.module, script.source, words)
    draft = Draft(command=command, cwd=world.cwd, script=script, trainer=trainer, arguments=arguments, ask=world.ask)
    draft.python = _interpreter(draft, world)
    draft.say("trainer", trainer.name if trainer else "not a known trainer: using its command and source")
    _gpus_here(draft, world)
    _environment(draft)
    if trainer and trainer.presets:
        use_preset(draft, world.version)
    else:
        fill_table(draft)
    for name, value in draft.env.items():
        if value != "{seed}":
            draft.say("env", f"{name}={value} for every run")
    _program(draft, world)
    for sentence in command.left_out:
        draft.say("left out", sentence)
    settings = settings_text.settings_text(draft)
    settings_text.check(settings, draft)
    return Adoption(settings=settings, base=draft.base_file, report=draft.report, flags=draft.run_flags)


def _interpreter(draft: Draft, world: World) -> str:
    """The interpreter that autoloop.toml names; empty for Auto Loop's own."""
    if "{python}" not in draft.command.start:
        return ""
    found = world.interpreter(draft.command.python)
    if found:
        draft.say("python", f"{found}, started by the command")
    return found or ""


def _program(draft: Draft, world: World) -> None:
    first = draft.command.start[0]
    if "preset" in draft.settings or "{" in first:
        return
    if "/" in first and not (draft.cwd / first).exists():
        draft.say("program", f"{first} does not exist in {draft.cwd}")
    elif "/" not in first and world.found(first) is None:
        draft.say("program", f"{first} was not found: activate its environment before you start Auto Loop")


def _environment(draft: Draft) -> None:
    """Process the variables set in front of the command."""
    for name, value in draft.command.env.items():
        if name == "CUDA_VISIBLE_DEVICES":
            _gpus(draft, value)
        elif name in ("WANDB_MODE", "WANDB_DIR", "WANDB_RUN_ID", "WANDB_SILENT", "PYTHONUNBUFFERED", "PYTHONPATH"):
            if name == "PYTHONPATH":
                draft.table["python_path"] = [each for each in value.split(":") if each and not each.startswith("$")]
                draft.say("python_path", f"{value} goes before PYTHONPATH")
            else:
                draft.say("left out", f"{name}={value}: Auto Loop sets it (--wandb-online records online)")
        elif is_secret(name, value):
            draft.say("left out", f"{name}: a secret is not written to a file; export it before you start Auto Loop")
        else:
            draft.env[name] = value


def _gpus_here(draft: Draft, world: World) -> None:
    """Set the GPUs, so that the suggested next command works unchanged on this machine."""
    if world.gpus is None:
        draft.on_cpu = True
        draft.say("gpus", "no usable GPU on this machine; use --device cpu to debug")
    elif world.gpus != Settings().gpus:
        draft.settings["gpus"] = world.gpus
        draft.say("gpus", f"{', '.join(map(str, world.gpus))}, all on this machine; --gpus selects others")


def _gpus(draft: Draft, value: str) -> None:
    numbers = [part.strip() for part in value.split(",")]
    if value in ("", "-1"):
        draft.on_cpu = True
        draft.say("device", "the command hides all GPUs, so use --device cpu")
    elif all(part.isdigit() for part in numbers):
        draft.settings["gpus"] = list(map(int, numbers))
        draft.say("gpus", f"{', '.join(numbers)}, from CUDA_VISIBLE_DEVICES; --gpus selects others")
    else:
        draft.say("left out", f"CUDA_VISIBLE_DEVICES={value}: select GPUs by number with --gpus")
