"""[trainer] in autoloop.toml and preset files have the same format and reader; their keys are documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from autoloop.model import UserError
from autoloop.settings import load_settings
from autoloop.trainers import Console, Preset, load_preset, parse_preset
from autoloop.trainers.loading import BASED_ON, WRITTEN

ROOT = Path(__file__).parents[2]
TABLE = 'command = "{python} train.py --config {config}"\nprocesses = 2\n[flags]\nlr = "1"\n'


def test_the_table_reads_as_the_file(tmp_path: Path) -> None:
    file, settings = tmp_path / "mine.toml", tmp_path / "autoloop.toml"
    file.write_text(TABLE)
    settings.write_text("gpus = [1]\n[trainer]\n" + TABLE.replace("[flags]", "[trainer.flags]"))
    assert load_preset(str(settings)) == load_preset(str(file))
    assert load_settings(tmp_path).preset == "autoloop.toml"
    file.write_text("[trainer]\n" + TABLE.replace("[flags]", "[trainer.flags]"))
    assert load_preset(str(settings)) == load_preset(str(file))


def test_both_ways_of_naming_a_preset_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "autoloop.toml").write_text('preset = "plain"\n[trainer]\ncommand = "x {config}"\n')
    with pytest.raises(UserError, match=r"both preset and \[trainer\] define .*; put preset inside \[trainer\]"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('comand = "x"', 'unknown key "comand"; did you mean "command"?'),
        ('command = "x {config}"\nargv = ["x"]', "command and argv are the same key; keep command"),
        ('command = "x \'{config}"', "command cannot be split into words (no closing quotation); correct its quotes"),
        ('command = ""', "command is empty"),
        ('command = "x"', "{config} does not occur in command, flags or env, so no config would reach the trainer"),
        ('command = "x"\nconfig = "both"', "{config} does not occur in command"),
        ('command = "x"\nconfig = "overrides"\nstyle = "file-only"', "choose another style"),
        ('command = "x {config}"\noverrides = "all"', 'config = "file" passes none'),
        ('command = "x"\nconfig = "overrides"\noverrides = "changed"', "add base or dump"),
        ('command = "x"\nconfig = "ovverrides"', 'config must be "both", "file" or "overrides", not "ovverrides"'),
        ('command = "x {config}"\nprocesses = 0', "processes is 0"),
        ('command = "x {config}"\ndump = "x {output_dir}"', "dump[1] has the placeholder {output_dir}"),
        ('command = "x"\nconfig = "overrides"\ndump = "x"\nbase = "a.json"', "dump has no {config}"),
        ('command = "x"\nconfig = "overrides"\ndump = "x {config}"\n[base]\na = 1', "base is a table"),
        ('preset = "hydro"', "preset must name a shipped launch preset, which hydro is not; did you mean hydra?"),
        ('preset = "mine.toml"', "which mine.toml is not; there are axolotl, hydra, "),
        ('preset = ["hydra"]', "preset must name a shipped launch preset"),
        ('preset = "hydra"\nstlye = "x"', 'unknown key "stlye"; did you mean "style"?'),
    ],
)
def test_a_mistake_is_named_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_preset(text, "mine.toml")
    message = str(caught.value)
    assert said in message
    assert message.startswith("mine.toml")
    assert "\n" not in message


def test_a_table_completes_the_shipped_preset_that_it_names() -> None:
    shipped = load_preset("hydra")
    mine = parse_preset(
        'preset = "hydra"\nscript = "main.py"\nsteps = "trainer.steps"\n[flags]\ndevice = "{device}"\n',
        "mine.toml",
    )
    assert (mine.name, mine.script, mine.steps) == ("hydra", "main.py", "trainer.steps")
    assert (mine.argv, mine.dump, mine.override_style) == (shipped.argv, shipped.dump, "hydra")
    assert mine.flags == {**shipped.flags, "device": "{device}"}
    command = parse_preset('preset = "hydra"\ncommand = "accelerate launch train.py"\nstyle = "key-value"', "mine.toml")
    assert (command.argv, command.override_style) == (("accelerate", "launch", "train.py"), "key-value")
    assert command.flags == shipped.flags


def test_every_key_is_documented_and_every_example_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs/trainer.md").read_text(encoding="utf-8")
    tables = page.split("## Trainer output")
    cells = [re.findall(r"^\| (`.+?) \|(?: .+)? \| .+ \|$", table, re.MULTILINE) for table in tables]
    documented, of_console = ({key for cell in table for key in re.findall(r"`(\w+)`", cell)} for table in cells)
    spelt = {old: new for new, old in WRITTEN.items()}
    assert documented == {BASED_ON, *(spelt.get(key, key) for key in Preset.__struct_fields__)}
    assert of_console == set(Console.__struct_fields__)
    examples = re.findall(r"```toml\n(.+?)```", page, re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        (tmp_path / "autoloop.toml").write_text(example, encoding="utf-8")
        load_preset(str(tmp_path / load_settings(tmp_path).preset))
