"""`doctor`, and the preflight of `run --exec`: problems are reported before anything is started or written."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from autoloop import gpus
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.model import LoopSpec
from autoloop.preflight import machine

from autoloop_tui.cli import main
from tests.cli.conftest import Call, call
from tests.cli.project import LAUNCH, CommandProject, tree

__all__ = ["call"]  # a fixture

HERE = Path(__file__).parent
GIB = 1 << 30


class Findings(NamedTuple):
    code: int
    by_subject: dict[str, dict[str, str]]


Doctor = Callable[..., Findings]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandProject]:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    for name in ("draccus.py", "wrapped_trainer.py"):
        shutil.copy(HERE / name, folder / "src")
    # A fake launcher beside the training script: the real one, if found by name, would import torch for each query.
    commands = folder / "src" / "accelerate" / "commands"
    commands.mkdir(parents=True)
    for path in (commands.parent / "__init__.py", commands / "__init__.py", commands / "launch.py"):
        path.touch()
    project = CommandProject(folder)
    yield project
    project.close()


def write(project: CommandProject, name: str, config: dict[str, Any]) -> None:
    (project.folder / name).write_text(json.dumps(config))


def launch(**settings: str) -> list[str]:
    words = {"train-script": "src/wrapped_trainer.py", "device": "cpu", **settings}
    return [word for name, value in words.items() for word in (f"--{name}", value)]


@pytest.fixture
def doctor(call: Call) -> Doctor:
    """doctor(*words): return its findings."""

    def doctor(*words: str) -> Findings:
        said = call("doctor", "--json", *words)
        assert not said.err, said.err
        document = json.loads(said.out)
        assert document["ready"] == (said.code == 0)
        return Findings(said.code, {each["subject"]: each for each in document["findings"]})

    return doctor


def test_every_config_is_checked_by_the_trainers_own_classes(project: CommandProject, doctor: Doctor) -> None:
    write(project, "good.json", {"dataset": "a", "batch_size": 12})
    write(project, "floaty.json", {"dataset": "a", "batch_size": 12.0})
    write(project, "unknown.json", {"dataset": "a", "batchsize": 12})
    write(project, "lacks.json", {"batch_size": 12})
    (project.folder / "broken.json").write_text("{")
    names = ["good.json", "floaty.json", "unknown.json", "lacks.json", "broken.json"]
    code, found = doctor(*launch(), "--cfgs", *names)
    assert code == 1
    errors = {subject: each["text"] for subject, each in found.items() if each["level"] == "error"}
    assert errors.pop("config broken.json").startswith(str(project.folder / "broken.json, line 1"))
    assert errors == {
        "config floaty.json": "the config gives batch_size = 12.0, and the trainer wants an integer",
        "config unknown.json": "the trainer does not know the config key batchsize",
        "config lacks.json": "the config lacks dataset",
    }


def test_every_fault_of_a_config_is_said_and_none_is_invented(project: CommandProject, call: Call) -> None:
    """The trainer's own parser stops at the first problem."""
    faulty = {"batch_size": 12.0, "batchsize": 12, "schedule": {"decay": 1.5, "warm": 1}}
    write(project, "many.json", faulty)
    write(project, "late.json", {"dataset": "a", "batch_size": 2.5, "schedule": {"warmup": 200}})
    write(project, "shadowed.json", {"dataset": "a", "schedule": {"warmup": 200, "decay": 1.5}})
    done = call("doctor", "--json", *launch(), "--cfgs", "many.json", "late.json", "shadowed.json")
    assert done.code == 1, done.err
    found = json.loads(done.out)["findings"]
    faults = {
        name: [each["text"] for each in found if each["subject"] == f"config {name}.json" and each["level"] == "error"]
        for name in ("many", "late", "shadowed")
    }
    assert sorted(faults["many"]) == [
        "the config gives batch_size = 12.0, and the trainer wants an integer",
        "the config gives schedule.decay = 1.5, and the trainer wants an integer",
        "the config lacks dataset",
        "the config lacks warmup in schedule",
        "the trainer does not know the config key batchsize",
        "the trainer does not know the config key warm in schedule",
    ]
    wanted = "the config gives batch_size = 2.5, and the trainer wants an integer"
    assert len(faults["late"]) == 2
    assert wanted in faults["late"]
    assert any("a warm-up of 200 steps is longer than the decay of 100" in text for text in faults["late"])
    # The schedule cannot be checked before its decay is a number, so there is no finding about it.
    assert faults["shadowed"] == ["the config gives schedule.decay = 1.5, and the trainer wants an integer"]


def test_what_extra_gives_is_checked_with_the_config(project: CommandProject, doctor: Doctor) -> None:
    write(project, "lacks.json", {"batch_size": 12.0})
    code, found = doctor(*launch(), "--cfgs", "lacks.json", "--extra", "--dataset=a", "--batch_size", "12")
    assert code == 0, found
    code, found = doctor(*launch(), "--cfgs", "lacks.json", "--extra", "--dataset=a", "--batch_size=1.5")
    assert code == 1
    assert "batch_size = 1.5" in found["config lacks.json"]["text"]


def test_a_flag_that_this_version_lacks_points_to_the_preset(project: CommandProject, doctor: Doctor) -> None:
    write(project, "good.json", {"dataset": "a"})
    code, found = doctor(*launch(preset="lerobot-0.6"), "--cfgs", "good.json")
    assert code == 1
    assert "env_eval_freq" in found["config good.json"]["text"]
    assert "choose the preset" in found["config good.json"]["advice"]


def test_the_version_of_the_trainers_package_tells_the_preset(project: CommandProject, doctor: Doctor) -> None:
    write(project, "good.json", {"dataset": "a"})
    facts = project.folder / "src/lerobot-0.6.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lerobot\nVersion: 0.6.2\n")
    code, found = doctor(*launch(preset="lerobot"), "--cfgs", "good.json")
    assert (code, found["trainer"]["level"]) == (0, "warning")
    assert "lerobot 0.6.2" in found["trainer"]["text"]
    assert found["trainer"]["advice"] == "choose --preset lerobot-0.6"


def test_a_trainer_that_cannot_be_imported_is_an_error_with_its_reason(project: CommandProject, doctor: Doctor) -> None:
    write(project, "good.json", {"dataset": "a"})
    with (project.folder / "src/wrapped_trainer.py").open("a") as script:
        script.write("\nimport no_such_package\n")
    code, found = doctor(*launch(), "--cfgs", "good.json")
    assert code == 1
    assert "wrapped_trainer.py cannot be imported" in found["trainer"]["text"]


def test_a_trainer_without_a_guard_is_never_imported(project: CommandProject, doctor: Doctor) -> None:
    write(project, "good.json", {"dataset": "a"})
    (project.folder / "src/wild.py").write_text(
        "import draccus, pathlib\npathlib.Path('started').touch()\n"
        "@draccus.wrap()\ndef train(cfg: dict):\n    pass\ntrain()\n"
    )
    code, found = doctor(*launch(**{"train-script": "src/wild.py"}), "--cfgs", "good.json")
    assert code == 0, found
    assert "no config classes" in found["configs"]["text"]
    assert not (project.folder / "started").exists()


def test_an_interpreter_without_the_launcher_is_an_error(project: CommandProject, tmp_path: Path, doctor: Doctor) -> None:
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    shutil.rmtree(project.folder / "src" / "accelerate")
    code, found = doctor(*launch(python=str(bare)))
    assert code == 1
    assert "cannot start accelerate.commands.launch" in found["accelerate"]["text"]


def test_where_nothing_says_how_to_train_no_other_trainer_is_talked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    found = doctor("--device", "cpu")
    assert found.code == 1
    assert found.by_subject["trainer"]["level"] == "error"
    assert found.by_subject["trainer"]["text"].startswith("there is no autoloop.toml here")
    assert "autoloop-tui init -- " in found.by_subject["trainer"]["advice"]
    assert found.by_subject["output root"]["level"] == "ok"
    assert "lerobot" not in str(found)
    assert "accelerate" not in found.by_subject
    (tmp_path / "empty/autoloop.toml").write_text("grace = 5\n", encoding="utf-8")
    assert doctor("--device", "cpu").by_subject["trainer"]["text"].startswith("autoloop.toml has neither preset")
    assert "lerobot_train.py" in doctor("--device", "cpu", "--preset", "lerobot").by_subject["command"]["text"]


def test_something_that_is_no_python_is_an_error(project: CommandProject, doctor: Doctor) -> None:
    code, found = doctor(*launch(python="/bin/false"))
    assert code == 1
    assert "/bin/false could not answer (exit code 1)" in found["interpreter"]["text"]


def test_run_refuses_what_the_doctor_refuses_and_writes_nothing(project: CommandProject, call: Call) -> None:
    write(project, "good.json", {"dataset": "a"})
    write(project, "floaty.json", {"dataset": "a", "batch_size": 12.0})
    before = tree(project.folder)
    done = call("run", *launch(), "--cfgs", "good.json", "floaty.json", "--exec", "--no-ui")
    assert done.code == 1
    assert "error: config floaty.json: the config gives batch_size = 12.0" in done.err
    assert "Nothing was started." in done.err
    after = {path: state for path, state in tree(project.folder).items() if "__pycache__" not in path}
    assert after.keys() == before.keys()


def test_a_plan_without_exec_asks_nobody(project: CommandProject, call: Call) -> None:
    write(project, "floaty.json", {"dataset": "a", "batch_size": 12.0})
    assert call("run", *launch(), "--cfgs", "floaty.json").code == 0


def test_the_lines_say_what_to_do(project: CommandProject, call: Call) -> None:
    write(project, "floaty.json", {"dataset": "a", "batch_size": 12.0})
    lines = call("doctor", *launch(), "--cfgs", "floaty.json").out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("error    config floaty.json"))
    assert lines[at + 1].strip() == "→ write it without a decimal point"
    assert lines[-1].startswith("Not ready: 1 error.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--device cpu", "refused on the CPU"),
        ("--gpus 0", "refused with W&B offline"),
        ("--gpus 0 --wandb-online", "refused without a W&B entity"),
        ("--gpus 0 --wandb-online --wandb-entity e", "refused without a W&B project"),
    ],
)
@pytest.mark.parametrize("by", ["flag", "file"])
def test_a_formal_run_refuses_what_is_not_formal(
    project: CommandProject, words: str, said: str, by: str, call: Call
) -> None:
    project.config()
    if by == "file":
        (project.folder / "autoloop.toml").write_text("[policy]\nformal = true\n")
    formal = ["--formal"] if by == "flag" else []
    done = call("run", *LAUNCH, *words.split(), *formal, "--cfgs", "base.json")
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


# ------------------------------------------------------------------------------------------------------ this machine


def test_a_gpu_in_use_is_a_warning_that_says_by_whom(
    project: CommandProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = Gpu(
        index=0,
        name="H",
        memory_used=70 * GIB,
        memory_total=80 * GIB,
        processes=(GpuProcess(pid=7, name="python", user="ada", memory=69 * GIB),),
    )
    idle = Gpu(index=1, name="H", memory_used=GIB // 2, memory_total=80 * GIB)
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(gpus=(busy, idle)))
    monkeypatch.chdir(project.folder)
    with pytest.raises(SystemExit):
        main.main(["doctor", "--json", *LAUNCH, "--gpus", "0,1,2"])
    found = {each["subject"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert [found[f"GPU {index}"]["level"] for index in range(3)] == ["warning", "ok", "error"]
    assert "10.0 of 80 GiB free; used by python (pid 7, ada, 69.0 GiB)" in found["GPU 0"]["text"]
    assert "it has 0, 1" in found["GPU 2"]["text"]


@pytest.mark.parametrize(("free", "level"), [(100 * GIB, "ok"), (5 * GIB, "warning"), (GIB // 4, "error")])
def test_a_disk_without_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=200 * GIB, used=0, free=free))
    found = machine.output_root(LoopSpec(configs=[], output_root=str(tmp_path / "outputs/train")), 10**9)
    assert found.level == level
    assert f"{free / GIB:.1f} GiB free" in found.text


def test_a_terminal_without_unicode_is_said() -> None:
    by_subject = {each.subject: each for each in machine.terminal({"LANG": "C", "TMUX": "x"})}
    assert by_subject["locale"].level == "warning"
    assert by_subject["tmux"].level == "ok"
    assert machine.terminal({"LC_ALL": "de_DE.utf8"})[1].level == "ok"


def test_the_doctor_takes_the_command_of_a_run_as_it_stands(project: CommandProject, doctor: Doctor) -> None:
    write(project, "base.json", {"lr": 1e-4, "ot": {"lambda_ot": 0.1}})
    words = [
        *("--cfgs", "base.json", "--rounds", "3", "--decide", "--variants-per-run", "1", "--approve", "manual"),
        *("--until", "eval_l1.last < 0.2", "--max-hours", "8", "--max-runs", "9", "--quiet-hours", "22:00-07:00"),
        *("--retries", "1", "--no-live"),
        *("--name", "n", "--summary-out", "s.json", "--markdown-out", "m.md", "--output-root", "out", "--allow-busy"),
        *("--exec", "--no-ui", "--detach"),
    ]
    said = doctor(*LAUNCH, "--device", "cpu", *words)
    assert all(each["level"] != "error" for each in said.by_subject.values()), said
    assert not (project.folder / ".autoloop").exists()


OWN_RULES = """
name = "own"
version = 1
[[rule]]
id = "slower"
when = 'metric("my/loss").last > 0'
reason = "r"
changes = ["{path}@mul=0.5"]
"""


@pytest.mark.parametrize(
    ("words", "subject", "wanted"),
    [
        (["--rules", "broken.toml"], "rules", "broken.toml"),
        (["--rules", "nowhere.toml"], "rules", "nowhere.toml"),
        (["--until", "no_such_metric < 1"], "until", "no_such_metric"),
        (["--until", "no_such_criterion"], "until", "no_such_criterion"),
        (["--rounds", "2"], "command", "--decide"),
        (["--max-hours", "-1"], "command", "--max-hours"),
    ],
)
def test_the_doctor_reads_the_rules_and_the_end(
    project: CommandProject, words: list[str], subject: str, wanted: str, doctor: Doctor
) -> None:
    write(project, "base.json", {"lr": 1e-4})
    (project.folder / "broken.toml").write_text("name = 'x'\n[[rule]]\nid = 1\n")
    said = doctor(*LAUNCH, "--device", "cpu", "--cfgs", "base.json", *words)
    errors = [each for each in said.by_subject.values() if each["level"] == "error"]
    assert [each["subject"] for each in errors] == [subject]
    assert wanted in errors[0]["text"]


def test_a_project_s_own_metric_names_are_read_too(project: CommandProject, doctor: Doctor) -> None:
    write(project, "base.json", {"lr": 1e-4})
    (project.folder / "autoloop.toml").write_text('metrics = "mine.toml"\n')
    (project.folder / "mine.toml").write_text("[[metric]]\nnome = 'x'\n")
    said = doctor(*LAUNCH, "--device", "cpu", "--cfgs", "base.json")
    assert [each["subject"] for each in said.by_subject.values() if each["level"] == "error"] == ["metrics"]


@pytest.mark.parametrize(("path", "level"), [("lr", "ok"), ("optimizer.lr", "warning")])
def test_a_rule_whose_places_the_config_lacks_is_said(
    project: CommandProject, path: str, level: str, doctor: Doctor
) -> None:
    write(project, "base.json", {"lr": 1e-4})
    (project.folder / "own.toml").write_text(OWN_RULES.format(path=path))
    said = doctor(*LAUNCH, "--device", "cpu", "--cfgs", "base.json", "--rules", "own.toml", "--decide")
    (rules,) = [each for each in said.by_subject.values() if each["subject"] == "rules"]
    assert rules["level"] == level


def test_a_feature_with_both_its_parts_disabled_is_refused_by_doctor_and_plan(
    project: CommandProject, doctor: Doctor, call: Call
) -> None:
    feature = {"name": "state", "use_learned_embed": False, "weight_label": 0}
    write(project, "off.json", {"dataset": "a", "ot": {"loss_config": {"features": [feature]}}})
    write(project, "good.json", {"dataset": "a"})
    words = ("--cfgs", "good.json", "off.json", *LAUNCH, "--device", "cpu")
    code, found = doctor(*words)
    assert code == 1
    (refused,) = [each for each in found.values() if each["level"] == "error"]
    assert refused["subject"] == "config off.json"
    assert "both its learned embedding off and its label weight 0" in refused["text"]
    planned = call("run", *words)
    assert planned.code == 2
    assert "both its learned embedding off and its label weight 0" in planned.err
