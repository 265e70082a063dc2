"""Real LeRobot 0.4.4 on the CPU, started through accelerate as users do: two rounds, and the diagnosis of its failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from autoloop.engine.planning.names import output_name
from autoloop.engine.runs import circuit_breaker
from autoloop.gpus import Gpu, GpuReport
from autoloop.model import Loop, Run, RunState

from tests.engine.project import EngineProject
from tests.lerobot.conftest import LeRobot

pytestmark = pytest.mark.lerobot

RULES = """
name = "slower"
version = "1"

[[rule]]
id = "slower"
when = "l1_loss.last > 0"
reason = "a smaller step"
changes = ["policy.optimizer_lr@mul=0.5"]
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes 15 to 60 s here, mostly for imports."""
    monkeypatch.setattr("tests.support.waiting.PATIENCE", 900.0)
    monkeypatch.setattr("tests.engine.project.PATIENCE", 900.0)


def write(project: EngineProject, name: str, config: dict[str, Any]) -> str:
    path = project.folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return str(path)


def run_command(project: EngineProject, lerobot: LeRobot, *words: str) -> subprocess.CompletedProcess[str]:
    (project.folder / "autoloop.toml").write_text(
        f"python = {json.dumps(lerobot.python)}\ntrain_script = {json.dumps(lerobot.script)}\nrules = 'slower.toml'\n"
    )
    (project.folder / "slower.toml").write_text(RULES)
    return subprocess.run(
        [sys.executable, "-m", "autoloop_tui", "run", *words],
        cwd=project.folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=1200,
    )


def test_two_rounds_of_four_runs_train_and_every_runs_metrics_are_in_the_report(
    project: EngineProject, lerobot: LeRobot
) -> None:
    configs = [write(project, f"seed_{seed}", lerobot.config(seed=seed)) for seed in range(4)]
    words = "--steps 40 --log-freq 10 --eval-freq 0 --device cpu --concurrency 2 --rounds 2 --decide --variants-per-run 1"
    done = run_command(project, lerobot, "--cfgs", *configs, *words.split(), "--no-ui", "--exec")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    (loop,) = project.store.loops()
    runs = project.runs(loop)
    assert [run.state for run in runs] == [RunState.FINISHED] * 8, done.stdout[-4000:]
    assert [run.round for run in runs] == [1] * 4 + [2] * 4
    for run in runs:
        assert run.summary is not None
        assert {"train/loss", "train/l1_loss", "train/grad_norm", "train/lr"} <= set(run.summary.metrics)
        assert (run.step, run.summary.metrics["train/loss"].n) == (40, 4)
    assert [run.summary.metrics["train/lr"].last for run in runs if run.summary] == pytest.approx([0.001] * 4 + [0.0005] * 4)
    report = (project.folder / "reports" / "autoloop.md").read_text()
    entries = json.loads((project.folder / "reports" / "data" / "autorun_summary.json").read_text())
    for run in runs:
        assert run.id in report
        assert f"{run.summary.metrics['train/l1_loss'].last:.4g}" in report
        assert entries[run.output_dir]["train/l1_loss"]["last"] == run.summary.metrics["train/l1_loss"].last
    launched = project.store.attempts(runs[0].id)[0].argv
    assert "accelerate.commands.launch" in launched


# ------------------------------------------------------------------------------------------------------------ failures


def of_trainer(project: EngineProject, loop: Loop, name: str) -> Callable[[], psutil.Process | None]:
    """Return a function that finds the run's trainer, below accelerate, once it trains."""

    def find() -> psutil.Process | None:
        run = next(run for run in project.runs(loop) if run.name == name)
        attempts = project.store.attempts(run.id)
        if not attempts or not attempts[-1].handle:
            return None
        log = Path(attempts[-1].directory) / "log.txt"
        if not log.exists() or b"Start offline training" not in log.read_bytes():
            return None
        below = psutil.Process(attempts[-1].handle["pid"]).children(recursive=True)
        return next((each for each in below if lerobot_train(each) and "accelerate" not in " ".join(each.cmdline())), None)

    return find


def lerobot_train(process: psutil.Process) -> bool:
    return any(word.endswith("lerobot_train.py") for word in process.cmdline())


def causes(project: EngineProject, loop: Loop) -> dict[str, str]:
    found = {}
    for run in project.runs(loop):
        diagnosis = project.store.attempts(run.id)[-1].diagnosis
        found[run.name] = diagnosis.id if diagnosis else run.state.value
    return found


def failing(project: EngineProject, lerobot: LeRobot, configs: dict[str, dict[str, Any]], **spec: Any) -> Loop:
    paths = [write(project, name, config) for name, config in configs.items()]
    values = {"python": lerobot.python, "train_script": lerobot.script, "preset": "lerobot", "steps": 300, "log_freq": 10}
    return project.loop(paths, **{**values, **spec})


def test_what_goes_wrong_in_a_run_is_named(
    project: EngineProject, lerobot: LeRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "FAILURES_IN_A_ROW", 100)
    expected = {
        "float": ("not-an-integer", lerobot.config(batch_size=12.0)),
        "nested-float": ("not-an-integer", lerobot.config(policy__dim_model=32.0)),
        "unknown-key": ("unknown-config-key", lerobot.config(ot={"lambda_ot": 0.1})),
        "invariant": ("invalid-config", lerobot.config(policy__n_action_steps=9)),
        "shape": ("model-shape", lerobot.config(policy__dim_model=33)),
        "no-dataset": ("dataset-missing", lerobot.config(dataset={"repo_id": "local/none", "root": "/no/such"})),
        "output-there": ("output-dir-exists", lerobot.config(seed=1)),
        "nan": ("diverged", lerobot.config(policy__optimizer_lr=1e30)),
        "killed": ("sigkill", lerobot.config(seed=2)),
        "terminated": ("sigterm", lerobot.config(seed=3)),
        "worker": ("worker-killed", lerobot.config(num_workers=2)),
    }
    # Long enough that the processes to kill are still running; the one that is to finish is short.
    loop = failing(project, lerobot, {name: config for name, (_, config) in expected.items()}, concurrency=2, steps=600)
    there = next(run for run in project.runs(loop) if run.name == "output-there")
    (Path(loop.output_dir) / output_name(there, 1, 1)).mkdir(parents=True)
    with project.driven(loop) as engine:
        for name, number in (("killed", signal.SIGKILL), ("terminated", signal.SIGTERM), ("worker", signal.SIGKILL)):
            victim = engine.until(of_trainer(project, loop, name), f"the training of {name}")
            if name == "worker":
                workers = lambda trainer=victim: next(filter(lerobot_train, trainer.children()), None)  # noqa: E731
                victim = engine.until(workers, "a worker")
            victim.send_signal(number)
        engine.end()
    assert causes(project, loop) == {name: cause for name, (cause, _) in expected.items()}
    by_name: dict[str, Run] = {run.name: run for run in project.runs(loop)}
    assert by_name["float"].reason == "the config gives batch_size = 12.0, and the trainer wants an integer"
    assert "dim_model = 32.0" in str(by_name["nested-float"].reason)
    assert "n_action_steps" in str(by_name["invariant"].reason)
    report = Path(loop.spec.markdown_out).read_text()
    assert "Couldn't parse '12.0' into an int" in report


def test_a_flag_of_another_version_is_named(project: EngineProject, lerobot: LeRobot) -> None:
    loop = failing(project, lerobot, {"flag": lerobot.config()}, extra=["--env_eval_freq=200"])
    project.run(loop)
    assert causes(project, loop) == {"flag": "unknown-flag"}


def test_wandb_without_a_key_is_named(project: EngineProject, lerobot: LeRobot) -> None:
    online = ["--wandb.enable=true", "--wandb.mode=online"]
    loop = failing(project, lerobot, {"online": lerobot.config()}, extra=online)
    project.run(loop)
    assert causes(project, loop) == {"online": "wandb-key"}


def test_training_on_the_cpu_where_a_gpu_was_asked_for_is_a_failure(project: EngineProject, lerobot: LeRobot) -> None:
    card = GpuReport(gpus=(Gpu(index=0, name="a card that is not there"),))
    loop = failing(project, lerobot, {"gpu": lerobot.config()}, machine=card, device="cuda", gpus=[0], steps=20)
    project.run(loop)
    assert causes(project, loop) == {"gpu": "gpu-absent"}


def test_a_float_where_the_trainer_wants_an_integer_is_refused_before_anything_starts(
    project: EngineProject, lerobot: LeRobot
) -> None:
    config = write(project, "float", lerobot.config(batch_size=12.0))
    done = run_command(project, lerobot, "--cfgs", config, "--device", "cpu", "--no-ui", "--exec")
    assert done.returncode != 0, done.stdout
    assert "the config gives batch_size = 12.0, and the trainer wants an integer" in done.stderr
    assert "Nothing was started" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "outputs").exists()


def test_every_fault_of_a_config_is_said(project: EngineProject, lerobot: LeRobot) -> None:
    """draccus stops at the first problem; the others must be real, not consequences of fixing the first."""
    faults = {"batch_size": 1.5, "policy__dim_model": "x", "policy__nope": 1, "eval": {"n_episodes": 2.5}}
    config = write(project, "many", lerobot.config(**faults, optimizer={"type": "adam", "lr": "x"}))
    done = run_command(project, lerobot, "--cfgs", config, "--device", "cpu", "--no-ui", "--exec")
    assert done.returncode != 0, done.stdout
    for text in (
        "the config gives batch_size = 1.5, and the trainer wants an integer",
        "the config gives policy.dim_model = x, and the trainer wants an integer",
        "the trainer does not know the config key nope in policy",
        "the config gives eval.n_episodes = 2.5, and the trainer wants an integer",
        "the config gives optimizer.lr = x, and the trainer wants float",
    ):
        assert text in done.stderr
    assert "lacks" not in done.stderr
    assert done.stderr.count("config many") == 5
