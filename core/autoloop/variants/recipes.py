"""Recipes: several variants of one base, written down as TOML so that a round that proved useful can be made again.

Shipped ones are named, a person's own are given by path.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from autoloop.configs import edits_from_mapping, parse_edit
from autoloop.files import read_text
from autoloop.model import UserError
from autoloop.rules.tables import read_table
from autoloop.text.suggest import did_you_mean
from autoloop.toml import TomlError, read_toml


class VariantRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A variant that somebody asks for: why, and its edits as texts."""

    reason: str
    edits: list[str]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    variants: list[VariantRequest]
    base: str | None = None
    """The config they start from, relative to where the command is given; None: it must be named there."""


class _RecipeTable(msgspec.Struct):
    variant: list[Any]
    name: str | None = None
    base: str | None = None
    reason: str | None = None


class _VariantTable(msgspec.Struct):
    changes: list[str] | dict[str, Any]
    reason: str | None = None


def recipe_names() -> list[str]:
    return sorted(file.name.removesuffix(".toml") for file in _shipped().iterdir() if file.name.endswith(".toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by its name, or one from a file (a path has a `/` or ends with `.toml`)."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return parse_recipe(read_text(Path(name_or_path).expanduser(), "recipe"), name_or_path)
    names = recipe_names()
    if name_or_path not in names:
        hint = did_you_mean(name_or_path, names, f"shipped are {', '.join(names)}; your own is given by its path.")
        raise UserError(f"There is no recipe {name_or_path!r}; {hint}")
    return parse_recipe((_shipped() / f"{name_or_path}.toml").read_text(encoding="utf-8"), f"{name_or_path}.toml")


def parse_recipe(text: str, source: str) -> Recipe:
    """Read a recipe. UserError in one sentence: file, variant, key, what is wrong and the nearest that would be right."""
    try:
        raw = read_toml(text)
    except TomlError as error:
        raise UserError(f"{source}: not valid TOML: {error}") from None
    if "variant" not in raw and not raw.keys() - set(_RecipeTable.__struct_fields__):
        raise UserError(f"{source}: the recipe holds no [[variant]]; write at least one")
    top = read_table(raw, _RecipeTable, source)
    name = top.name or Path(source).stem
    variants = [
        _variant(table, f"{source}: variant {number}", top.reason or name) for number, table in enumerate(top.variant, 1)
    ]
    return Recipe(name=name, variants=variants, base=top.base)


def _variant(raw: Any, where: str, reason: str) -> VariantRequest:
    table = read_table(raw, _VariantTable, where)
    try:
        edits = edits_from_mapping(table.changes) if isinstance(table.changes, dict) else table.changes
        for edit in edits:
            parse_edit(edit)
    except UserError as error:
        raise UserError(f"{where}: changes: {error}") from None
    if not edits:
        raise UserError(f"{where}: changes: it holds no edit; write at least one, as path@op=value")
    return VariantRequest(reason=table.reason or reason, edits=edits)


def _shipped() -> Traversable:
    folder = resources.files("autoloop") / "recipes"
    # In a checkout they lie beside the packages; in a wheel they are inside this one.
    return folder if folder.is_dir() else Path(__file__).resolve().parents[3] / "recipes"
