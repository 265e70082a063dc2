"""TOML files as editors on other systems write them: a byte order mark is skipped, and UTF-16 is refused with a sentence."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest
from autoloop.metrics import default_book
from autoloop.model import UserError
from autoloop.rule_files import load_rules
from autoloop.settings import load_settings
from autoloop.trainers import load_preset
from autoloop.variants.files import load_recipe

from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.theming.theme_files import load_themes


def settings(path: Path) -> object:
    return load_settings(path.parent).max_log_mb


def metric_book(path: Path) -> object:
    return load_settings(path.parent).metric_book(path.parent).short("train/mine")


def preferences(path: Path) -> object:
    """Problems in this file are shown in the console and are not errors."""
    chosen = Preferences.load({"XDG_CONFIG_HOME": str(path.parents[1])})
    if chosen.problems:
        raise UserError(" ".join(chosen.problems))
    return chosen.notify


def theme(path: Path) -> object:
    """Nor are problems in this one."""
    loaded = load_themes(path.parents[1], {"XDG_CONFIG_HOME": str(path.parents[1] / "nowhere")})
    if loaded.failures:
        raise UserError(f"{loaded.failures[0].path}: {loaded.failures[0].sentence}")
    return loaded.themes["mine"].name


RULES = 'name = "mine"\nversion = "1"\n[[rule]]\nid = "r"\nwhen = "steps > 0"\nreason = "r"\nchanges = ["a=1"]\n'
PRESET = 'name = "mine"\ntitle = "t"\nargv = ["{python}", "{script}"]\noverride_style = "dashed-space"\n'
PRESET += '[flags]\nconfig = "{config}"\n'
RECIPE = 'name = "mine"\nbase = "base.json"\n[[variant]]\nreason = "r"\nchanges = ["a=1"]\n'
THEME = 'name = "mine"\nprimary = "#336699"\nforeground = "#ffffff"\nbackground = "#000000"\n'
METRIC = '[[metric]]\nname = "train/mine"\nshort = ["mine"]\n'

KINDS: dict[str, tuple[str, str, Callable[[Path], object], object]] = {
    "settings": ("p/autoloop.toml", "max_log_mb = 7\n", settings, 7),
    "rule book": ("p/rules.toml", RULES, lambda path: load_rules(str(path), default_book()).name, "mine"),
    "preset": ("p/preset.toml", PRESET, lambda path: load_preset(str(path)).name, "mine"),
    "recipe": ("p/recipe.toml", RECIPE, lambda path: load_recipe(str(path)).name, "mine"),
    "metric book": ("p/metrics.toml", METRIC, metric_book, "mine"),
    "theme": ("themes/mine.toml", THEME, theme, "mine"),
    "console.toml": ("autoloop/console.toml", 'notify = "bell"\n', preferences, "bell"),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(folder: Path, kind: str, encoding: str) -> Path:
    path = folder / KINDS[kind][0]
    path.parent.mkdir()
    if kind == "metric book":
        (path.parent / "autoloop.toml").write_text('metrics = "metrics.toml"\n')
    path.write_text(KINDS[kind][1], encoding=encoding)
    return path


def test_a_byte_order_mark_is_passed_over(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind, "utf-8-sig")
    assert path.read_bytes().startswith(codecs.BOM_UTF8)
    assert KINDS[kind][2](path) == KINDS[kind][3]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_in_words(tmp_path: Path, kind: str, encoding: str) -> None:
    path = written(tmp_path, kind, encoding)
    with pytest.raises(UserError, match=rf"{path.name}.* is UTF-16 text"):
        KINDS[kind][2](path)


def test_a_file_that_never_ends_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind, "utf-8")
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="it is not a regular file"):
        KINDS[kind][2](path)
