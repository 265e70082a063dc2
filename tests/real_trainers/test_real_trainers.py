"""Real trainers, set up as in docs/your-trainer.md: two rounds of two runs, whose edits reach the trainer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from autoloop.configs import parse_config
from autoloop.configs.paths import get, split
from autoloop.model import LoopState, Run, RunState

from tests.cli.project import CommandProject
from tests.support.trainer_page import settings_of

pytestmark = pytest.mark.trainers

PROJECTS = Path(__file__).parent / "projects"


class Trainer(NamedTuple):
    """What to check for a trainer. `edited`: the path of its learning rate. `rate`: the metric, or the JSON file in the
    run's folder, in which the trainer itself reports the rate it used."""

    section: str
    folder: str
    edited: str
    metric: str
    rate: str
    steps: int
    source: str
    flags: tuple[str, ...] = ()
    more: str = ""
    """Text appended to the settings."""


TRAINERS = [
    Trainer("A script that reads a file", "plain", "lr", "train/loss", "train/lr", 20, "jsonl", ("--cfgs", "config.yaml")),
    Trainer("A script with flags only", "argparse", "lr", "loss", "lr", 5, "console"),
    Trainer("nanoGPT", "nanogpt", "learning_rate", "val loss", "rate.json", 20, "console"),
    Trainer("Hydra", "hydra", "optimizer.lr", "train/loss", "train/lr", 40, "tensorboard"),
    Trainer("Hugging Face Trainer", "transformers", "learning_rate", "eval_loss", "learning_rate", 20, "console"),
    Trainer("TRL", "trl", "learning_rate", "loss", "learning_rate", 20, "console"),
    Trainer("Lightning", "lightning", "model.lr", "val_loss", "lr", 24, "csv"),
    Trainer("torchrun and accelerate", "torchrun", "optimizer.lr", "train/loss", "train/lr", 20, "jsonl"),
    Trainer("Keras", "keras", "learning_rate", "val_loss", "learning_rate", 4, "csv"),
    Trainer(
        "rsl-rl and Isaac Lab", "rsl_rl", "agent.algorithm.learning_rate", "Train/mean_reward", "Loss/learning_rate", 10,
        "tensorboard", more='[trainer]\nscript = "train.py"\n',
    ),
]  # fmt: skip


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.folder)
def test_two_rounds(trainer: Trainer, project: CommandProject, python: str) -> None:
    prepare(project.folder, trainer, python)
    flags = ("--python", python, "--device", "cpu", "--concurrency", "2", "--grid", f"{trainer.edited}=0.001,0.003")
    rounds = ("--rules", "rules.toml", "--decide", "--rounds", "2", "--variants-per-run", "1", "--approve", "auto")
    all_new = ("--replicates", "0")  # otherwise the last round only confirms
    said = project.call("run", *trainer.flags, *flags, *rounds, *all_new, "--no-ui", "--exec")
    assert said.returncode == 0, said.stdout + said.stderr
    with project.open_store() as store:
        loop = store.find_loop(None)
        runs = store.runs(loop.id)
        outputs = {run.id: Path(store.attempts(run.id)[-1].output_dir) for run in runs}
    assert loop.state is LoopState.FINISHED
    assert [(run.round, run.state, run.unjudged) for run in runs] == [
        (number, RunState.FINISHED, None) for number in (1, 1, 2, 2)
    ], [run.reason for run in runs]
    given = [rate_of(run, trainer) for run in runs]
    assert sorted(given) == [0.0005, 0.001, 0.0015, 0.003]
    for run, rate in zip(runs, given, strict=True):
        assert told(run, outputs[run.id], trainer) == pytest.approx(rate, rel=1e-3)
        assert (run.step, run.total_steps) == (trainer.steps, trainer.steps)
        assert run.sources[:1] == [trainer.source]
    assert [bool(re.fullmatch(r"-?[\d.]+(e[-+]\d+)?", cell)) for cell in shown(project, trainer.metric)] == [True] * 4


def prepare(folder: Path, trainer: Trainer, python: str) -> None:
    shutil.copytree(PROJECTS / trainer.folder, folder, dirs_exist_ok=True)
    settings = settings_of(trainer.section)
    if trainer.more:
        settings = settings.replace("[trainer]\n", trainer.more)
    (folder / "autoloop.toml").write_text(settings, encoding="utf-8")
    (folder / "rules.toml").write_text(
        f'''name = "mine"
version = "1"

[[rule]]
id = "smaller-steps"
when = 'metric("{trainer.metric}").last > -1e9'
reason = "smaller steps"
changes = ["{trainer.edited}@mul=0.5"]
''',
        encoding="utf-8",
    )
    if (folder / "make_model.py").exists():
        subprocess.run([python, "make_model.py", "."], cwd=folder, check=True, capture_output=True)


def rate_of(run: Run, trainer: Trainer) -> float:
    """Return the learning rate in the run's frozen config."""
    config = parse_config(Path(run.config_path).read_text(encoding="utf-8"), run.config_path)
    return float(get(config, split(trainer.edited)))


def told(run: Run, output: Path, trainer: Trainer) -> float:
    if trainer.rate.endswith(".json"):
        return float(json.loads((output / trainer.rate).read_text(encoding="utf-8"))["learning_rate"])
    last = run.summary.metrics[trainer.rate].last
    assert last is not None
    return last


def shown(project: CommandProject, metric: str) -> list[str]:
    """Return the cells of the key metric in the table of runs."""
    said = project.call("runs")
    assert said.returncode == 0, said.stderr
    head, _, *rows = [re.split(r"  +", line.strip()) for line in said.stdout.splitlines() if line]
    column = next(number for number, name in enumerate(head) if name in (metric, metric.rpartition("/")[2]))
    return [row[column] for row in rows[:4]]
