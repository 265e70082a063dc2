"""`--man`, `--install-completion` and `examples`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from autoloop_tui.cli import catalogue, parser
from autoloop_tui.cli.commands.examples import TASKS
from tests.cli.conftest import Call
from tests.support.tmux import Tmux
from tests.support.waiting import PATIENCE

ASKING = {
    "bash": 'source "$0"; COMP_WORDS=(autoloop-tui appr); COMP_CWORD=1; _autoloop_tui; printf "%s\\n" "${COMPREPLY[@]}"',
    "fish": "source $argv[1]; complete -C 'autoloop-tui appr'",
    "zsh": 'zsh -n "$0" && fpath=(${0:h} $fpath) && autoload -Uz compinit && compinit -u -D && print $_comps[autoloop-tui]',
}
"""By shell: a script that loads the completion given as its argument and completes. zsh only completes in a terminal, so
there the script prints the function that would complete."""

STARTING = {
    "bash": ("bash --norc -i", "source ./script", """autoloop-tui() { printf '<%s>' "$@"; echo; }"""),
    "fish": ("fish --no-config", "source ./script", "function autoloop-tui; printf '<%s>' $argv; echo; end"),
    "zsh": (
        "zsh -f",
        "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D",
        """autoloop-tui() { printf '<%s>' "$@"; echo; }""",
    ),
}
"""By shell: how it starts without settings, how it loads the completion, and a program that prints its arguments."""


@pytest.mark.parametrize("shell", ASKING)
def test_completion_is_installed_and_knows_the_commands(
    shell: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ZSH", raising=False)
    monkeypatch.delenv("ZSH_CUSTOM", raising=False)
    said = call("--install-completion", "--shell", shell)
    assert (said.code, said.err) == (0, "")
    (script,) = (path for path in tmp_path.rglob("*autoloop-tui*") if path.is_file())
    text = script.read_text(encoding="utf-8")
    assert all(name in text for name in catalogue.COMMANDS)
    assert "--max-hours" in text
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} on this machine to load it")
    asked = subprocess.run(
        [shell, "-c", ASKING[shell], str(script)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=tmp_path,
    )
    assert asked.returncode == 0, asked.stderr
    assert ("_cyclopts_autoloop-tui" if shell == "zsh" else "approve") in asked.stdout, asked.stderr


@pytest.mark.parametrize("shell", STARTING)
def test_completion_offers_files_wherever_nothing_else_is_known(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which(shell) or not shutil.which("tmux"):
        pytest.skip(f"there is no {shell}, or no tmux, on this machine")
    monkeypatch.setenv("HOME", str(tmp_path))
    script = parser.command_line(listing=True).generate_completion(shell=shell)
    (tmp_path / ("_cyclopts_autoloop-tui" if shell == "zsh" else "script")).write_text(script, encoding="utf-8")
    (tmp_path / "base.yaml").touch()
    (tmp_path / "other folder").mkdir()
    (tmp_path / "other folder/base.toml").touch()
    lines = {
        "run --cfgs ba": "<run><--cfgs><base.yaml>",
        "run --cfgs base.yaml oth\tba": "<run><--cfgs><base.yaml><other folder/base.toml>",
        "run --rules ba": "<run><--rules><base.yaml>",
        "init -- python ba": "<init><--><python><base.yaml>",
        "themes --check oth\tba": "<themes><--check><other folder/base.toml>",
        "appr": "<approve>",
    }
    terminal = Tmux(tmp_path)
    try:
        for line in STARTING[shell]:
            terminal.type(f"{line}\n")
        for typed, words in lines.items():
            terminal.type(f"autoloop-tui {typed}\t\n")
            terminal.wait(words)
    finally:
        terminal.run("kill-server")


def test_the_manual_page_has_every_command_and_no_mistake_of_roff(call: Call, tmp_path: Path) -> None:
    said = call("--man")
    assert said.code == 0
    for name in catalogue.COMMANDS:
        assert f'.SS "autoloop\\-tui {name.replace("-", chr(92) + "-")}' in said.out
    assert r"\fB\-\-max\-hours FLOAT\fR" in said.out
    for flag in parser.LISTING:
        assert re.search(rf"^\\fB.*\b{re.escape(flag.lstrip('-').replace('-', chr(92) + '-'))}\b", said.out, re.MULTILINE)
    assert r"\fB\-\-version" in said.out
    groff = shutil.which("groff")
    if groff:
        made = subprocess.run([groff, "-man", "-ww", "-Tutf8"], input=said.out, capture_output=True, text=True, check=False)
        assert made.stderr == ""
        assert "Stopped by a user or a limit" in made.stdout


@pytest.mark.parametrize("task", TASKS)
def test_the_lines_of_a_task_are_calls_that_are_understood(task: str) -> None:
    for line in TASKS[task]:
        assert len(line) <= 105
        parser.app.parse_args(shlex.split(line), exit_on_error=False, print_error=False)


def test_examples_are_found_by_a_word_of_the_task_or_the_command(call: Call) -> None:
    everything = call("examples").out
    assert all(f"  autoloop-tui {line}\n" in everything for lines in TASKS.values() for line in lines)
    assert call("examples", "Night").out.splitlines()[0] == "Leave it unattended overnight"
    assert "--propose optuna" in call("examples", "optuna").out
    said = call("examples", "zebra")
    assert (said.code, said.err) == (
        2,
        "autoloop-tui: No example mentions zebra; `autoloop-tui examples` prints all of them.\n",
    )
