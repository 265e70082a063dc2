from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoloop_tui.console.theming import contrast, theme_files
from autoloop_tui.console.theming.theme_files import ThemeFile, load_themes, parse_theme, to_textual, variable_defaults

NOWHERE = {"HOME": "/nonexistent"}
SHIPPED = load_themes(None, NOWHERE).themes
GOOD = 'name = "mine"\nprimary = "#102030"\nforeground = "#ffffff"\nbackground = "#000000"\n'


def test_at_least_six_themes_are_shipped_and_none_is_bad() -> None:
    loaded = load_themes(None, NOWHERE)
    assert loaded.failures == []
    assert {"dark", "light", "high-contrast", "okabe-ito", "ansi16", "cockpit"} <= set(loaded.themes)
    assert all(theme.description for theme in loaded.themes.values())


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_shipped_theme_can_be_read_in_full_colour_and_in_256(theme: ThemeFile) -> None:
    assert [str(fault) for fault in contrast.faults(theme)] == []


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_shipped_theme_keeps_its_state_colours_apart(theme: ThemeFile) -> None:
    states = ["slot-running", "slot-finished", "slot-failed", "slot-warn", "slot-lost"]
    assert len({theme.variables[name] for name in states}) == len(states)


def test_a_faint_theme_is_found_out() -> None:
    theme = parse_theme(GOOD.replace('"#ffffff"', '"#555555"') + '[variables]\nslot-failed = "#300000"\n', "x")
    said = [str(fault) for fault in contrast.faults(theme)]
    assert any(line.startswith("foreground on background: 2.8, needs 4.5") for line in said)
    assert any(line.startswith("slot-failed on background") for line in said)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast.ratio((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast.ratio((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


def test_nearest_of_256_colours() -> None:
    assert contrast.to_256((18, 21, 28)) == (18, 18, 18)
    assert contrast.to_256((254, 1, 1)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("primary", "primry"), "did you mean `primary`"),
        (GOOD + '[variables]\nslot-runing = "#fff"\n', "did you mean `variables.slot-running`"),
        (GOOD.replace("#102030", "reddish"), "`primary` must be a colour"),
        (GOOD.replace("#102030", "ansi_bleu"), "did you mean `ansi_blue`"),
        (GOOD.replace('name = "mine"\n', ""), "`name` is missing"),
        (GOOD.replace('"mine"', '"My Theme"'), "`name` must be lower-case"),
        (GOOD + "dark = 1\n", "`dark` must be true or false"),
        (GOOD + "variables = 3\n", "`variables` must be a table"),
        (GOOD + '[variables]\nblock-cursor-text-style = "loud"\n', "must be a text style"),
        (GOOD + "[variables]\ndim = 7\n", "`dim` must be a colour"),
        ("name = ", "not valid TOML"),
    ],
)
def test_a_wrong_theme_is_refused_in_words(text: str, said: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse_theme(text, "x.toml")
    assert "\n" not in str(caught.value)


def test_bad_files_are_reported_once_each_and_cost_no_other_theme(tmp_path: Path) -> None:
    folder = tmp_path / "autoloop" / "themes"
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("name = ")
    (folder / "binary.toml").write_bytes(b"\xff\xfe")
    (folder / "directory.toml").mkdir()
    (folder / "good.toml").write_text(GOOD)
    loaded = load_themes(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert [Path(failure.path).name for failure in loaded.failures] == ["bad.toml", "binary.toml", "directory.toml"]
    assert loaded.themes["mine"].origin == "user"
    assert set(SHIPPED) < set(loaded.themes)


def test_a_later_theme_replaces_an_earlier_one_of_the_same_name(tmp_path: Path) -> None:
    user, project = tmp_path / "home", tmp_path / "project"
    for folder, colour in ((user / ".config" / "autoloop" / "themes", "#111111"), (project / "themes", "#222222")):
        folder.mkdir(parents=True)
        (folder / "x.toml").write_text(GOOD.replace("mine", "dark").replace("#102030", colour))
    assert load_themes(None, {"HOME": str(user)}).themes["dark"].colours["primary"] == "#111111"
    both = load_themes(project, {"HOME": str(user)}).themes["dark"]
    assert (both.colours["primary"], both.origin) == ("#222222", "project")


def test_the_repositorys_own_folder_is_not_read_twice_as_a_project() -> None:
    loaded = load_themes(Path(theme_files.__file__).parents[3], NOWHERE)
    assert {theme.origin for theme in loaded.themes.values()} == {"shipped"}


def test_what_a_theme_leaves_out_has_a_default() -> None:
    theme = parse_theme(GOOD, "x")
    assert theme.variables["slot-running"] == variable_defaults()["slot-running"]
    light = parse_theme("dark = false\n" + GOOD, "x")
    assert light.variables["slot-running"] == variable_defaults(dark=False)["slot-running"]


def test_every_kind_of_theme_has_the_same_own_variables() -> None:
    dark, light = variable_defaults(), variable_defaults(dark=False)
    ansi = variable_defaults(ansi=True)
    assert set(dark) == set(light)
    assert set(ansi) - set(dark) == {"ansi-background", "ansi-foreground"}


def test_textual_knows_every_variable_of_its_own_that_a_theme_may_set() -> None:
    known: set[str] = set()
    for theme in SHIPPED.values():
        known |= set(to_textual(theme).to_color_system().generate())
    assert known | {"surface-active"} >= theme_files.TEXTUAL_VARIABLES


def test_themes_are_listed_and_checked_without_textual() -> None:
    code = (
        "import sys; from autoloop_tui.console.theming import contrast, theme_files\n"
        "for theme in theme_files.load_themes(None, {'HOME': '/x'}).themes.values(): contrast.faults(theme)\n"
        "assert not {'textual', 'rich'} & set(sys.modules), 'imported'"
    )
    root = Path(theme_files.__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env={"PYTHONPATH": f"core:{root}"})
