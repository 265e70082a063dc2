"""`run` without --exec: the flags in use today, and the plans they give."""

from __future__ import annotations

import dataclasses
import json
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest
from autoloop import gpus
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.text.names import safe_name
from autoloop.trainers import load_preset
from autoloop.variants.policy import launch_policy

from autoloop_tui.cli.options import RunOptions
from autoloop_tui.cli.output import printing
from tests.cli.conftest import Call, Machine
from tests.cli.project import LAUNCH, CommandProject, tree

DEFAULTS = {
    "cfgs": None,
    "steps": 2000,
    "log_freq": 50,
    "eval_freq": 200,
    "concurrency": 1,
    "exec_": False,
    "extra": None,
    "wandb_online": False,
    "wandb_entity": None,
    "wandb_project": None,
    "inherit_dataset_from": None,
    "rounds": 1,
    "variants_per_run": 2,
    "decide": False,
}
"""The flags of autorun.py; None for values that depend on the project."""


@pytest.fixture
def repository(project: CommandProject) -> Path:
    """Make the project look like the training repository in which users run commands."""
    script = project.folder / "src/lerobot/scripts/lerobot_train.py"
    script.parent.mkdir(parents=True)
    script.touch()
    (project.folder / "src/lerobot/scripts/train_config").mkdir()
    return project.folder


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)


def test_every_flag_of_autorun_is_there_with_its_default() -> None:
    flags = {field.name: field.default for field in dataclasses.fields(RunOptions)}
    assert {name: flags[name] for name in DEFAULTS} == DEFAULTS
    assert {"gpus", "output_root", "summary_out", "markdown_out"} <= flags.keys()


def test_the_formal_run_of_the_document_is_understood(
    repository: Path, project: CommandProject, call: Call, machine: Machine, key: None
) -> None:
    machine(*range(8))
    for name in "abcd":
        project.config(name, seed=ord(name))
    words = (
        "run --cfgs a.json b.json c.json d.json --steps 2000 --log-freq 50 --eval-freq 200 --concurrency 4 "
        "--gpus 4,5,6,7 --decide --variants-per-run 1 --rounds 3 "
        "--wandb-online --wandb-entity e --wandb-project p --json"
    )
    said = call(*words.split())
    assert (said.code, said.err) == (0, "")
    runs = json.loads(said.out)["runs"]
    assert [(each["slot"], each["env"]["CUDA_VISIBLE_DEVICES"]) for each in runs] == [
        (f"gpu {gpu}", str(gpu)) for gpu in (4, 5, 6, 7)
    ]
    command = " ".join(runs[0]["argv"])
    assert "accelerate.commands.launch --num_processes 1 " in command
    assert "src/lerobot/scripts/lerobot_train.py --config_path=" in command
    for flag in ("--steps=2000", "--log_freq=50", "--eval_freq=200", "--policy.device=cuda", "--wandb.mode=online"):
        assert flag in runs[0]["argv"]
    assert {"--wandb.entity=e", "--wandb.project=p", f"--output_dir={runs[0]['output_dir']}"} <= set(runs[0]["argv"])


def test_a_debugging_run_records_offline_without_artifacts(repository: Path, project: CommandProject, call: Call) -> None:
    project.config()
    argv = json.loads(call("run", "--cfgs", "base.json", "--gpus", "", "--json").out)["runs"][0]["argv"]
    assert {
        "--policy.device=cpu",
        "--wandb.mode=offline",
        "--wandb.enable=true",
        "--wandb.disable_artifact=true",
    } <= set(argv)


def test_extra_arguments_come_last_in_the_order_given(repository: Path, project: CommandProject, call: Call) -> None:
    project.config()
    said = call(*["run", "--cfgs", "base.json", "--gpus=", "--json", "--extra", "--policy.x=1", "--y=2", "z"])
    assert json.loads(said.out)["runs"][0]["argv"][-3:] == ["--policy.x=1", "--y=2", "z"]


def test_formal_runs_take_gpus_0_to_3_unless_told(
    repository: Path, project: CommandProject, call: Call, machine: Machine
) -> None:
    machine(*range(8))
    project.config()
    said = call("run", "--cfgs", "base.json", "--concurrency", "4")
    assert "4 slots (cuda)" in said.out
    assert "gpu 0" in said.out


def test_gpus_auto_takes_those_that_nobody_uses_in_groups_of_as_many_as_a_run_gets(
    repository: Path, project: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = GpuProcess(pid=41, name="python", user="ann", memory=12 << 30)
    cards = [Gpu(index=i, name="a card", processes=(ann,) if i == 1 else ()) for i in range(6)]
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(gpus=tuple(cards)))
    project.config()
    said = json.loads(call("run", "--cfgs", "base.json", "--gpus", "auto", "--gpus-per-run", "2", "--json").out)
    (run,) = said["runs"]
    assert (run["slot"], run["env"]["CUDA_VISIBLE_DEVICES"]) == ("gpu 0,2", "0,2")
    assert run["argv"][run["argv"].index("--num_processes") + 1] == "2"
    assert said["warnings"] == ["2 of 4 GPUs will be used; --concurrency 2 uses them all."]


def test_outputs_and_reports_are_where_people_look_for_them(repository: Path, project: CommandProject, call: Call) -> None:
    project.config()
    plan = json.loads(call("run", "--cfgs", "base.json", "--device", "cpu", "--json").out)
    out = Path(plan["runs"][0]["output_dir"])
    assert out.parent.parent == repository / "outputs/train"
    assert out.parent.name == plan["loop"]
    assert plan["loop"].removeprefix("loop_").isdigit()
    assert out.name.split("_")[:2] == ["00", "base"]


def test_the_plan_shows_run_config_slot_output_directory_and_command(project: CommandProject, call: Call) -> None:
    project.config("base")
    project.config("other", seed=2)
    said = call("run", "--cfgs", "base.json", "other.json", *LAUNCH, "--device", "cpu")
    assert said.code == 0
    head, _, first, second = said.out.splitlines()[2:6]
    assert head.split("  ")[0:1] + head.split()[1:] == ["#", "config", "slot", "output", "directory"]
    assert first.split()[:4] == ["0", "base", "cpu", "0"]
    assert first.split()[4].startswith("outputs/train/loop_")
    assert second.split()[:4] == ["1", "other", "next", "free"]
    assert f"--config {project.folder}/base.json" in said.out
    assert "Nothing was started. Add --exec to start the loop." in said.out


def test_a_plan_writes_nothing(project: CommandProject, call: Call) -> None:
    project.config()
    before = tree(project.folder)
    for more in ([], ["--json"], ["--rounds", "3", "--decide"]):
        assert call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", *more).code == 0
    assert tree(project.folder) == before


def test_the_dataset_can_be_taken_from_another_config(project: CommandProject, call: Call) -> None:
    project.config("base")
    project.config("other", seed=2)
    said = call(*["run", "--cfgs", "base.json", "--device", "cpu", "--inherit-dataset-from", "other.json"], *LAUNCH)
    assert (said.code, said.err) == (0, "")


def test_of_a_flag_given_twice_the_last_counts(project: CommandProject, call: Call) -> None:
    project.config()
    assert "× 9 steps" in call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--steps", "9").out


def test_flags_win_over_the_projects_settings(project: CommandProject, call: Call) -> None:
    project.config()
    (project.folder / "autoloop.toml").write_text('preset = "lerobot"\noutput_root = "elsewhere"\n')
    said = call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu")
    assert "preset plain" in said.out
    assert "elsewhere/loop_" in said.out


def test_an_interpreter_on_the_path_needs_no_folder(project: CommandProject, call: Call) -> None:
    project.config()
    said = call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--python", "python3", "--json")
    assert Path(json.loads(said.out)["runs"][0]["argv"][0]).is_absolute()


def test_twice_the_same_training_is_said(project: CommandProject, call: Call) -> None:
    project.config("base")
    project.config("copy")
    said = call("run", "--cfgs", "base.json", "copy.json", *LAUNCH, "--device", "cpu")
    assert f"note: {project.folder}/copy.json is the same training as {project.folder}/base.json" in said.out


def test_where_the_trainer_reads_its_steps_from_the_config_the_plan_says_so(project: CommandProject, call: Call) -> None:
    project.config("base")
    for name, steps in (("short", 10), ("long", 40)):
        config = {**json.loads((project.folder / "base.json").read_text()), "steps": steps}
        (project.folder / f"{name}.json").write_text(json.dumps(config))
    said = call("run", "--cfgs", "short.json", "long.json", *LAUNCH, "--device", "cpu")
    assert "Plan: 2 runs × 10 or 40 steps on" in said.out
    assert (
        "note: the preset plain does not pass --steps to the trainer, so each run takes its number of steps from its config "
        "(short 10, long 40, not 20)\n" in said.out
    )
    assert "same training" not in said.out
    alone = call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu").out
    assert "× 20 steps" in alone
    assert "base has none, so its progress is counted up to --steps 20" in alone


def test_where_the_command_passes_the_steps_the_plan_says_nothing_of_configs(
    repository: Path, project: CommandProject, call: Call
) -> None:
    project.config()
    said = call("run", "--cfgs", "base.json", "--device", "cpu", "--steps", "30")
    assert "× 30 steps" in said.out
    assert "from its config" not in said.out


SCRIPTS = ["基线", "实验一", "تجربة", "ｆｕｌｌ", "🚀", "🧪", "ปฏิบัติการ", "e\u0301te\u0301"]


def test_names_in_any_script_stay_apart_and_readable_in_plan_paths_and_table(project: CommandProject, call: Call) -> None:
    for number, name in enumerate(SCRIPTS):
        project.config(name, seed=number)
    words = ("run", "--cfgs", *(f"{name}.json" for name in SCRIPTS), *LAUNCH, "--device", "cpu")
    plan = json.loads(call(*words, "--json").out)
    names = [unicodedata.normalize("NFC", name) for name in SCRIPTS]
    assert [run["name"] for run in plan["runs"]] == names
    folders = [Path(run["output_dir"]).name for run in plan["runs"]]
    assert [folder[: folder.rindex("_")] for folder in folders] == [f"{n:02}_{name}" for n, name in enumerate(names)]
    table = call(*words).out.splitlines()[4 : 4 + len(names)]
    assert len({printing.width(row[: row.index("next free" if "next free" in row else "cpu 0")]) for row in table}) == 1


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a b\tc", "a_b_c"),
        ("\u202egpj", "gpj"),
        ("__x__", "x"),
        ("...", "config"),
        ("基线_学习率_0.001", "基线_学习率_0.001"),
        ("a/b", "a_b"),
        ("x" * 300, "x" * 80),
        ("基" * 300, "基" * 53),
    ],
)
def test_a_name_keeps_what_a_path_and_a_terminal_can_show(given: str, name: str) -> None:
    assert safe_name(given) == name
    assert len(f".9999_{safe_name(given)}_abcdefgh_a1000_r1000_1000_live99.json.4194304.tmp".encode()) < 255


def test_configs_that_would_have_one_name_are_told_apart(project: CommandProject, call: Call) -> None:
    for number, folder in enumerate(("one", "two", "three")):
        (project.folder / folder).mkdir()
        project.config(f"{folder}/base", seed=number)
    words = ("run", "--cfgs", "one/base.json", "two/base.json", "three/base.json", *LAUNCH, "--device", "cpu", "--json")
    assert [run["name"] for run in json.loads(call(*words).out)["runs"]] == ["base", "base-2", "base-3"]


FILE_ONLY = 'name = "f"\ntitle = "f"\nargv = ["{python}", "{script}", "{config}"]\noverride_style = "file-only"\n'


def test_runs_that_would_write_to_one_folder_are_refused(project: CommandProject, call: Call) -> None:
    (project.folder / "f.toml").write_text(FILE_ONLY)
    project.config("a", output_dir="out_x", seed=1)
    project.config("b", output_dir="./out_x/", seed=2)
    project.config("c", output_dir="out_c", seed=3)
    (project.folder / "train.py").touch()
    common = ("--preset", "f.toml", "--train-script", "train.py", "--python", sys.executable, "--device", "cpu")
    said = call("run", "--cfgs", "a.json", "b.json", *common)
    assert (said.code, said.out) == (2, "")
    assert "a.json and " in said.err
    assert "b.json would both write to output_dir out_x; pass {output_dir} in the preset" in said.err
    assert call("run", "--cfgs", "a.json", "c.json", *common).code == 0
    said = call("run", "--cfgs", "a.json", *common, "--rounds", "2", "--decide")
    assert "The variants of " in said.err
    assert call("run", "--cfgs", "a.json", "b.json", *LAUNCH, "--device", "cpu").code == 0  # plain passes the output folder


def test_another_preset_or_script_is_another_training() -> None:
    plain_preset, config = load_preset("plain"), {"lr": 0.1}
    first = launch_policy(plain_preset, "train.py", 5).hash(config)
    assert first == launch_policy(plain_preset, "./train.py", 5).hash(config)
    repaired = msgspec.structs.replace(plain_preset, flags={**plain_preset.flags, "lr": "1"})
    quieter = msgspec.structs.replace(plain_preset, straggler_grace=1.0)
    assert first == launch_policy(quieter, "train.py", 5).hash(config)
    others = [(repaired, "train.py"), (plain_preset, "other.py"), (load_preset("lerobot"), "train.py")]
    assert first not in {launch_policy(preset, script, 5).hash(config) for preset, script in others}


def test_the_steps_of_other_trainers_are_found_under_their_names(project: CommandProject, call: Call) -> None:
    (project.folder / "hf.json").write_text('{"max_steps": 30}')
    (project.folder / "pl.json").write_text('{"trainer": {"max_steps": 25}}')
    said = call("run", "--cfgs", "hf.json", "pl.json", *LAUNCH, "--device", "cpu").out
    assert "× 25 or 30 steps" in said
    assert "(hf 30, pl 25, not 20)" in said


def test_online_takes_entity_and_project_of_the_config(
    project: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    (project.folder / "own.json").write_text('{"wandb": {"entity": "lab", "project": "arms"}}')
    words = ("run", *LAUNCH, "--device", "cpu", "--wandb-online", "--json")
    env = json.loads(call(*words, "--cfgs", "own.json").out)["runs"][0]["env"]
    assert (env["WANDB_ENTITY"], env["WANDB_PROJECT"]) == ("lab", "arms")
    flagged = json.loads(call(*words, "--wandb-project", "other", "--cfgs", "own.json").out)["runs"][0]["env"]
    assert (flagged["WANDB_ENTITY"], flagged["WANDB_PROJECT"]) == ("lab", "other")


def test_paths_that_are_not_there_are_notes_of_a_plan(project: CommandProject, call: Call) -> None:
    (project.folder / "data").mkdir()
    paths = {
        "dataset": {"root": "data", "repo_id": "x"},
        "ot": {"src_root": "nowhere/src", "pair_info_path": "/nowhere/pairs.json"},
        "policy": {"pretrained_path": "lerobot/act_x", "pretrained_backbone_path": "data/gone"},
    }
    (project.folder / "paths.json").write_text(json.dumps(paths))
    said = call("run", "--cfgs", "paths.json", *LAUNCH, "--device", "cpu")
    notes = [line for line in said.out.splitlines() if "which does not exist" in line]
    assert [note.split(": ")[2].split(" names ")[0] for note in notes] == [
        "ot.src_root",
        "ot.pair_info_path",
        "policy.pretrained_backbone_path",
    ]
    started = call("run", "--cfgs", "paths.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui")
    assert started.code == 1
    assert "error: config paths.json: ot.src_root names nowhere/src (seen from" in started.err
    assert "Nothing was started." in started.err
