"""The user's own commands, `[[command]]` in console.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.dialogs import Ask, Confirm, Notice
from autoloop_tui.console.user_commands import UserCommand
from tests.console.app.driving import drive, hints
from tests.console.pictures import text
from tests.console.projects import RecordedProject
from tests.console.waiting import settle, until

ROOT = Path(__file__).parents[3]


def load(settings: Path, toml: str) -> Preferences:
    (settings / "console.toml").write_text(toml)
    return Preferences.load({"XDG_CONFIG_HOME": str(settings.parent)})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('key = "y"', "the key y is already used"),
        ('key = "f5"\nscope = "slots"', "scope"),
        ('key = "f5"\ncommand = "echo {rum}"\nscope = "run"', "did you mean {run}?"),
        ('key = "f5"\ncommand = "echo {run}"', "{run} is not available in scope any"),
        ('key = "f5"\ncommand = "echo \'a"', "cannot be split into words"),
        ('key = "f5"\ninputs = ["a", "b", "c", "d", "e", "f"]', "6 inputs are too many; the limit is 5"),
        ('key = "f5"\nlable = "x"', "lable"),
        ('key = "f6"', 'the key f6 is already used by "good"'),
    ],
)
def test_a_command_that_cannot_be_used_is_one_sentence_with_its_line(settings: Path, line: str, problem: str) -> None:
    good = '[[command]]\nkey = "f6"\nlabel = "good"\ncommand = "true"\n'
    bad = line if "command =" in line else f'{line}\ncommand = "true"'
    loaded = load(settings, f'theme = "light"\n\n{good}\n[[command]]\nlabel = "bad"\n{bad}\n')
    (told,) = loaded.problems
    assert told.startswith("console.toml, line 8: this command is ignored: ")
    assert problem in told
    assert "\n" not in told
    assert [each.label for each in loaded.commands] == ["good"]


def test_a_value_is_one_argument_and_quoted_for_a_shell() -> None:
    odd = {"name": "a b; rm -rf 'x' $(y)"}
    plainly = UserCommand(key="f5", label="x", command="echo --name={name} done", scope="run")
    assert plainly.argv(odd) == ["echo", f"--name={odd['name']}", "done"]
    by_shell = UserCommand(key="f5", label="x", command="printf %s {name}", scope="run", shell=True)
    import subprocess

    assert subprocess.run(by_shell.argv(odd), capture_output=True, text=True, check=True).stdout == odd["name"]


def test_the_documented_commands_can_be_used(settings: Path) -> None:
    page = (ROOT / "docs/console.md").read_text(encoding="utf-8")
    example = next(each for each in re.findall(r"```toml\n(.*?)```", page, re.S) if "[[command]]" in each)
    loaded = load(settings, example)
    assert loaded.problems == []
    assert len(loaded.commands) == 2


async def test_inputs_are_asked_for_the_exact_command_is_confirmed_and_its_output_shown(
    settings: Path, project: RecordedProject
) -> None:
    chosen = load(
        settings,
        '[[command]]\nkey = "f5"\nlabel = "note it"\nscope = "run"\ndangerous = true\n'
        'command = "sh -c \'echo got $1 $2; exit 3\' x {name} {why}"\ninputs = ["why"]\n'
        '[[command]]\nkey = "f6"\nlabel = "of a proposal"\nscope = "proposal"\ncommand = "echo {proposal}"\n',
    )
    async with drive(ConsoleApp(project.folder, preferences=chosen), (120, 40)) as pilot:
        app = pilot.app
        assert "f5 note it" in hints(app)
        assert "f6" not in hints(app)  # no proposal here
        await pilot.press("f6")
        assert "of a proposal: there is no proposal under the cursor" in hints(app)
        await pilot.press("f5")
        await settle(pilot)
        assert isinstance(app.screen, Ask)
        await pilot.press(*"a b", "enter")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        assert "some 'a b'" in text(app).replace("\n", "")
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, Notice), "it has ended")
        assert "got some a b" in text(app)
        assert "exit code 3" in text(app)
    async with drive(ConsoleApp(project.folder, preferences=chosen, readonly=True), (120, 40)) as pilot:
        await pilot.press("f5")
        await settle(pilot)
        assert "read-only: note it is marked as dangerous" in hints(pilot.app)
