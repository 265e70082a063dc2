"""Trainers with YAML or TOML files, or without a config file: then the base is in [trainer] or printed by the trainer, and
edits reach it as flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.engine.planning.frozen import differences, preset_of
from autoloop.model import RunState

from tests.cli.conftest import Call
from tests.cli.project import CommandProject

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
when = "train/loss.last > 0"
reason = "faster"
changes = ["learning_rate@mul=10"]
"""
RUN = ("run", "--device", "cpu", "--no-ui", "--exec")


def settings(project: CommandProject, text: str) -> None:
    (project.folder / "autoloop.toml").write_text('rules = "rules.toml"\n' + text, encoding="utf-8")
    (project.folder / "rules.toml").write_text(RULES, encoding="utf-8")


def trained(project: CommandProject) -> list[dict[str, float | None]]:
    """Return the values that each run trained with, from its own metrics."""
    with project.open_store() as store:
        runs = store.runs(project.loop().id)
    assert [run.state for run in runs] == [RunState.FINISHED] * len(runs)
    return [
        {name: each.last for name, each in run.summary.metrics.items() if name in ("train/lr", "train/batch")}
        for run in runs
    ]


def test_a_loop_needs_no_config_file_where_the_base_is_a_table(project: CommandProject) -> None:
    settings(project, TRAINER_TABLE + BASE)
    said = project.call(*RUN, "--decide", "--rounds", "2")
    assert said.returncode == 0, said.stderr
    assert trained(project) == [{"train/lr": 0.1, "train/batch": 8}, {"train/lr": 1.0, "train/batch": 8}]
    with project.open_store() as store:
        first, second = store.runs(project.loop().id)
    assert first.name == "base"
    assert (first.step, first.total_steps) == (3, 3)  # the trainer's number of steps, not ours
    assert second.changes[0].after == 1.0
    assert isinstance(second.changes[0].after, float)  # the trainer requires a float


def test_what_a_trainer_prints_is_its_base_and_only_changes_are_given(project: CommandProject) -> None:
    settings(project, TRAINER_TABLE.replace("[trainer.flags]", DUMP + "[trainer.flags]"))
    said = project.call(*RUN, "--decide", "--rounds", "2")
    assert said.returncode == 0, said.stderr
    assert trained(project) == [{"train/lr": 0.1, "train/batch": 8}, {"train/lr": 1.0, "train/batch": 8}]
    commands = sorted((attempt.argv[2:] for attempt in project.attempts()), key=len)
    assert [[word for word in words if "out_dir" not in word] for words in commands] == [[], ["--learning_rate=1.0"]]


def test_a_dump_that_fails_is_told_with_the_last_words_of_the_trainer(project: CommandProject, call: Call) -> None:
    settings(project, TRAINER_TABLE.replace("[trainer.flags]", DUMP.replace("--print", "--prnt=1") + "[trainer.flags]"))
    said = call("run", "--device", "cpu")
    assert said.code == 2
    assert "dump exited with code 1 (KeyError: 'prnt')" in said.err
    assert said.err.count("\n") == 1


def test_a_loop_goes_on_with_the_base_that_it_was_made_with(project: CommandProject) -> None:
    settings(project, TRAINER_TABLE + BASE)
    assert project.call(*RUN).returncode == 0
    settings(project, "[trainer]\ncommand = 'false {config}'\n")
    with project.open_store() as store:
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


FILES = {
    "yaml": "# the base\nlearning_rate: 0.0001   # rate\nbatch_size: 8\nmax_iters: 3\n",
    "toml": "# the base\nlearning_rate = 1e-4   # rate\nbatch_size = 8\nmax_iters = 3\n",
}


@pytest.mark.parametrize("suffix", sorted(FILES))
def test_a_variant_keeps_the_format_and_the_comments_of_its_base(project: CommandProject, suffix: str) -> None:
    """The trainer reads YAML with PyYAML, which parses 1e-05 as a string; round 2 must train with a number."""
    settings(
        project,
        f'[trainer]\ncommand = "{{python}} {TRAINER} --file={{config}}"\n[trainer.flags]\nout_dir = "{{output_dir}}"\n',
    )
    (project.folder / "rules.toml").write_text(RULES.replace("mul=10", "mul=0.1"), encoding="utf-8")
    (project.folder / f"base.{suffix}").write_text(FILES[suffix], encoding="utf-8")
    said = project.call(*RUN, "--cfgs", f"base.{suffix}", "--decide", "--rounds", "2")
    assert said.returncode == 0, said.stderr
    assert trained(project) == [{"train/lr": 1e-4, "train/batch": 8}, {"train/lr": 1e-5, "train/batch": 8}]
    with project.open_store() as store:
        first, second = store.runs(project.loop().id)
    assert Path(first.config_path).read_text(encoding="utf-8") == FILES[suffix]
    for path in (Path(second.config_path), Path(second.source_path)):
        assert path.suffix == f".{suffix}"
        before, after = FILES[suffix].splitlines(), path.read_text(encoding="utf-8").splitlines()
        assert [line for line in after if line not in before] == [
            before[1].replace("0.0001", "1.0e-05").replace("1e-4", "1e-05")
        ]


@pytest.mark.parametrize("suffix", sorted(FILES))
def test_generate_writes_variants_in_the_format_of_the_base(project: CommandProject, call: Call, suffix: str) -> None:
    (project.folder / f"base.{suffix}").write_text(FILES[suffix], encoding="utf-8")
    said = call("generate", "--base-cfg", f"base.{suffix}", "--changes", "batch_size=16")
    assert said.code == 0, said.err
    (variant,) = project.folder.glob(f"base_*.{suffix}")
    assert variant.read_text(encoding="utf-8") == FILES[suffix].replace("8", "16")


def test_a_secret_of_the_base_or_the_environment_is_not_kept_below_our_folder(project: CommandProject) -> None:
    settings(
        project,
        TRAINER_TABLE + '[trainer.env]\nHUB_TOKEN = "environment9zsecret"\n' + BASE.replace("decay", 'name = "x"\ndecay'),
    )
    assert project.call(*RUN).returncode == 0
    kept = [path for path in (project.folder / ".autoloop").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"environment9zsecret" in path.read_bytes()]
    settings(project, TRAINER_TABLE + BASE + 'hub_token = "base9zsecret0123"\n')
    said = project.call(*RUN)
    assert said.returncode == 2
    assert "hub_token of the config is a secret" in said.stderr
    assert "base9zsecret0123" not in said.stderr
    assert not [path for path in kept if path.exists() and b"base9zsecret0123" in path.read_bytes()]


def test_a_program_or_script_that_is_not_there_is_told_before_a_start(project: CommandProject, call: Call) -> None:
    (project.folder / "base.json").write_text("{}", encoding="utf-8")
    settings(project, '[trainer]\ncommand = "no-such-trainer --config {config}"\n')
    assert (
        "The command no-such-trainer of the preset trainer was not found"
        in call("run", "--cfgs", "base.json", "--device", "cpu").err
    )
    settings(project, '[trainer]\ncommand = "{python} nowhere.py --config {config}"\n')
    assert "The training script nowhere.py does not exist in" in call("run", "--cfgs", "base.json", "--device", "cpu").err


def test_a_yaml_value_that_readers_disagree_on_is_a_note_of_the_plan(project: CommandProject, call: Call) -> None:
    settings(project, '[trainer]\ncommand = "{python} -c pass {config}"\n')
    (project.folder / "base.yaml").write_text("lr: 1e-5\n", encoding="utf-8")
    said = call("run", "--cfgs", "base.yaml", "--device", "cpu")
    assert "base.yaml: PyYAML reads some values differently from other parsers (line 1: lr: 1e-5)" in said.out


def test_a_python_file_is_no_config_and_the_sentence_says_what_is(project: CommandProject, call: Call) -> None:
    (project.folder / "config.py").write_text("lr = 1\n", encoding="utf-8")
    said = call("run", "--cfgs", "config.py", "--device", "cpu", "--preset", "plain", "--train-script", str(TRAINER))
    assert said.code == 2
    assert "is a Python file, which edits cannot change; put its values under [trainer.base]" in said.err
