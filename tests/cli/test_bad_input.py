"""A user's mistake gives one sentence on stderr and exit code 2, and nothing is written."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import subprocess
from collections.abc import Callable

import pytest
from autoloop import gpus
from autoloop.gpus import Gpu, GpuProcess, GpuReport

from autoloop_tui.cli.commands import demo
from tests.cli.conftest import Call, Machine, Said
from tests.cli.project import LAUNCH, CommandProject, command, environment, tree
from tests.support.waiting import PATIENCE

RUN = f"run {shlex.join(LAUNCH)}"
CPU = f"{RUN} --device cpu"
BASE = f"{CPU} --cfgs base.json"


def book(rule: str) -> str:
    return f'name = "b"\nversion = "1"\n[[rule]]\nid = "x"\nreason = "r"\n{rule}\n'


FILES: dict[str, str | bytes] = {
    "broken.json": '{\n  "a": 1,\n  "b": }\n',
    "twice.json": '{\n  "a": 1,\n  "a": 2\n}\n',
    "nan.json": '{"a": NaN}',
    "list.json": "[1]\n",
    "empty.json": "",
    "latin.json": b'{"a": "\xe4"}',
    "key.toml": book('whne = "steps > 1"\nchanges = ["a=1"]'),
    "function.toml": book("""when = "log_mathces('a')"\nchanges = ["a=1"]"""),
    "metric.toml": book('when = "ot_pi_smu.last < 1"\nchanges = ["a=1"]'),
    "edit.toml": book('when = "steps > 1"\nchanges = ["a@mull=1"]'),
    "broken.toml": 'name = "b"\n[[rule]\n',
    "syntax.py": "x = 1\ndef decide(summary:\n    return []\n",
    "nothing.py": "def decied(summary):\n    return []\n",
    "import.py": "import no_such_module\n",
    "mine.toml": 'name = "mine"\ntitel = "x"\n',
    "file": "",
}

MISTAKES = {
    "no config": ("run", ["No config given", "--cfgs"]),
    "--cfgs with nothing": (f"{CPU} --cfgs", ["No config given"]),
    "missing config": (f"{CPU} --cfgs bsae.json", ["bsae.json does not exist", "did you mean base.json?"]),
    "missing folder": (f"{CPU} --cfgs nowhere/x.json", ["nowhere/x.json does not exist", "no folder"]),
    "folder for a config": (f"{CPU} --cfgs .", ["Is a directory"]),
    "broken config": (f"{CPU} --cfgs broken.json", ["broken.json, line 3, column 8:", "invalid JSON"]),
    "key twice": (f"{CPU} --cfgs twice.json", ["twice.json, line 3, column 3:", '"a" appears twice']),
    "NaN": (f"{CPU} --cfgs nan.json", ["nan.json, line 1, column 7:", "NaN"]),
    "config that is a list": (f"{CPU} --cfgs list.json", ["list.json", "one JSON object", "not a list"]),
    "empty config": (f"{CPU} --cfgs empty.json", ["empty.json, line 1, column 1:"]),
    "config in another encoding": (f"{CPU} --cfgs latin.json", ["latin.json is not UTF-8"]),
    "the second config of two": (f"{CPU} --cfgs base.json broken.json", ["broken.json, line 3"]),
    "config without --cfgs": (f"{CPU} base.json", ["base.json does not belong to any flag", "--cfgs"]),
    "GPU twice": (f"{RUN} --cfgs base.json --gpus 0,0", ["GPU 0 twice"]),
    "GPUs that are no numbers": (f"{RUN} --cfgs base.json --gpus 0,x", ['--gpus cannot be "0,x"', "--gpus 0,1,2,3"]),
    "GPU and CPU": (f"{BASE} --gpus 0", ["--device cpu and --gpus contradict"]),
    "GPUs that make no whole slots": (
        f"{RUN} --cfgs base.json --gpus 0,1 --gpus-per-run 3",
        ["names 2 GPUs", "not a multiple of"],
    ),
    "more GPUs a run than are named": (
        f"{RUN} --cfgs base.json --gpus 0,1 --gpus-per-run 2 --concurrency 2",
        ["--concurrency 2 needs 4 GPUs", "names 2"],
    ),
    "several GPUs for a run on the CPU": (f"{BASE} --gpus-per-run 2", ["--gpus-per-run 2 needs GPUs"]),
    "no GPU for a run": (f"{RUN} --cfgs base.json --gpus 0 --gpus-per-run 0", ["--gpus-per-run must be at least 1, not 0"]),
    "cuda without a GPU": (f"{RUN} --cfgs base.json --gpus= --device cuda --exec", ["No GPU selected", "--device cpu"]),
    "unknown device": (f"{RUN} --cfgs base.json --device tpu", ["--device tpu", "cuda or cpu"]),
    "no slot": (f"{BASE} --concurrency 0", ["--concurrency must be from 1 to 1000, not 0"]),
    "no step": (f"{BASE} --steps 0", ["--steps must be from 1 to 1000000000, not 0"]),
    "more slots than any machine has": (
        f"{BASE} --concurrency 99999999",
        ["--concurrency must be from 1 to 1000, not 9999"],
    ),
    "steps without end": (f"{BASE} --steps 99999999999999999999", ["--steps must be from 1 to 1000000000, not 9999"]),
    "steps in words": (f"{BASE} --steps many", ['--steps takes a whole number, not "many"']),
    "flag without its value": (f"{BASE} --log-freq", ["--log-freq needs a value"]),
    "rounds without --decide": (f"{BASE} --rounds 2", ["--rounds 2 needs --decide"]),
    "online without entity": (f"{BASE} --wandb-online --wandb-project p", ["needs --wandb-entity", "autoloop.toml"]),
    "online without project": (f"{BASE} --wandb-online --wandb-entity e", ["needs --wandb-project"]),
    "missing rule book": (f"{BASE} --rules key.tml", ["key.tml does not exist", "did you mean key.toml?"]),
    "rule book with an unknown key": (f"{BASE} --rules key.toml", ['rule "x"', '"whne"', '"when"']),
    "rule with an unknown function": (f"{BASE} --rules function.toml", ['rule "x"', "log_mathces", "log_matches"]),
    "rule with an unknown metric": (f"{BASE} --rules metric.toml", ['rule "x"', "ot_pi_smu", "ot_pi_sum"]),
    "rule with a bad edit": (f"{BASE} --rules edit.toml", ['rule "x"', "mull", '"mul"']),
    "rule book that is no TOML": (f"{BASE} --rules broken.toml", ["broken.toml", "not valid TOML", "line 2"]),
    "rules.py with a syntax error": (f"{BASE} --rules syntax.py", ["syntax.py, line 2", "not valid Python"]),
    "rules.py without decide": (f"{BASE} --rules nothing.py", ["nothing.py", "no decide(summary)"]),
    "rules.py that cannot be loaded": (f"{BASE} --rules import.py", ["import.py, line 1", "no_such_module"]),
    "output root below a file": (f"{BASE} --output-root file/x", ["--output-root", "file is a file"]),
    "summary below a file": (f"{BASE} --summary-out file/x.json", ["--summary-out", "file is a file"]),
    "report that is a folder": (f"{BASE} --markdown-out .", ["--markdown-out", "is a folder"]),
    "unknown preset": (f"{BASE} --preset lerbot", ['preset "lerbot"', "did you mean lerobot?"]),
    "missing preset file": (f"{BASE} --preset ./no.toml", ["no.toml"]),
    "preset with an unknown key": (f"{BASE} --preset mine.toml", ["mine.toml", "titel", "title"]),
    "unknown flag": (f"{BASE} --stpes 3", ["Unknown option", "--stpes", "Did you mean --steps?"]),
    "unknown command": ("rnu", ["no command rnu", "did you mean `autoloop-tui run`?"]),
    "--until that names nothing": (f"{BASE} --until worth200k", ["--until", "worth200k", "worth-200k"]),
    "--until with a typo": (f"{BASE} --until 'eval_l2.last < 1'", ["--until", "eval_l2", "eval_l1"]),
    "--until that breaks off": (f"{BASE} --until 'eval_l1.last <'", ["--until", "cannot read the condition"]),
    "--approve that is no policy": (f"{BASE} --approve yes", ['--approve cannot be "yes"', "auto, manual or after:30m"]),
    "--approve without a time": (f"{BASE} --approve after:soon", ['--approve cannot be "after:soon"', "after:30m"]),
    "--approve in a lifetime": (f"{BASE} --approve after:999999h", ["--approve after:999999h", "at most 2160h"]),
    "missing interpreter": (f"{BASE} --python nothere", ["nothere", "--python"]),
    "folder for an interpreter": (f"{BASE} --python .", ["does not exist or cannot be executed", "--python"]),
    "missing training script": (
        "run --cfgs base.json --device cpu",
        ["lerobot_train.py does not exist", "--train-script"],
    ),
    "no training script": ("run --cfgs base.json --device cpu --preset plain", ["--train-script"]),
    "dataset of a config without one": (f"{BASE} --inherit-dataset-from nodata.json", ["nodata.json", "`dataset`"]),
    "reserved extra": (f"{BASE} --extra --config=x", ["--extra gives config"]),
    "our flag behind --extra": (f"{BASE} --extra --x=1 --exec", ["--exec comes after --extra", "put --extra last"]),
    "JSON of a loop that is followed": (f"{BASE} --exec --no-ui --json", ["--json", "--detach"]),
    "proposal without a number": ("approve x", ['"x" is not a proposal; give a number']),
    "edit of nothing": ("edit", ["edit needs NUMBER"]),
    "edit without changes": ("edit 1", ["Nothing to change: give --changes"]),
    "demo without a round": ("demo --rounds 0", ["--rounds must be at least 1, not 0"]),
    "demo with nonsense": ("demo --approve perhaps", ['--approve cannot be "perhaps"']),
}

LOOKING = (
    "status",
    "status --all",
    "runs",
    "proposals",
    "approve 1",
    "reject --all",
    "undo 1",
    "edit 1 --changes a=1",
    "propose base --changes a=1",
    "start",
    "hold",
    "stop",
    "kill",
    "pause",
    "resume",
    "retry base",
    "move base",
    "logs",
    "extend base --steps 9",
    "report",
    "wait",
)


@pytest.fixture(autouse=True)
def surroundings(project: CommandProject, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with mistakes, two GPUs, and no W&B key."""
    machine(0, 1)
    project.config()
    (project.folder / "nodata.json").write_text("{}")
    for name, content in FILES.items():
        (project.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in [name for name in os.environ if name.startswith(("WANDB_", "NETRC"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(project.folder))


Refused = Callable[[str], str]


@pytest.fixture
def refused(project: CommandProject, call: Call) -> Refused:
    """refused(words): assert everything that is true of any refusal, and return its sentence."""

    def refused(words: str) -> str:
        before = tree(project.folder)
        said = call(*shlex.split(words))
        assert tree(project.folder) == before
        return sentence(said)

    return refused


def sentence(said: Said) -> str:
    assert (said.code, said.out) == (2, ""), said
    assert said.err.startswith("autoloop-tui: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(refused: Refused, mistake: str) -> None:
    words, fragments = MISTAKES[mistake]
    told = refused(words)
    for fragment in fragments:
        assert fragment in told


@pytest.mark.parametrize("mistake", [name for name, (words, _) in MISTAKES.items() if words.startswith("run ")])
def test_it_is_found_before_anything_is_written(refused: Refused, mistake: str) -> None:
    words, fragments = MISTAKES[mistake]
    assert fragments[-1] in refused(words.replace("run ", "run --exec --no-ui ", 1))


def test_an_unknown_gpu_is_named_with_those_there_are(refused: Refused) -> None:
    told = refused(f"{RUN} --cfgs base.json --gpus 1,2 --exec")
    assert "no GPU 2 on this machine, which has 0, 1" in told


def test_more_runs_at_a_time_than_gpus_are_refused(refused: Refused) -> None:
    assert "--concurrency 3" in refused(f"{RUN} --cfgs base.json --gpus 0,1 --concurrency 3")


def test_gpus_auto_where_none_is_free_says_who_uses_them(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = GpuProcess(pid=41, name="python", user="ann", memory=12 << 30)
    report = GpuReport(gpus=(Gpu(index=0, name="a card", processes=(ann,)), Gpu(index=1, name="a card")))
    monkeypatch.setattr(gpus, "read", lambda: report)
    told = refused(f"{RUN} --cfgs base.json --gpus auto --gpus-per-run 2 --exec")
    assert "1 free, but --gpus-per-run needs 2" in told
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(gpus=report.gpus[:1]))
    told = refused(f"{RUN} --cfgs base.json --gpus auto --exec")
    assert "no GPU is free (GPU 0 is in use by python (pid 41, ann, 12.0 GiB))" in told
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(error="no NVML: Driver Not Loaded"))
    assert "Driver Not Loaded" in refused(f"{RUN} --cfgs base.json --gpus auto --exec")


def test_without_nvml_the_way_to_debug_is_named(refused: Refused, machine: Machine) -> None:
    machine(error="no NVML: NVML Shared Library Not Found")
    told = refused(f"{RUN} --cfgs base.json --gpus 0 --exec")
    assert "no NVML: NVML Shared Library Not Found" in told
    assert "--device cpu" in told


def test_online_without_a_key_is_refused_and_with_one_is_not(
    refused: Refused, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = f"{BASE} --wandb-online --wandb-entity e --wandb-project p"
    assert "WANDB_API_KEY" in refused(f"{online} --exec")
    shown = call(*shlex.split(online))
    assert (shown.code, "note: --wandb-online needs a W&B key" in shown.out) == (0, True)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert call(*shlex.split(online)).code == 0


def test_the_demo_says_which_packages_it_lacks(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "torch" else name)
    told = refused("demo")
    assert "needs torch; install with `pip install torch`" in told


def test_a_key_in_netrc_counts(project: CommandProject, call: Call) -> None:
    netrc = project.folder / ".netrc"
    netrc.write_text("machine api.wandb.ai login user password 0\n")
    netrc.chmod(0o600)
    assert call(*shlex.split(f"{BASE} --wandb-online --wandb-entity e --wandb-project p")).code == 0


@pytest.mark.parametrize("words", LOOKING)
def test_without_a_loop_a_command_says_how_to_get_one(refused: Refused, words: str) -> None:
    told = refused(words)
    assert "There is no loop in" in told
    assert "autoloop-tui run" in told


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ('prest = "plain"', ['unknown key "prest"; did you mean "preset"?']),
        ('[wandb]\nentiti = "x"', ['unknown key "wandb.entiti"; did you mean "entity"?']),
        ('gpus = "0"', ["gpus must be a list, not a text"]),
        ('gpus = [0, "1"]', ["gpus[1] must be a whole number, not a text"]),
        ("wandb = 3", ["wandb must be a table"]),
        ("gpus = [0", ["not valid TOML"]),
        ('metrics = "no.toml"', ["metric book", "no.toml does not exist"]),
        (b"\xff", ["not UTF-8"]),
        ('[wandb]\nentity = "a\\u0000b"', ["not valid TOML", "the character NUL"]),
    ],
)
def test_a_mistake_in_autoloop_toml_names_file_and_key(
    refused: Refused, project: CommandProject, text: bytes | str, fragments: list[str]
) -> None:
    settings = project.folder / "autoloop.toml"
    settings.write_bytes(text if isinstance(text, bytes) else text.encode())
    told = refused(BASE)
    for fragment in ["autoloop.toml", *fragments]:
        assert fragment in told


def test_a_name_that_is_no_text_is_refused(refused: Refused, project: CommandProject) -> None:
    name = os.fsdecode(b"b\xff.json")
    (project.folder / name).write_text("{}")
    assert "is not UTF-8 text" in refused(f"{CPU} --cfgs {shlex.quote(name)}")


def test_control_characters_in_a_name_stay_harmless(refused: Refused) -> None:
    told = refused(f"{CPU} --cfgs $'\x1b[31m\x07.json'")
    assert "\x1b" not in told
    assert "\x07" not in told


@pytest.mark.parametrize("place", ["--output-root=locked/o", "--summary-out=locked/s", "--markdown-out=locked/m"])
def test_a_place_that_may_not_be_written_to_is_refused(project: CommandProject, place: str) -> None:
    locked = project.folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    before = tree(project.folder)
    try:
        done = powerless(project, *shlex.split(BASE), place, "--exec", "--no-ui")
    finally:
        locked.chmod(0o755)
    told = sentence(Said(done.returncode, done.stdout, done.stderr))
    assert place.split("=")[0] in told
    assert "may not write to" in told
    assert tree(project.folder).keys() == before.keys()


def test_a_project_that_may_not_be_written_to_is_refused(project: CommandProject) -> None:
    project.folder.chmod(0o555)
    try:
        done = powerless(project, *shlex.split(BASE), "--output-root=/tmp", "--exec", "--no-ui")
    finally:
        project.folder.chmod(0o755)
    assert "may not write to" in sentence(Said(done.returncode, done.stdout, done.stderr))


def powerless(project: CommandProject, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command without root's right to write everywhere, which tests in a container have."""

    def give_up_rights() -> None:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; refused, and unnecessary, without root

    return subprocess.run(
        command(*words),
        cwd=project.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        preexec_fn=give_up_rights,
    )


@pytest.mark.parametrize("gpus", ["0", "1,2", "auto", ""])
def test_a_plan_is_shown_where_a_gpu_is_missing(project: CommandProject, call: Call, machine: Machine, gpus: str) -> None:
    machine(error="no NVML: NVML Shared Library Not Found")
    project.config()
    said = call(*shlex.split(RUN), "--cfgs", "base.json", "--device", "cuda", f"--gpus={gpus}")
    assert said.code == 0
    assert "Plan: 1 run" in said.out
    assert "note: No usable GPU" in said.out or "note: No GPU selected" in said.out


def test_all_that_is_wrong_with_the_configs_is_said_at_once(refused: Refused, project: CommandProject) -> None:
    off = {"use_learned_embed": False, "weight_label": 0}
    for name in ("one", "two"):
        features = [{"name": "left", **off}, {"name": "fine"}, {"name": "right", **off}]
        (project.folder / f"{name}.json").write_text(json.dumps({"ot": {"loss_config": {"features": features}}}))
    told = refused(f"{RUN} --cfgs one.json two.json --device cpu")
    for part in ("one.json: Feature 0 (left)", "one.json: Feature 2 (right)", "two.json: Feature 0", "two.json: Feature 2"):
        assert part in told
