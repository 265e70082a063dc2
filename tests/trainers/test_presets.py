"""Errors in presets name the key and the nearest valid one; built-in presets are valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.model import UserError
from autoloop.trainers import load_preset, preset_names

GOOD = 'name = "mine"\ntitle = "mine"\nargv = ["{python}", "{script}", "{config}"]\noverride_style = "dashed-eq"\n'


def load(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_preset(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_every_shipped_preset_loads_under_its_own_name() -> None:
    assert {"lerobot", "lerobot-0.6", "plain"} <= set(preset_names())
    for name in preset_names():
        assert load_preset(name).name == name


def test_every_shipped_console_pattern_is_one_that_the_log_reader_takes() -> None:
    from autoloop.metric_readers.console_log import compiled

    for name in preset_names():
        compiled(load_preset(name).console)


def test_a_preset_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r'no launch preset "lerobto"; did you mean lerobot\?'):
        load_preset("lerobto")


def test_a_preset_file_that_is_not_there_says_so() -> None:
    with pytest.raises(UserError, match=r"The launch preset /no/such.toml does not exist; there is no folder /no either"):
        load_preset("/no/such.toml")


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert "line 2" in load(tmp_path, 'name = "x"\nargv = oops')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + 'sucess = "done"', 'unknown key "sucess"; did you mean "success"?'),
        (GOOD + "[wandb]\nofline = {}", 'unknown key "wandb.ofline"; did you mean "offline"?'),
        (GOOD + '[[failures]]\npatern = "x"', 'unknown key "failures[0].patern"; did you mean "pattern"?'),
        (GOOD.replace("argv", "#"), 'the key "command" is missing; write the command that trains'),
        (
            GOOD.replace('"dashed-eq"', '"dashes"'),
            'style must be "dashed-eq", "dashed-space", "file-only", "hydra" or "key-value", not "dashes"',
        ),
        (GOOD + "flags = 3", "flags must be a table, not a whole number"),
        (GOOD.replace("{script}", "{scrpt}"), "did you mean script"),
        (GOOD + '[flags]\na = "{step}"', "flags.a has the placeholder {step}; did you mean steps?"),
        (GOOD + '[console]\nprogress = "(?=x)y"', "console.progress is not a usable regular expression"),
        (GOOD + 'success = "(unclosed"', "success is not a usable regular expression"),
        (GOOD + '[console]\nprogress = "("', "console.progress is not a usable regular expression"),
        (
            GOOD + '[console]\nprogress = "(?P<step>[0-9]+)"',
            "console.progress lacks the group (?P<total>...): put it",
        ),
        (GOOD + '[console]\nevaluation = "x"', "lacks the group (?P<name>...) and (?P<step>...) and (?P<value>...)"),
        (GOOD + '[[failures]]\npattern = "("\ntext = "t"', "failures[0].pattern is not a usable regular expression"),
        (GOOD.replace('"{config}"', '"config.json"'), "{config} does not occur in command, flags or env"),
        (
            GOOD.replace('"{config}"', '"c"') + '[wandb.online]\nc = "{config}"',
            "{config} does not occur in command, flags or env",
        ),
        (GOOD + 'stop = [["TREM", 3]]', "stop holds ['TREM', 3.0]"),
        (GOOD + '[resume]\ncheckpint = "x"', 'unknown key "resume.checkpint"; did you mean "checkpoint"?'),
        (GOOD + "[resume]\nflags = {}", 'the key "resume.checkpoint" is missing'),
        (GOOD + '[resume]\ncheckpoint = "{cwd}/c"', "resume.checkpoint has the placeholder {cwd}"),
        (GOOD + '[resume]\ncheckpoint = "c"\nflags = {a = "{step}"}', "resume.flags.a has the placeholder {step}"),
        (GOOD + '[[failures]]\npattern = "x"', "failures[0] needs a cause"),
        (GOOD.replace("dashed-eq", "file-only") + '[flags]\na = "b"', "so flags and wandb must be empty"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    assert words in load(tmp_path, text)
