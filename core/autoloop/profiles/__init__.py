"""Data about particular methods and trainers. Nothing outside this package names one.

A method (`act_ot/`) has metrics, rules and guards; a trainer (`lerobot/`) has launch presets, causes of failures and guards.
`profile.toml` has the rest. For other trainers only the command line is known: `presets/` has a launch preset for each. A
method applies exactly to the configs that have its block, regardless of the trainer: `methods_of`. Each file is parsed by
the package that uses its kind of data.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import filter as filter_names
from functools import cache
from pathlib import Path

import msgspec

from autoloop.model import LoopSpec
from autoloop.model.structs import convert

METHODS, TRAINERS = ("act_ot",), ("lerobot",)
FOLDER = Path(__file__).parent  # importlib.resources would load zipfile
PROFILES = (*METHODS, *TRAINERS)
"""All profiles, in the order in which their data are combined."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`profile.toml`: defaults, used unless flags or the project's settings say otherwise."""

    applies_to: str | None = None
    """For a method: the top-level block that marks the configs to which it applies."""
    logs: tuple[str, ...] = ()
    """For a method: metric names (shell patterns) that only its runs log, to recognise it without a config."""
    preset: str | None = None
    """The launch preset."""
    reports: str | None = None
    """A folder of the trainer's repository, relative to the project: reports go below it if it exists."""
    markdown: str | None = None
    """The file name of the Markdown report."""
    integers: tuple[str, ...] = ()
    """Config fields that hold integers, as patterns of `FieldTypes`."""


def default_preset() -> str:
    """The name of the launch preset for projects that set none."""
    return next(each.preset for each in _profiles() if each.preset)


def report_folders() -> list[str]:
    """Folders, relative to the project, below which reports go if they exist."""
    return [each.reports for each in _profiles() if each.reports]


def methods_of(config: Mapping[str, object]) -> tuple[str, ...]:
    """The methods that apply to a config: those whose block it has."""
    named = ((method, _profile(method).applies_to) for method in METHODS)
    return tuple(method for method, block in named if block and isinstance(config.get(block), Mapping))


def planned_methods(spec: LoopSpec) -> tuple[str, ...]:
    """The methods that apply to a planned loop."""
    return METHODS if spec.methods is None else tuple(spec.methods)


def methods_logging(names: Iterable[str]) -> tuple[str, ...]:
    """The methods recognised by these metric names."""
    logged = set(names)
    return tuple(method for method in METHODS if any(filter_names(logged, each) for each in _profile(method).logs))


def blocks_of_methods() -> dict[str, str]:
    """The block of a config to which each method applies, by method."""
    return {method: block for method in METHODS if (block := _profile(method).applies_to)}


def markdown_name(methods: Iterable[str]) -> str:
    """The file name of the Markdown report for projects that set none."""
    return next((name for method in methods if (name := _profile(method).markdown)), "autoloop.md")


def integer_fields() -> tuple[str, ...]:
    """Config fields that hold integers, as patterns of `FieldTypes`."""
    return tuple(pattern for each in _profiles() for pattern in each.integers)


def texts(name: str, profiles: Iterable[str] = PROFILES) -> list[str]:
    """The text of the file with this name (`metrics.toml`) in each profile that has one."""
    found = (_folder(profile) / name for profile in profiles)
    return [file.read_text(encoding="utf-8") for file in found if file.is_file()]


def path(name: str) -> Path:
    """The first file with this name in any profile."""
    return next(file for profile in PROFILES if (file := _folder(profile) / name).is_file())


def presets() -> Iterator[Path]:
    """The launch presets, one TOML file each."""
    for folder in (_folder("presets"), *(_folder(profile) / "presets" for profile in PROFILES)):
        if folder.is_dir():
            yield from folder.iterdir()


def command_lines() -> Path:
    """The file about the command lines of all known trainers."""
    return FOLDER / "command_lines.toml"


@cache
def agent_variables() -> dict[str, str]:
    """The environment variables that identify coding agents -> the agent's name; empty if the value is the name."""
    text = (FOLDER / "agents.toml").read_text(encoding="utf-8")
    found: dict[str, str] = tomllib.loads(text)["variables"]
    return found


def _profiles() -> tuple[Profile, ...]:
    return tuple(map(_profile, PROFILES))


@cache
def _profile(name: str) -> Profile:
    return convert(tomllib.loads((_folder(name) / "profile.toml").read_text(encoding="utf-8")), Profile)


def _folder(profile: str) -> Path:
    return FOLDER / profile
