"""The settings of the console."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoloop_tui.console.preferences import Preferences


def test_keys_of_panes_may_be_remapped_in_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "autoloop"
    folder.mkdir()
    (folder / "console.toml").write_text('[keys]\n"log.filter" = "F"\n"log.fliter" = "G"\n')
    chosen = Preferences.load({"XDG_CONFIG_HOME": str(tmp_path)})
    assert chosen.keys == {"log.filter": "F"}
    assert chosen.problems == ['console.toml: no action "log.fliter"; did you mean "log.filter"?']


def test_an_action_that_was_renamed_keeps_its_key_and_says_its_name_of_today(tmp_path: Path) -> None:
    folder = tmp_path / "autoloop"
    folder.mkdir()
    (folder / "console.toml").write_text('[keys]\n"rounds.clone" = "ctrl+n"\n')
    chosen = Preferences.load({"XDG_CONFIG_HOME": str(tmp_path)})
    assert chosen.keys == {"rounds.variant": "ctrl+n"}
    assert chosen.problems == [
        'console.toml: the action "rounds.clone" is now called "rounds.variant"; its key still works; rename it in the file'
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_of_the_old_and_the_new_name_of_an_action_the_new_one_counts(order: int, tmp_path: Path) -> None:
    folder = tmp_path / "autoloop"
    folder.mkdir()
    lines = ['"rounds.clone" = "ctrl+n"', '"rounds.variant" = "ctrl+g"'][::order]
    (folder / "console.toml").write_text("\n".join(["[keys]", *lines]))
    chosen = Preferences.load({"XDG_CONFIG_HOME": str(tmp_path)})
    assert chosen.keys == {"rounds.variant": "ctrl+g"}
    assert chosen.problems == [
        'console.toml: the action "rounds.clone" is now called "rounds.variant"; "rounds.variant" is set too and takes '
        'precedence; delete "rounds.clone"'
    ]
