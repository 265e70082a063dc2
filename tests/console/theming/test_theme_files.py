from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoloop_tui.console.theming import theme_files
from autoloop_tui.console.theming.colours import Depth
from autoloop_tui.console.theming.defaults import variable_defaults
from autoloop_tui.console.theming.theme_files import load_themes, parse_theme, to_textual

NOWHERE = {"HOME": "/nonexistent"}
SHIPPED = load_themes(None, NOWHERE).themes
GOOD = 'name = "mine"\nprimary = "#102030"\nforeground = "#ffffff"\nbackground = "#000000"\n'


def test_at_least_six_themes_are_shipped_and_none_is_bad() -> None:
    loaded = load_themes(None, NOWHERE)
    assert loaded.failures == []
    assert {"dark", "light", "high-contrast", "okabe-ito", "ansi16", "cockpit"} <= set(loaded.themes)
    assert all(theme.description for theme in loaded.themes.values())


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
        (GOOD + "[variables]\ndim = 7\n", "`dim` must be a number of the palette from 16 to 255"),
        (GOOD + "[variables]\ndim = 256\n", "`dim` must be a number of the palette"),
        (GOOD + '[truecolor]\ndimm = "#fff"\n', "did you mean `truecolor.dim`"),
        (GOOD + '[sixteen]\ndim = "#fff"\n', "`sixteen.dim` must be one of the terminal's own colours"),
        (GOOD + "sixteen = 3\n", "`sixteen` must be a table"),
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
    assert load_themes(None, {"HOME": str(user)}).themes["dark"].at[Depth.FULL].colours["primary"] == "#111111"
    both = load_themes(project, {"HOME": str(user)}).themes["dark"]
    assert (both.at[Depth.FULL].colours["primary"], both.origin) == ("#222222", "project")


def test_the_repositorys_own_folder_is_not_read_twice_as_a_project() -> None:
    loaded = load_themes(Path(theme_files.__file__).parents[3], NOWHERE)
    assert {theme.origin for theme in loaded.themes.values()} == {"shipped"}


def test_what_a_theme_leaves_out_has_a_default() -> None:
    theme = parse_theme(GOOD, "x")
    assert theme.at[Depth.FULL].variables["slot-running"] == variable_defaults()["slot-running"]
    light = parse_theme("dark = false\n" + GOOD, "x")
    assert light.at[Depth.FULL].variables["slot-running"] == variable_defaults(dark=False)["slot-running"]


def test_a_theme_states_palette_numbers_and_refines_them_for_24_bit(tmp_path: Path) -> None:
    text = (
        GOOD
        + '[variables]\nslot-running = 75\ninput-selection-background = "75 35%"\n[truecolor]\nslot-running = "#74b6ff"\n'
    )
    theme = parse_theme(text, "x")
    assert theme.at[Depth.PALETTE].variables["slot-running"] == "#5fafff"
    assert theme.at[Depth.PALETTE].variables["input-selection-background"] == "#5fafff 35%"
    assert theme.at[Depth.FULL].variables["slot-running"] == "#74b6ff"


def test_a_theme_that_states_24_bit_only_gets_the_nearest_of_the_palette() -> None:
    theme = parse_theme(GOOD.replace("#000000", "#12151c"), "x")
    assert theme.at[Depth.FULL].colours["background"] == "#12151c"
    assert theme.at[Depth.PALETTE].colours["background"] == "#121212"


def test_a_theme_has_sixteen_colours_of_the_terminals_own_and_may_choose_them() -> None:
    for text in (GOOD, GOOD + "dark = false\n"):
        few = parse_theme(text, "x").at[Depth.SIXTEEN]
        stated = {**few.colours, **few.variables}
        assert all(value.startswith("ansi_") for key, value in stated.items() if not key.endswith("-style"))
    chosen = parse_theme(GOOD + '[sixteen]\nslot-running = "ansi_blue"\n', "x").at[Depth.SIXTEEN]
    assert chosen.variables["slot-running"] == "ansi_blue"
    assert chosen.ansi


def test_every_kind_of_theme_has_the_same_own_variables() -> None:
    dark, light = variable_defaults(), variable_defaults(dark=False)
    ansi = variable_defaults(ansi=True)
    assert set(dark) == set(light)
    assert set(ansi) - set(dark) == {"ansi-background", "ansi-foreground"}


def test_textual_knows_every_variable_of_its_own_that_a_theme_may_set() -> None:
    known: set[str] = set()
    for theme in SHIPPED.values():
        for depth in Depth:
            known |= set(to_textual(theme, depth).to_color_system().generate())
    assert known | {"surface-active"} >= theme_files.TEXTUAL_VARIABLES


def test_themes_are_listed_and_checked_without_textual() -> None:
    code = (
        "import sys; from autoloop_tui.console.theming import contrast, theme_files\n"
        "for theme in theme_files.load_themes(None, {'HOME': '/x'}).themes.values(): contrast.faults(theme)\n"
        "assert not {'textual', 'rich'} & set(sys.modules), 'imported'"
    )
    root = Path(theme_files.__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env={"PYTHONPATH": f"core:{root}"})
