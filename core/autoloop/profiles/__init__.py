"""What Auto Loop knows of particular methods and trainers, as data. Nothing outside this package names one.

A method (`act_ot/`) has the metrics, rules and guards of what is trained; a trainer (`lerobot/`) has its launch presets, the
causes of its failures and its guards. `profile.toml` has the rest. Which profiles apply is stated here; each file is parsed
by the package whose kind of data it holds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

PROFILES = ("act_ot", "lerobot")
"""Those that apply, in the order in which their data are joined."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`profile.toml`: defaults, used unless flags or the project's settings say otherwise."""

    preset: str | None = None
    """The launch preset."""
    reports: str | None = None
    """A folder of the trainer's repository, relative to the project: reports go below it if it exists."""
    markdown: str | None = None
    """The file name of the Markdown report."""
    integers: tuple[str, ...] = ()
    """Config fields that hold integers, as patterns of `FieldTypes`."""


def default_preset() -> str:
    """The name of the launch preset of a project that states none."""
    return next(each.preset for each in _profiles() if each.preset)


def report_folders() -> list[str]:
    """Folders, relative to the project, below which reports go if they exist."""
    return [each.reports for each in _profiles() if each.reports]


def markdown_name() -> str:
    """The file name of the Markdown report of a project that states none."""
    return next(each.markdown for each in _profiles() if each.markdown)


def integer_fields() -> tuple[str, ...]:
    """Config fields that hold integers, as patterns of `FieldTypes`."""
    return tuple(pattern for each in _profiles() for pattern in each.integers)


def texts(name: str) -> list[str]:
    """The text of each applying profile's file of this name (`metrics.toml`); those that have none are left out."""
    found = (_folder(profile) / name for profile in PROFILES)
    return [file.read_text(encoding="utf-8") for file in found if file.is_file()]


def path(name: str) -> Traversable:
    """The first file of this name that an applying profile has."""
    return next(file for profile in PROFILES if (file := _folder(profile) / name).is_file())


def presets() -> Iterator[Traversable]:
    """The launch presets, a TOML file each."""
    for profile in PROFILES:
        folder = _folder(profile) / "presets"
        if folder.is_dir():
            yield from folder.iterdir()


@cache
def _profiles() -> tuple[Profile, ...]:
    return tuple(msgspec.convert(tomllib.loads(text), Profile) for text in texts("profile.toml"))


def _folder(profile: str) -> Traversable:
    return resources.files(__name__) / profile
