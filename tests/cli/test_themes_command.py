from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoloop_tui.cli.main import main

GOOD = 'name = "mine"\ndescription = "my own"\nprimary = "#aaaaff"\nforeground = "#ffffff"\nbackground = "#000000"\n'
FAINT = 'name = "faint"\nprimary = "#aaaaff"\nforeground = "#333333"\nbackground = "#222222"\n'

Run = Callable[..., tuple[str | int | None, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*words) -> exit code, stdout, stderr; in a separate project, without themes of the user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*words: str) -> tuple[str | int | None, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["themes", *words])
        out = capsys.readouterr()
        return ended.value.code, out.out, out.err

    return call


def write(tmp_path: Path, name: str, text: str, where: str = "themes") -> Path:
    folder = tmp_path / where
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_the_shipped_themes_are_listed_with_their_contrast(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    rows = {line.split()[0]: line.split() for line in out.splitlines() if " shipped " in line}
    assert len(rows) >= 6
    assert rows["light"][2] == "light"
    assert rows["dark"][5] == "ok"
    assert float(rows["dark"][3]) >= 4.5
    assert float(rows["dark"][4]) >= 3
    assert rows["ansi16"][2:5] == ["terminal", "–", "–"]
    assert "  Calm greys with six accents: the default" in out.splitlines()
    assert max(map(len, out.splitlines())) <= 80  # in a pipe too


def test_themes_of_a_person_and_of_the_project_are_told_apart(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "a", GOOD)
    write(tmp_path, "b", GOOD.replace("mine", "own"), "config/autoloop/themes")
    _, out, _ = run()
    origins = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.startswith(("mine", "own"))}
    assert origins == {"mine": "project", "own": "user"}


def test_a_bad_file_is_named_with_what_is_wrong_and_fails_the_command(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "bad", GOOD + 'secondry = "#fff"\n')
    code, out, _ = run()
    assert code == 1
    assert f"left out: {path}: `secondry` is not a theme key; did you mean `secondary`?" in out


def test_the_list_says_which_colours_of_a_theme_are_too_faint_or_alike(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "faint", FAINT + "[variables]\nslot-lost = 75\nslot-running = 75\n")
    _, out, _ = run()
    said = " ".join(out.split())
    assert re.search(r"faint: foreground on background: 1\.\d, needs 4\.5 \(256 colours\)", said)
    assert f"more; `autoloop-tui themes --check {tmp_path}/themes/faint.toml` lists them" in said
    assert "dark:" not in said
    _, out, _ = run("--check", "themes/faint.toml")
    assert "slot-running looks like slot-lost: 0.0, needs 15 (256 colours)" in out


def test_json_holds_the_figures_and_the_failures(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "faint", FAINT)
    bad = write(tmp_path, "bad", "name = 3\n")
    code, out, _ = run("--json")
    found = json.loads(out)
    themes = {theme["name"]: theme for theme in found["themes"]}
    assert code == 1
    assert themes["dark"]["ok"] is True
    assert themes["ansi16"]["contrast"]["text"] is None
    assert themes["faint"]["ok"] is False
    assert themes["faint"]["contrast"]["text"] < 4.5
    assert any(problem.startswith("foreground on background") for problem in themes["faint"]["problems"])
    assert [failure["path"] for failure in found["failures"]] == [str(bad)]


def test_one_file_is_checked(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "mine", GOOD, "elsewhere")
    code, out, _ = run("--check", str(path))
    assert code == 0
    assert out.startswith("mine: ok\n")
    assert "lowest contrast: text" in out


def test_a_faint_theme_fails_the_check_and_says_which_colours(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "faint", FAINT, "elsewhere")
    code, out, _ = run("--check", str(path))
    assert code == 1
    assert "foreground on background: 1.3, needs 4.5" in out
    assert json.loads(run("--check", str(path), "--json")[1])["ok"] is False


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name = ", "it is not valid TOML"),
        (b"name = 'x'\n", "`primary` is missing"),
        (b"name = '\xe9'", "is not UTF-8 text"),
        (b"\xff\xfe", "is UTF-16 text"),
    ],
    ids=["toml", "key", "encoding", "wide encoding"],
)
def test_a_file_that_is_no_theme_is_one_sentence(run: Run, tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    code, out, err = run("--check", str(path))
    assert code == 2
    assert out == ""
    assert sentence in err
    assert str(path) in err
    assert len(err.splitlines()) == 1


def test_a_missing_file_is_one_sentence(run: Run) -> None:
    code, _, err = run("--check", "nowhere.toml")
    assert code == 2
    assert err == "autoloop-tui: nowhere.toml cannot be read: No such file or directory.\n"


def test_the_command_needs_neither_textual_nor_rich() -> None:
    program = (
        "import sys, autoloop_tui.cli.commands.themes as c; c.themes(); "
        "sys.exit(any(name.partition('.')[0] in ('textual', 'rich') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path), "HOME": "/nonexistent"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


NAMES = [("okabe-itto", "did you mean okabe-ito?"), ("zzz", "`autoloop-tui themes` lists")]


@pytest.mark.parametrize(("name", "said"), NAMES)
def test_an_unknown_theme_is_refused_in_a_pipe_too(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--theme", name])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
