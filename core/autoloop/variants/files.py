"""Reads recipes and writes variants' config files. The only I/O of this package."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from autoloop.configs import rewrite
from autoloop.files import read_text, write_atomically
from autoloop.model import UserError
from autoloop.text.names import numbered
from autoloop.text.suggest import did_you_mean
from autoloop.variants.check import CheckedVariant
from autoloop.variants.recipes import Recipe, parse_recipe

NAMED_BY = 6
"""The number of characters of a config's hash in its file name."""


def recipe_names() -> list[str]:
    return sorted(file.name.removesuffix(".toml") for file in _shipped().iterdir() if file.name.endswith(".toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Load a shipped recipe by name, or one from a file (a path contains `/` or ends with `.toml`)."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return parse_recipe(read_text(Path(name_or_path).expanduser(), "recipe"), name_or_path)
    names = recipe_names()
    if name_or_path not in names:
        hint = did_you_mean(name_or_path, names, f"shipped are {', '.join(names)}; your own is given by its path.")
        raise UserError(f'There is no recipe "{name_or_path}"; {hint}')
    return parse_recipe((_shipped() / f"{name_or_path}.toml").read_text(encoding="utf-8"), f"{name_or_path}.toml")


class WrittenVariant(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's file. `new`: False if a file with the same content existed already."""

    path: Path
    new: bool


def write_variant(
    folder: Path, base: str, base_text: str, variant: CheckedVariant, suffix: str = ".json", *, named: str | None = None
) -> WrittenVariant:
    """Write the variant's config as `<base>_<hash><suffix>`, or `<named><suffix>`, to `folder`, which is created; no other
    file is overwritten.

    The text is `base_text` except for the changed values, so that `diff` shows just those. The same variant of the same base
    always has the same name. UserError if the file cannot be written.
    """
    text = rewrite(base_text, variant.config, suffix)
    # File names are limited to 255 bytes.
    name = (named or base).encode(errors="replace")[:200].decode(errors="ignore")
    name += "" if named else f"_{variant.hash[:NAMED_BY]}"
    path = folder / f"{name}{suffix}"
    try:
        for free in numbered(name):
            path = folder / f"{free}{suffix}"
            if not path.exists():
                write_atomically(path, text)
                break
            if path.is_file() and path.read_bytes() == text.encode():
                return WrittenVariant(path=path, new=False)
    except OSError as error:
        raise UserError(f"The variant {path} cannot be written ({error.strerror}); choose another --out-dir.") from None
    return WrittenVariant(path=path, new=True)


def _shipped() -> Traversable:
    folder = resources.files("autoloop") / "recipes"
    # In a checkout the recipes are next to the packages; in a wheel they are inside this one.
    return folder if folder.is_dir() else Path(__file__).resolve().parents[3] / "recipes"
