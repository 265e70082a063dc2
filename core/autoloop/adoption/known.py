"""The known wrappers, launchers and trainers, read from profiles/command_lines.toml."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from autoloop import profiles
from autoloop.model.structs import convert


class Wrapper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that starts a command in an environment (`uv run`). `takes`: its options whose value is the next word."""

    words: tuple[str, ...]
    takes: tuple[str, ...] = ()


class Launcher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that starts several processes of a script, called as `words` or as `python -m` with one of `modules`."""

    name: str
    words: tuple[str, ...]
    modules: tuple[str, ...]
    command: tuple[str, ...]
    """What a preset writes instead of `words`, to use the interpreter of the training environment."""
    processes: tuple[str, ...]
    """Its flags for the number of processes."""
    switches: tuple[str, ...] = ()
    """Its flags without a value."""
    adds: tuple[str, ...] = ()
    """Options that parallel runs need, unless the command has a flag that begins with one of `unless`."""
    unless: tuple[str, ...] = ()


class Trainer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known trainer, recognised by its program, its module, its first positional argument, or its script's source."""

    name: str
    programs: tuple[str, ...] = ()
    """Path endings of its program or script, in whole components."""
    modules: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    """Strings in its script's source."""
    positionals: tuple[str, ...] = ()
    """Shell patterns for its first positional argument."""
    style: Literal["dashed-eq", "dashed-space", "hydra", "key-value"] | None = None
    values: Literal["json", "python"] = "json"
    config_flags: tuple[str, ...] = ()
    output: str = ""
    """The flag for the folder that a run writes to."""
    flags: dict[str, str] = {}
    """Additional flags for every run."""
    steps: tuple[str, ...] = ()
    seed: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    """Its flags without a value."""
    renames: dict[str, str] = {}
    """Its flags that must be passed under another key."""
    folds: bool = False
    """Every flag given with a config file sets the key of that name in the file, even one that the file lacks."""
    file_as_flags: bool = False
    """It accepts the keys of its config file as flags, but no flags together with a config file."""
    constants: bool = False
    """Its config is the constants at the top of its script; a Python file and flags override them."""
    dump: tuple[str, ...] = ()
    """Words that make it print its full config instead of training."""
    extra: tuple[str, ...] = ()
    """Flags that it reads only from the command line, not from its config."""
    package: str = ""
    presets: tuple[str, ...] = ()
    """Its bundled launch presets, each for certain versions of `package`."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names that trainers use for these flags and keys; `-` and `_` are equivalent."""

    config: tuple[str, ...]
    output: tuple[str, ...]
    steps: tuple[str, ...]
    epochs: tuple[str, ...]
    seed: tuple[str, ...]
    device: tuple[str, ...]
    switches: tuple[str, ...]
    launch: tuple[str, ...]
    """Flags that a launcher passes to each process."""


class KnownPrograms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: Names
    wrapper: tuple[Wrapper, ...]
    launcher: tuple[Launcher, ...]
    trainer: tuple[Trainer, ...]


@functools.cache
def known() -> KnownPrograms:
    text = profiles.command_lines().read_text(encoding="utf-8")
    return convert(tomllib.loads(text), KnownPrograms)


def wraps(words: Sequence[str]) -> Wrapper | None:
    """The wrapper that a command begins with, if any."""
    return next((each for each in known().wrapper if tuple(words[: len(each.words)]) == each.words), None)


def is_program(path: str) -> bool:
    """Whether a word is the program of a known trainer and not a Python script."""
    return any(_ends(path, end) for each in known().trainer for end in each.programs if not end.endswith(".py"))


def trainer_of(program: str, module: str, source: str, positionals: Sequence[str]) -> Trainer | None:
    """The known trainer that a command starts, if any. `source`: the text of its script, empty if unreadable."""
    first = positionals[0] if positionals else ""
    for each in known().trainer:
        if (
            any(_ends(program, end) for end in each.programs)
            or module in each.modules
            or any(mention in source for mention in each.mentions)
            or (first and any(fnmatchcase(first, pattern) for pattern in each.positionals))
        ):
            return each
    return None


def plain(key: str) -> str:
    """A key normalised for comparison."""
    return key.strip("+~").lstrip("-").replace("-", "_")


def _ends(path: str, end: str) -> bool:
    return path == end or path.endswith(f"/{end}")
