"""Trainers without a config file: their base stands in [trainer] or is what they print, and edits reach them as flags."""

from __future__ import annotations

from pathlib import Path

from autoloop.engine.planning.frozen import differences, preset_of
from autoloop.model import RunState

from tests.cli.conftest import Call
from tests.cli.project import Project

TRAINER = Path(__file__).with_name("foreign_trainer.py")
TRAINER_TABLE = f"""
[trainer]
command = "{{python}} {TRAINER}"
config = "overrides"
values = "python"
steps = "max_iters"

[trainer.flags]
out_dir = "{{output_dir}}"
"""
BASE = "[trainer.base]\nlearning_rate = 0.1\nbatch_size = 8\nmax_iters = 3\ndecay = true\n"
DUMP = f'dump = "{{python}} {TRAINER} --print"\n'
RULES = """
version = 1
name = "mine"

[[rule]]
id = "faster"
when = "train_loss.last > 0"
reason = "faster"
changes = ["learning_rate@mul=10"]
"""
RUN = ("run", "--device", "cpu", "--no-ui", "--exec")


def settings(project: Project, text: str) -> None:
    (project.folder / "autoloop.toml").write_text('rules = "rules.toml"\n' + text, encoding="utf-8")
    (project.folder / "rules.toml").write_text(RULES, encoding="utf-8")


def trained(project: Project) -> list[dict[str, float | None]]:
    """What each run trained with, as its own metrics say."""
    with project.store() as store:
        runs = store.runs(project.loop().id)
    assert [run.state for run in runs] == [RunState.FINISHED] * len(runs)
    return [
        {name: each.last for name, each in run.summary.metrics.items() if name in ("train/lr", "train/batch")}
        for run in runs
    ]


def test_a_loop_needs_no_config_file_where_the_base_is_a_table(project: Project) -> None:
    settings(project, TRAINER_TABLE + BASE)
    said = project.call(*RUN, "--decide", "--rounds", "2")
    assert said.returncode == 0, said.stderr
    assert trained(project) == [{"train/lr": 0.1, "train/batch": 8}, {"train/lr": 1.0, "train/batch": 8}]
    with project.store() as store:
        first, second = store.runs(project.loop().id)
    assert first.name == "base"
    assert (first.step, first.total_steps) == (3, 3)  # its own number of steps, not ours
    assert second.changes[0].after == 1.0
    assert isinstance(second.changes[0].after, float)  # the trainer insists


def test_what_a_trainer_prints_is_its_base_and_only_changes_are_given(project: Project) -> None:
    settings(project, TRAINER_TABLE.replace("[trainer.flags]", DUMP + "[trainer.flags]"))
    said = project.call(*RUN, "--decide", "--rounds", "2")
    assert said.returncode == 0, said.stderr
    assert trained(project) == [{"train/lr": 0.1, "train/batch": 8}, {"train/lr": 1.0, "train/batch": 8}]
    commands = sorted((attempt.argv[2:] for attempt in project.attempts()), key=len)
    assert [[word for word in words if "out_dir" not in word] for words in commands] == [[], ["--learning_rate=1.0"]]


def test_a_dump_that_fails_is_told_with_the_last_words_of_the_trainer(project: Project, call: Call) -> None:
    settings(project, TRAINER_TABLE.replace("[trainer.flags]", DUMP.replace("--print", "--prnt=1") + "[trainer.flags]"))
    said = call("run", "--device", "cpu")
    assert said.code == 2
    assert "dump ended with exit code 1 (KeyError: 'prnt')" in said.err
    assert said.err.count("\n") == 1


def test_a_loop_goes_on_with_the_base_that_it_was_made_with(project: Project) -> None:
    settings(project, TRAINER_TABLE + BASE)
    assert project.call(*RUN).returncode == 0
    settings(project, "[trainer]\ncommand = 'false {config}'\n")
    with project.store() as store:
        loop = project.loop()
        assert preset_of(store.places, loop).base == {
            "learning_rate": 0.1,
            "batch_size": 8,
            "max_iters": 3,
            "decay": True,
        }
        assert differences(store.places, loop)
        settings(project, "grace = 3.0\n" + TRAINER_TABLE + BASE)
        assert not differences(store.places, loop)
