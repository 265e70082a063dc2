"""`generate`: variants of one config as files, and with --exec as a loop of their own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from autoloop.configs import Guarded, edits_from_mapping, parse_config
from autoloop.engine.variants import WrittenVariant, make_variant, write_variant
from autoloop.launch import load_preset
from autoloop.model import UserError
from autoloop.recipe import Asked, load_recipe
from autoloop.settings import load_settings
from autoloop.store import NoLoopYet, Store
from autoloop.text_files import read_text
from cyclopts import Parameter, Token

from autoloop_tui import plain
from autoloop_tui.commands import run as run_command
from autoloop_tui.commands import run_flags
from autoloop_tui.commands.proposals import change_text

REASON = "variant"
"""Said of a variant for which no reason is given."""
DEFAULTS = {"log_freq": 50, "eval_freq": 200, "concurrency": 1}
"""Numbers that `run` has as well: a command that is shown leaves them away."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A variant, checked and not yet written."""

    asked: Asked
    variant: Guarded


def _groups(_: Any, tokens: Sequence[Token]) -> list[list[str]]:
    """The words of each --changes: cyclopts numbers the words of every occurrence from 0."""
    groups: list[list[str]] = []
    for token in tokens:
        if token.index == 0:
            groups.append([])
        groups[-1].append(token.value)
    return groups


Groups = Parameter(consume_multiple=True, converter=_groups, n_tokens=-1)
Trainer = Parameter(consume_multiple=True, allow_leading_hyphen=True)


def generate(
    *,
    base_cfg: str | None = None,
    changes: Annotated[list[list[str]] | None, Groups] = None,
    reason: list[str] | None = None,
    recipe: str | None = None,
    out_dir: str | None = None,
    exec_: Annotated[bool, Parameter(name="--exec")] = False,
    steps: int = 2000,
    log_freq: int = 50,
    eval_freq: int = 200,
    concurrency: int = 1,
    gpus: str | None = None,
    device: str | None = None,
    wandb_online: bool = False,
    wandb_entity: str | None = None,
    wandb_project: str | None = None,
    preset: str | None = None,
    python: str | None = None,
    train_script: str | None = None,
    no_ui: bool = False,
    detach: bool = False,
    extra_args: Annotated[list[str] | None, Trainer] = None,
) -> int:
    """Write variants of a config, and with --exec train them as one loop.

    For each variant this prints `Wrote variant: PATH (REASON)` and what changes
    in it, and at the end the command that trains them. The same edits of the same
    config give the same file name; no other file is overwritten. If anything is
    wrong nothing is written.

    Parameters
    ----------
    base_cfg
        The config to start from (a JSON file). A recipe may name it instead.
    changes
        The edits of one variant, as path@op=value (set, new, mul, add, min, max) or path@del, or as JSON,
        '{"path@op": value}'. Given again, it is another variant.
    reason
        Why: once for all variants, or once for each --changes.
    recipe
        The variants of a recipe, in place of --changes: a shipped name (pi-unlock) or the path of a .toml file.
    out_dir
        Where the files go; beside the base by default.
    exec_
        Train them: a loop of one round with these variants.
    steps
        Optimiser steps of each run.
    log_freq
        Steps between two logged points.
    eval_freq
        Steps between two evaluations.
    concurrency
        How many runs at a time: one on each of the first so many GPUs.
    gpus
        GPU indices, as 0,1,2,3; "" is the CPU.
    device
        cuda (the default) or cpu, for debugging.
    wandb_online
        Record with W&B online; needs a key, an entity and a project. The default is offline.
    wandb_entity
        W&B entity.
    wandb_project
        W&B project.
    preset
        How a run is launched: lerobot, lerobot-0.6, plain, or the path of a preset file.
    python
        The interpreter of the training environment.
    train_script
        The training script, where the preset's is not the one.
    no_ui
        With --exec: no screen, one line an event.
    detach
        With --exec: start it in the background and return at once.
    extra_args
        More arguments for the trainer, as --a.b=c. Stands last: whatever follows it goes to the trainer.
    """
    cwd = Path.cwd()
    settings = load_settings(cwd)
    chosen = load_preset(run_flags.preset_of(cwd, preset or settings.preset))
    extra = run_flags.trainer_arguments(extra_args or [])
    base, asked = _what_is_asked(base_cfg, changes, reason, recipe)
    base_text = read_text(base, "config")
    config = parse_config(base_text, str(base))
    by_hash: dict[str, str] = {}
    made: list[Made] = []
    for each in asked:
        variant = make_variant(
            config,
            each.edits,
            fields=settings.field_types(),
            preset=chosen,
            steps=steps,
            extra=extra,
            seen=lambda hash_: _where_run(cwd, hash_),
        )
        if variant.blocked:
            raise UserError(f"Nothing was written, because of {_called(each, asked)}: {variant.blocked}")
        if variant.hash in by_hash:
            raise UserError(f"{_called(each, asked)} is the same training as {by_hash[variant.hash]}; leave one away.")
        by_hash[variant.hash] = _called(each, asked)
        made.append(Made(asked=each, variant=variant))

    folder = Path(out_dir).expanduser() if out_dir is not None else base.parent
    files: list[WrittenVariant] = []
    told = False

    def tell() -> None:
        nonlocal told
        told = True
        print("\n\n".join(_text(each, file) for each, file in zip(made, files, strict=True)))

    try:
        for each in made:
            files.append(write_variant(folder, base.stem, base_text, each.variant))
        paths = [str(file.path) for file in files]
        launch: dict[str, Any] = {
            "steps": steps, "log_freq": log_freq, "eval_freq": eval_freq, "concurrency": concurrency, "gpus": gpus,
            "device": device, "wandb_online": wandb_online, "wandb_entity": wandb_entity, "wandb_project": wandb_project,
            "preset": preset, "python": python, "train_script": train_script,
        }  # fmt: skip
        if exec_:
            name = asked[0].reason if len(asked) == 1 else None
            return run_command.run(
                cfgs=paths, **launch, extra=extra, name=name, exec_=True, no_ui=no_ui, detach=detach, accepted=tell
            )
    except UserError:
        for file in files:
            if file.new and not told:
                file.path.unlink(missing_ok=True)
        raise
    tell()
    command = ["autoloop-tui", "run", "--cfgs", *paths, *_flags(launch), "--exec"]
    print(f"\nTrain {'it' if len(made) == 1 else 'them'}: {plain.printable(shlex.join(command + _trainer(extra)))}")
    print("Without --exec that shows the trainer's own command.")
    return 0


def _what_is_asked(
    base: str | None, changes: list[list[str]] | None, reasons: list[str] | None, recipe: str | None
) -> tuple[Path, list[Asked]]:
    """The base and the variants wanted from it: a recipe's, or those of the flags. UserError names the flag."""
    if recipe is not None:
        if changes or reasons:
            raise UserError("--recipe says what changes and why; leave --changes and --reason away.")
        read = load_recipe(recipe)
        if base is None and read.base is None:
            raise UserError(f"The recipe {read.name} names no base; name a config with --base-cfg.")
        return Path(base or read.base or "").expanduser(), read.variants
    if base is None:
        raise UserError("No config was given to start from: name one with --base-cfg.")
    groups = [_edits(words) for words in changes or []]
    if not groups or not all(groups):
        raise UserError("Say what changes: --changes path@op=value …, or --recipe with a recipe.")
    reasons = reasons or [REASON]
    if len(reasons) not in (1, len(groups)):
        raise UserError(f"{len(reasons)} --reason for {len(groups)} --changes: give one for all, or one for each.")
    reasons = reasons * len(groups) if len(reasons) == 1 else reasons
    return Path(base).expanduser(), [Asked(reason=r, edits=e) for r, e in zip(reasons, groups, strict=True)]


def _edits(words: list[str]) -> list[str]:
    """The edits of one --changes: texts as they are, objects of JSON taken apart."""
    edits: list[str] = []
    for word in words:
        as_json = word.lstrip().startswith("{")
        edits += edits_from_mapping(parse_config(word, "--changes")) if as_json else [word]
    return edits


def _where_run(project: Path, hash_: str) -> str | None:
    try:
        with Store.open(project) as store:
            return store.where_run(hash_)
    except NoLoopYet:
        return None


def _called(each: Asked, asked: list[Asked]) -> str:
    number = next(number for number, other in enumerate(asked, 1) if other is each)
    name = f"variant {number}" if len(asked) > 1 else "the variant"
    return name if each.reason == REASON else f"{name} ({each.reason})"


def _text(made: Made, file: WrittenVariant) -> str:
    changes = made.variant.changes
    wide = max(plain.width(change.path) for change in changes)
    # People's chain scripts read this line.
    lines = [f"Wrote variant: {file.path} ({made.asked.reason})"]
    lines += [f"    {plain.pad(change.path, wide)}  {change_text(change)}" for change in changes]
    noted = {change.note for change in changes}
    lines += [f"    note: {note}" for note in made.variant.notes if note not in noted]
    if not file.new:
        lines.append("    note: the file was there already, with just this content")
    return "\n".join(plain.printable(line) for line in lines)


def _flags(launch: dict[str, Any]) -> list[str]:
    """The flags of `run` that say the same; those left at their default are left away."""
    words: list[str] = []
    for name, value in launch.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value not in (None, False) and (name == "steps" or value != DEFAULTS.get(name)):
            words += [flag, str(value)]
    return words


def _trainer(extra: list[str]) -> list[str]:
    return ["--extra", *extra] if extra else []
