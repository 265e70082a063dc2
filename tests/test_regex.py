"""Patterns given by users: what they match, what is refused, and that none can block the process."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from autoloop import profiles
from autoloop.diagnose.diagnosis import diagnose
from autoloop.metric_readers.console_log import ConsoleLog
from autoloop.model import ExitRecord, UserError
from autoloop.regex import MAX_TEXT, RegexSet, compile_regex
from autoloop.rules.expressions import compile_expression, evaluate
from autoloop.trainers import Console, Failure, Preset, load_preset, preset_names

from tests.rules.views import view

WITHOUT_END = ["(a+)+$", "(a|aa)+$", "(a|a)*$", "(.*a){25}$", "(x+x+)+y", r"(\w+\s?)+$", "([a-zA-Z]+)*$", "(a?){80}a{80}$"]
"""With Python's engine, each of them takes longer than the age of the universe on one of the lines."""
LINES = ["a" * 60 + "!", "x" * 60, "word " * 30 + "!", "a" * MAX_TEXT + "!"]


@pytest.mark.parametrize("pattern", WITHOUT_END)
def test_no_pattern_of_a_preset_or_a_rule_holds_the_process(pattern: str, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("\n".join([*LINES, "step=3", ""]))
    log = ConsoleLog(path, Console(end=pattern, checkpoint=r"step=(?P<step>\d+)"))
    while log.poll():
        pass
    assert log.step == 3

    preset = load_preset("plain")
    ended = ExitRecord(code=0, started_at=0.0, ended_at=1.0)
    by_success = diagnose(ended, LINES, _with(preset, success=f"never {pattern}"))
    assert by_success is not None
    assert by_success.id == "no-success"
    failures = (Failure(pattern=f"never {pattern}", text="it is said"), Failure(pattern="!$", text="found"))
    by_failure = diagnose(ended, LINES, _with(preset, failures=failures))
    assert by_failure is not None
    assert by_failure.text == "found"
    assert not evaluate(compile_expression(f'log_matches(r"never {pattern}")'), view(log=LINES)).holds


def test_every_pattern_that_ships_is_one_that_takes_linear_time() -> None:
    table = tomllib.loads((resources.files("autoloop.diagnose") / "causes.toml").read_text(encoding="utf-8"))
    special = [rule for text in profiles.texts("causes.toml") for rule in tomllib.loads(text)["cause"]]
    given = [rule[key] for rule in (*table["cause"], *special) for key in ("pattern", "frames", "detail") if key in rule]
    patterns = [text for each in given for text in ([each] if isinstance(each, str) else each)]
    for name in preset_names():
        preset = load_preset(name)
        patterns += [failure.pattern for failure in preset.failures] + [preset.success or ""]
        patterns += [text for key in ("progress", "metrics", "total", "end") if (text := getattr(preset.console, key))]
    assert len(patterns) > 40
    for pattern in patterns:
        compile_regex(pattern)


def test_a_line_of_a_million_digits_is_read_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(("1" * 1_000_000 + "\n") * 3 + "7/9 [00:01<00:01, 2.0it/s]\n")
    log = ConsoleLog(path, load_preset("plain").console)
    while log.poll():
        pass
    assert (log.step, log.total_steps) == (7, 9)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "missing )"),
        ("[z-a]", "bad character range"),
        ("(?<!a)b", "look-around"),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "back-references"),
        (r"(?P<a>x)(?P=a)", "back-references"),
        ("a++b", "possessive"),
        (r"a\Z", r"\Z (write \z)"),
        ("(a{100}){100}", "repeats beyond 1000"),
        (r"(\w{30} ){30}", "too large"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_cannot_be_taken_is_said_in_one_sentence(pattern: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        compile_regex(pattern)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_groups_spans_and_case() -> None:
    text = "Schritt 12 von 20: Verlust=ä0,5 \udcff"
    found = compile_regex(r"(?P<step>\d+) von (?P<total>\d+)(?P<rest>nie)?").groups(text)
    assert found == {"step": "12", "total": "20", "rest": None}
    assert compile_regex("verlust", ignore_case=True).spans(text) == [(text.index("Verlust"), text.index("="))]
    assert not compile_regex("verlust").finds(text)
    assert compile_regex("x*").spans("ab") == []
    assert RegexSet(["nie", "von", "=ä"]).which(text) == [1, 2]
    assert RegexSet([]).which(text) == []


def test_only_the_beginning_of_an_endless_line_is_looked_at() -> None:
    assert compile_regex("b").finds("a" * (MAX_TEXT - 1) + "b")
    assert not compile_regex("b").finds("a" * MAX_TEXT + "b")


def _with(preset: Preset, **changes: object) -> Preset:
    return msgspec.structs.replace(preset, **changes)
