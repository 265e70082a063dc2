"""`try`: a few steps of a small real trainer, and the report on them."""

from __future__ import annotations

import re
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.cli.project import CommandProject
from tests.support.waiting import eventually

TRAINER = """
import argparse, json, os, random, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--max_steps", type=int, default=5000)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--out", default="runs")
given = parser.parse_args()
MODE = "MODE_IS_HERE"
if MODE == "fails":
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
if MODE == "hangs":
    open("started", "w").close()
    time.sleep(600)
out = "runs" if MODE == "stray" else given.out
os.makedirs(out, exist_ok=True)
if MODE == "good":
    json.dump(vars(given), open(os.path.join(out, "args.json"), "w"))
random.seed(1 if MODE == "seedless" else given.seed)
rows = open(os.path.join(out, "metrics.jsonl"), "w") if MODE != "silent" else None
for step in range(1, given.max_steps + 1):
    row = {"step": step, "loss": random.random() / given.lr, "lr": given.lr}
    if rows:
        print(json.dumps(row), file=rows, flush=True)
"""
SETTINGS = """
[trainer]
command = "{python} train.py --out={output_dir}"
config = "overrides"
base = "base.json"
steps = "max_steps"
output_dir = "must-exist"
"""


def write(
    project: CommandProject, mode: str, settings: str = SETTINGS, base: str = '{"lr": 0.1, "max_steps": 5000, "seed": 1}'
) -> None:
    (project.folder / "train.py").write_text(TRAINER.replace("MODE_IS_HERE", mode), encoding="utf-8")
    (project.folder / "autoloop.toml").write_text(settings, encoding="utf-8")
    (project.folder / "base.json").write_text(base, encoding="utf-8")


Attempt = Callable[..., tuple[int, str]]


@pytest.fixture
def attempt(project: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    """attempt(*words) -> the exit code and output of `try`; its scratch folders are beside the project."""
    monkeypatch.setattr(tempfile, "tempdir", str(project.folder.parent))

    def attempt(*words: str) -> tuple[int, str]:
        said = call("try", "--device", "cpu", *words)
        return said.code, said.out + said.err

    return attempt


def scratch(project: CommandProject) -> list[Path]:
    return list(project.folder.parent.glob("autoloop-try-*"))


def test_what_reached_the_trainer_and_what_was_found(project: CommandProject, attempt: Attempt) -> None:
    write(project, "good")
    before = sorted(project.folder.rglob("*"))
    code, said = attempt()
    assert code == 0, said
    assert re.search(r"command   \S+python\S* train.py --out=\S+ --lr=0.1 --max_steps=20 --seed=1", said)
    assert "at step 20: it exited with code 0" in said
    assert "sources   jsonl" in said
    assert re.search(r"loss +20 +1–20 ", said)
    assert "the last point is at step 20 of 20" in said
    assert re.search(r"rate .*points/min", said)
    assert "reached   max_steps 20, given --max_steps=20: seen: args.json; seen: it made 20 steps" in said
    assert "Second run, with seed 1 → 2" in said
    assert "reached   seed 2, given --seed=2: seen: args.json; metrics changed with it" in said
    assert "Nothing is missing." in said
    assert scratch(project) == []
    assert sorted(project.folder.rglob("*")) == before  # no store and no outputs


def test_an_edit_of_ones_own_is_followed_into_the_metrics(project: CommandProject, attempt: Attempt) -> None:
    write(project, "seedless")
    code, said = attempt("--changes", "lr@mul=2", "--steps", "4", "--keep")
    assert code == 0, said
    assert "reached   lr 0.2, given --lr=0.2: seen: its metric lr; metrics changed with it" in said
    (folder,) = scratch(project)
    assert f"Its output is in {folder}" in said
    assert len(list(folder.rglob("metrics.jsonl"))) == 2


def test_a_seed_that_changes_nothing_is_told(project: CommandProject, attempt: Attempt) -> None:
    write(project, "seedless")
    code, said = attempt()
    assert code == 0, said
    assert "reached   seed 2, given --seed=2: no metric changed with it" in said
    assert "no metric changed with seed, so all seeds may train the same run" in said


def test_a_seed_in_a_file_that_only_a_flag_sets_is_missing(project: CommandProject, attempt: Attempt) -> None:
    """The trainer writes the seed into its record of the config, but does not use it."""
    file = SETTINGS.replace('"overrides"', '"file"').replace("train.py --out", "train.py {config} --out")
    write(project, "good", file)
    source = (project.folder / "train.py").read_text(encoding="utf-8")
    reads_file = "import json, sys\nfile = json.load(open(sys.argv.pop(1)))\n" + source.replace(
        "given = parser.parse_args()",
        "given = parser.parse_args([*sys.argv[1:], *(f'--{key}={file[key]}' for key in ('lr', 'max_steps'))])",
    ).replace("vars(given)", "file")
    (project.folder / "train.py").write_text(reads_file, encoding="utf-8")
    code, said = attempt()
    assert code == 0, said
    assert "no metric changed with seed, so all seeds may train the same run" in said
    assert "the script takes --seed: add --seed {seed} to command" in said
    (project.folder / "autoloop.toml").write_text(file.replace("--out=", "--seed {seed} --out="), encoding="utf-8")
    code, said = attempt()
    assert code == 0, said
    assert "reached   seed 2, given --seed 2: seen: args.json; metrics changed with it" in said
    assert "Nothing is missing." in said


def test_a_seed_that_is_seen_nowhere_gets_the_advice_for_its_flag(project: CommandProject, attempt: Attempt) -> None:
    file = SETTINGS.replace('"overrides"', '"file"').replace("train.py --out", "train.py {config} --out")
    write(project, "seedless", file)
    train = project.folder / "train.py"
    reads_file = "import json, sys\nfile = json.load(open(sys.argv.pop(1)))\n" + train.read_text(encoding="utf-8").replace(
        "given = parser.parse_args()", "given = parser.parse_args([*sys.argv[1:], f'--max_steps={file[\"max_steps\"]}'])"
    )
    train.write_text(reads_file, encoding="utf-8")
    _, said = attempt()
    assert "no metric changed with seed, so all seeds may train the same run" in said
    assert "the script takes --seed: add --seed {seed} to command" in said
    (project.folder / "autoloop.toml").write_text(file.replace("--out=", "--seed {seed} --out="), encoding="utf-8")
    _, said = attempt()
    assert "no metric changed with seed, so all seeds may train the same run" in said
    assert "does a flag of command" not in said
    assert "to command" not in said
    train.write_text(
        reads_file.replace("\nfile =", "\nclass C:\n    def __init__(self, lr, max_steps): pass\nfile =").replace(
            "\nparser =", "\nC(**file)\nparser =", 1
        ),
        encoding="utf-8",
    )
    code, said = attempt()
    assert code == 1
    assert "If it rejects the key seed in its config file: change it to ignore that key, or delete the key" in said
    (project.folder / "base.json").write_text('{"lr": 0.1, "max_steps": 5000}', encoding="utf-8")
    _, said = attempt()
    assert "or write a number in place of {seed}" in said
    (project.folder / "autoloop.toml").write_text(file.replace("--out=", "--seed 3 --out="), encoding="utf-8")
    code, said = attempt()
    assert code == 0, said


def test_a_config_file_that_a_flag_of_the_command_overrides_is_told(project: CommandProject, attempt: Attempt) -> None:
    """The trainer writes down the values it used, which are not those in the file."""
    write(
        project,
        "good",
        SETTINGS.replace('"overrides"', '"file"').replace("train.py --out", "wrap.py {config} --lr=0.5 --seed {seed} --out"),
    )
    (project.folder / "wrap.py").write_text(
        "import json, sys\nfile = json.load(open(sys.argv.pop(1)))\n"
        "sys.argv[1:1] = [f'--{key}={value}' for key, value in file.items()]\nexec(open('train.py').read())\n",
        encoding="utf-8",
    )
    code, said = attempt("--changes", "lr=0.3")
    assert code == 0, said
    assert "reached   lr 0.3, given in its config file: but args.json has 0.5" in said
    assert "lr did not reach the trainer: args.json has 0.5; does a flag of command give it too?" in said
    assert "max_steps 20, given in its config file: seen: args.json" in said


def test_each_thing_that_is_missing_has_a_line_to_add_that_mends_it(project: CommandProject, attempt: Attempt) -> None:
    settings = (
        '[trainer]\ncommand = "{python} train.py"\nconfig = "overrides"\nbase = "base.json"\noutput_dir = "must-exist"\n'
    )
    write(project, "good", settings, '{"lr": 0.1, "n_rounds_max": 5, "my_seed": 3}')
    (project.folder / "train.py").write_text(
        TRAINER.replace("MODE_IS_HERE", "good")
        .replace("max_steps", "n_rounds_max")
        .replace("seed", "my_seed")
        .replace("random.my_seed", "random.seed"),
        encoding="utf-8",
    )
    code, said = attempt()
    assert code == 1, said  # it wrote to a place where no run of a loop would look
    assert "the run's folder is not passed to the trainer, so runs write over each other; it wrote runs/" in said
    lines = re.findall(r"add to \[trainer\]: (.*)", said)
    assert lines == ['flags = { out = "{output_dir}" }', 'steps = "n_rounds_max"', 'seed = "my_seed"']
    (project.folder / "autoloop.toml").write_text(settings + "\n".join(lines) + "\n", encoding="utf-8")
    code, said = attempt()
    assert code == 0, said
    assert "Nothing is missing." in said


def test_metrics_that_stand_on_the_numbers_of_their_rows_are_told_with_the_counter(
    project: CommandProject, attempt: Attempt
) -> None:
    write(project, "good")
    rows = '"step": step, "loss"', '"my_iter": step, "loss"'
    source = TRAINER.replace("MODE_IS_HERE", "good").replace(*rows).replace("if rows:", "if step % 5 == 0:")
    (project.folder / "train.py").write_text(source, encoding="utf-8")
    code, said = attempt()
    assert code == 0, said
    assert "the metrics stand on steps 0 to 3, the numbers of their rows" in said
    assert 'add to [trainer]: step = "my_iter"  # the metric that counts the steps' in said
    (project.folder / "autoloop.toml").write_text(f'{SETTINGS}step = "my_iter"\n', encoding="utf-8")
    code, said = attempt()
    assert "Nothing is missing." in said
    assert re.search(r"loss +4 +5–20 ", said)


def test_a_trainer_that_writes_and_prints_nothing_is_told_what_to_write(project: CommandProject, attempt: Attempt) -> None:
    write(project, "silent")
    code, said = attempt()
    assert code == 1
    assert "sources   none with a metric" in said
    assert "no metric: let the trainer log to TensorBoard or W&B, or write a JSON object a line" in said


def test_a_failure_has_its_diagnosis_and_its_folder_is_kept(project: CommandProject, attempt: Attempt) -> None:
    write(project, "fails")
    code, said = attempt()
    assert code == 1
    assert "failed    the GPU ran out of memory" in said
    assert "RuntimeError: CUDA out of memory" in said
    (folder,) = scratch(project)
    assert f"Its output is in {folder}" in said
    assert "Traceback" in (folder / "attempts/base/log.txt").read_text(encoding="utf-8")


def test_a_trainer_that_takes_too_long_is_stopped(project: CommandProject, attempt: Attempt) -> None:
    write(project, "hangs")
    code, said = attempt("--seconds", "1")
    assert code == 1
    assert "at step 0: stopped, because its time was over" in said
    assert "allow more time with --seconds" in said
    assert scratch(project) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_trainer_first(project: CommandProject, number: signal.Signals) -> None:
    write(project, "hangs")
    running = project.start("try", "--device", "cpu", env={"TMPDIR": str(project.folder.parent)})
    eventually((project.folder / "started").exists)
    running.signal(number)
    assert running.wait() == 130
    assert "Stopped; the trainer has ended." in running.errors
    assert scratch(project) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere.json",), "nowhere.json"),
        (("--changes", "lrr@mul=2"), "lrr"),
        (("--seconds", "0"), "--seconds must be more than 0"),
        (("--python", "/nowhere/python"), "The interpreter /nowhere/python does not exist"),
    ],
)
def test_what_cannot_be_tried_is_a_sentence(
    project: CommandProject, attempt: Attempt, words: tuple[str, ...], sentence: str
) -> None:
    write(project, "good")
    code, said = attempt(*words)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said
    assert scratch(project) == []
