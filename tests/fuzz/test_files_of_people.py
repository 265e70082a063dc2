"""Every kind of file that users supply, with any damage: it is read, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from autoloop.configs import parse_config
from autoloop.files import read_text
from autoloop.metrics import default_book, parse_metric_book
from autoloop.model import UserError
from autoloop.rules import parse_book
from autoloop.settings import FILE, load_settings
from autoloop.trainers import load_preset
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autoloop_tui.console.theming.theme_files import parse_theme

ROOT = Path(__file__).parents[2]
SETTINGS = """
preset = "plain"
python = "/usr/bin/python3"
gpus = [0, 1]
rules = "mine.toml"
max_log_mb = 64
quiet_hours = "22:00-07:00"
[wandb]
online = true
entity = "e"
[fields]
integers = ["*_size"]
[policy]
formal = false
"""
CONFIG = '{"policy": {"type": "act", "lr": 1e-4, "sizes": [1, 2, {"a": null}]}, "steps": 2000, "ot": {"reg": 0.1}}'


YAML_CONFIG = (
    "# c\nbase: &b {lr: 1e-4, n: 010}\npolicy:\n  <<: *b\n  sizes:\n    - 1\n    - {a: ~}\nsteps: 2000\ntext: |\n  a\n"
)
TOML_CONFIG = "steps = 2000\nat = 2024-01-01\n[policy]\nlr = 1e-4\nsizes = [1, 2]\n[[runs]]\na = {b = true}\n"
TRAINER = """
[trainer]
command = "{python} 'train x.py' --config {config}"
config = "both"
style = "hydra"
dump = ["a", "{config}"]
base = "base.json"
[trainer.flags]
out = "{output_dir}"
"""


def shipped(path: str) -> str:
    return (resources.files("autoloop") / path).read_text(encoding="utf-8")


def settings_file(path: Path) -> None:
    read = load_settings(path.parent)
    read.field_types()
    read.metric_book(path.parent)


def theme_file(path: Path) -> None:
    try:
        parse_theme(read_text(path, "theme"), str(path))
    except ValueError as error:  # how an unusable theme is reported
        raise UserError(str(error)) from None


KINDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "settings": (FILE, SETTINGS, settings_file),
    "config": ("config.json", CONFIG, lambda path: parse_config(read_text(path, "config"), str(path))),
    "YAML config": ("config.yaml", YAML_CONFIG, lambda path: parse_config(read_text(path, "config"), str(path))),
    "TOML config": ("config.toml", TOML_CONFIG, lambda path: parse_config(read_text(path, "config"), str(path))),
    "trainer": (FILE, TRAINER, lambda path: load_preset(str(path))),
    "preset": ("preset.toml", shipped("profiles/lerobot/presets/lerobot.toml"), lambda path: load_preset(str(path))),
    "rule book": (
        "book.toml",
        shipped("profiles/act_ot/rules.toml"),
        lambda path: parse_book(read_text(path, "rules file"), str(path), default_book()),
    ),
    "metric book": (
        "metrics.toml",
        shipped("profiles/act_ot/metrics.toml"),
        lambda path: default_book().extended(parse_metric_book(read_text(path, "metric book"), str(path))),
    ),
    "theme": (
        "theme.toml",
        sorted((ROOT / "themes").glob("*.toml"))[0].read_text(encoding="utf-8"),
        theme_file,
    ),
}

NASTY = st.sampled_from(
    [
        *(b"[[", b"]]", b"{", b"}", b"[", b'"', b"'''", b"\\", b"=", b",", b"\n", b"#", b".", b"$", b"{x}", b"%s"),
        *(b"-1", b"0", b"nan"),
        *(b"inf", b"1e999", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"a." * 3000, b"true", b'""', b"null"),
        *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1b[2J", "é\u202e".encode()),
        *(b"preset = 1\n", b"[[rule]]\n", b"1979-05-27"),
        *(b"9**9**9**9", b"().__class__", b"__import__('os')", b"(a+)+$", b"lambda: 0", b"f'{x}'"),
        *(b"1" + b"+1" * 3000, b"not " * 3000),
    ]
)
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), NASTY | st.binary(max_size=4)), min_size=1, max_size=4)


def damaged(text: str, damage: list[tuple[float, int, bytes]]) -> bytes:
    data = text.encode()
    for where, cut, put in damage:
        at = int(where * len(data))
        data = data[:at] + put + data[at + cut :]
    return data


def read_or_refused(kind: str, folder: Path, damage: list[tuple[float, int, bytes]]) -> None:
    name, text, read = KINDS[kind]
    path = folder / name
    path.write_bytes(damaged(text, damage))
    try:
        read(path)
    except UserError as error:
        said = str(error)
        assert said
        assert "\n" not in said
        assert "Traceback" not in said


def fuzzed(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    calm = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    deep_by_dots = example(damage=[(0.0, 0, b"a." * 3000 + b"b = 1\n")])
    return lambda test: calm(deep_by_dots(given(damage=DAMAGE)(test)))


@pytest.mark.parametrize("kind", KINDS)
@fuzzed(30)
def test_a_damaged_file_is_read_or_refused_in_a_sentence(
    kind: str, tmp_path: Path, damage: list[tuple[float, int, bytes]]
) -> None:
    read_or_refused(kind, tmp_path, damage)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
@fuzzed(5000)
def test_a_damaged_file_is_read_or_refused_in_a_sentence_however_often(
    kind: str, tmp_path: Path, damage: list[tuple[float, int, bytes]]
) -> None:
    read_or_refused(kind, tmp_path, damage)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_itself_is_good(kind: str, tmp_path: Path) -> None:
    name, text, read = KINDS[kind]
    (tmp_path / name).write_text(text.replace('rules = "mine.toml"', ""), encoding="utf-8")
    read(tmp_path / name)
