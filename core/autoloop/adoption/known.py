"""What is known of wrappers, launchers and trainers, as data: profiles/command_lines.toml."""

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
    """What starts a command in an environment (`uv run`). `takes`: its options that have a value in a word of its own."""

    words: tuple[str, ...]
    takes: tuple[str, ...] = ()


class Launcher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What starts several processes of a script. It is called as `words`, or by `python -m` as one of `modules`."""

    name: str
    words: tuple[str, ...]
    modules: tuple[str, ...]
    command: tuple[str, ...]
    """How a preset calls it where it is called as `words`: by the interpreter of the training environment."""
    processes: tuple[str, ...]
    """Its flags that say how many processes."""
    switches: tuple[str, ...] = ()
    """Its flags without a value."""
    adds: tuple[str, ...] = ()
    """Words that runs side by side need, unless a flag that begins with one of `unless` is given."""
    unless: tuple[str, ...] = ()


class Trainer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known trainer: told by its program, its module, a word before its flags, or what its script's source mentions."""

    name: str
    programs: tuple[str, ...] = ()
    """Ends of the path of its program or script, whole parts."""
    modules: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    positionals: tuple[str, ...] = ()
    """Shell patterns of its first argument that is no flag."""
    style: Literal["dashed-eq", "dashed-space", "hydra", "key-value"] | None = None
    values: Literal["json", "python"] = "json"
    config_flags: tuple[str, ...] = ()
    output: str = ""
    """The flag of the folder that a run writes to."""
    flags: dict[str, str] = {}
    """More flags for every run."""
    steps: tuple[str, ...] = ()
    seed: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    """Its flags without a value."""
    renames: dict[str, str] = {}
    """Flags of its own that must be given under another key."""
    folds: bool = False
    """A flag beside the config file stands for the key of that name in the file."""
    file_as_flags: bool = False
    """It takes the keys of its config file as flags too; beside a file it takes no flag."""
    constants: bool = False
    """Its config is the constants at the top of its script, which a Python file and flags replace."""
    dump: tuple[str, ...] = ()
    """Words that make it print its whole config instead of training."""
    extra: tuple[str, ...] = ()
    """Flags that it reads from the command line only, whatever its config says."""
    package: str = ""
    presets: tuple[str, ...] = ()
    """The launch presets that ship for it, for the versions of `package`."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How trainers call these things; compared without regard to `-` and `_`."""

    config: tuple[str, ...]
    output: tuple[str, ...]
    steps: tuple[str, ...]
    epochs: tuple[str, ...]
    seed: tuple[str, ...]
    device: tuple[str, ...]
    switches: tuple[str, ...]
    launch: tuple[str, ...]
    """What a launcher tells each process."""


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: Names
    wrapper: tuple[Wrapper, ...]
    launcher: tuple[Launcher, ...]
    trainer: tuple[Trainer, ...]


@functools.cache
def known() -> Known:
    text = profiles.command_lines().read_text(encoding="utf-8")
    return convert(tomllib.loads(text), Known)


def wraps(words: Sequence[str]) -> Wrapper | None:
    """The wrapper that a command begins with."""
    return next((each for each in known().wrapper if tuple(words[: len(each.words)]) == each.words), None)


def is_program(path: str) -> bool:
    """Whether a word is the program of a known trainer that is no script."""
    return any(_ends(path, end) for each in known().trainer for end in each.programs if not end.endswith(".py"))


def trainer_of(program: str, module: str, source: str, positionals: Sequence[str]) -> Trainer | None:
    """The known trainer that a command starts. `source`: the text of its script, if that could be read."""
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
    """A key as it is compared."""
    return key.strip("+~").lstrip("-").replace("-", "_")


def _ends(path: str, end: str) -> bool:
    return path == end or path.endswith(f"/{end}")
