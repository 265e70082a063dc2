"""Methods and trainers are data in `profiles/`: no other part of the product knows any of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from autoloop import profiles
from autoloop.configs import default_fields
from autoloop.configs.guards import default_guards
from autoloop.rules import default_rules
from autoloop.trainers import load_preset, preset_names

ROOT = Path(__file__).parents[1]
NAMES = re.compile(r"""["']ot\.|lerobot|draccus|act_ot|act-ot""", re.IGNORECASE)
SEARCHED = sorted(
    path
    for package in (ROOT / "core/autoloop", ROOT / "autoloop_tui")
    for path in package.rglob("*")
    if path.suffix in {".py", ".toml", ".tcss", ".md"}
    and not path.is_relative_to(ROOT / "core/autoloop/profiles")
    and not path.is_relative_to(ROOT / "core/autoloop/demo")
)


def test_nothing_outside_the_profiles_names_a_method_or_a_trainer() -> None:
    """The demo is itself a method and may name it."""
    assert len(SEARCHED) > 200
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SEARCHED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NAMES.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ['exists(config, ("ot.x"))', "LeRobot's own", "import draccus", "act_ot()", "ACT-OT"])
def test_a_line_that_names_one_would_be_found(line: str) -> None:
    assert NAMES.search(line)


def test_what_applies_is_one_preset_one_rule_book_and_the_data_of_all_profiles() -> None:
    assert load_preset(profiles.default_preset()).name == "lerobot"
    assert {"lerobot", "lerobot-0.6", "plain", "hydra"} <= set(preset_names())
    assert default_rules().name == "act_ot"
    assert default_fields().is_integer(("ot", "window_size"))
    assert default_fields().is_integer(("batch_size",))
    guards = default_guards()
    assert [len(each) for each in (guards.floor, guards.not_both, guards.replaced_by)] == [1, 1, 1]
