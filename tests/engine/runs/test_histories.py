"""The histories that a loop judges: several W&B runs of one trainer, metrics only in a summary, bars of other work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autoloop.metric_readers import wandb_runs
from autoloop.model import EventKind, LoopState, Run, RunState

from tests.engine.processes import states
from tests.engine.project import EngineProject

PRESET = """
name = "real"
title = "a script"
argv = ["{{python}}", {script}, "{{config}}", "{{output_dir}}"]
override_style = "file-only"
output_dir = "may-exist"

[console]
progress = '(?P<step>\\d+)/(?P<total>\\d+) \\['
"""

SEVERAL = """
import json, multiprocessing, os, sys
import wandb

def train(name, offset):
    run = wandb.init(project="p", name=name)
    for step in range(3):
        run.log({"train/l1_loss": offset + step})
    run.finish()

if __name__ == "__main__":
    config = json.load(open(sys.argv[1]))
    if config.get("ranks"):
        ranks = [multiprocessing.get_context("spawn").Process(target=train, args=(f"rank{r}", 10.0 * r)) for r in range(2)]
        [rank.start() for rank in ranks]
        sys.exit(max(rank.join() or rank.exitcode for rank in ranks))
    for fold in range(config.get("folds", 0)):
        train(f"fold{fold}", 10.0 * fold)
    if config.get("alone"):
        run = wandb.init(project="p")
        run.log({"train/other": 1.0})
        run.summary["train/l1_loss"] = 0.25
        run.finish()
"""

BARS = """
import json, sys, time
config = json.load(open(sys.argv[1]))
sys.stderr.write("\\rMap:  50%|##  | 14000/28483 [00:05<00:05, 5000.00 examples/s]")
sys.stderr.write("\\rMap: 100%|####| 28483/28483 [00:10<00:00, 5000.00 examples/s]\\n")
sys.stderr.write("Loading checkpoint shards: 100%|####| 3/3 [00:02<00:00,  1.20it/s]\\n")
while config["seed"] > 3:  # it may have been started when the last failure is counted, and is queued again then
    time.sleep(0.05)
if config["seed"]:
    sys.exit("ValueError: bad")
sys.stderr.write("\\r 50%|##  | 250/500 [00:01<00:01, 50.0it/s]")
sys.stderr.write("\\rValidation: 100%|####| 900/900 [00:01<00:00, 900.0it/s]\\n")
"""


def preset(project: EngineProject, text: str) -> str:
    script = project.folder / "train.py"
    script.write_text(text)
    path = project.folder / "real.toml"
    path.write_text(PRESET.format(script=json.dumps(str(script))))
    return str(path)


def config(project: EngineProject, name: str, **values: object) -> str:
    path = project.folder / f"{name}.json"
    path.write_text(json.dumps(values))
    return str(path)


def test_the_wandb_runs_of_ranks_and_folds_are_kept_apart_and_told(project: EngineProject) -> None:
    configs = [config(project, "ranks", ranks=True), config(project, "folds", folds=3)]
    loop = project.loop(configs, preset=preset(project, SEVERAL))
    project.run(loop)
    runs = project.runs(loop)
    assert states(runs) == [RunState.FINISHED] * 2, [run.reason for run in runs]
    ranks, folds = runs
    for run, started in ((ranks, 2), (folds, 3)):
        assert run.output_dir is not None
        assert run.summary is not None
        assert len(wandb_runs(Path(run.output_dir))) == started
        loss = run.summary.metrics["train/l1_loss"]
        assert (loss.n, loss.delta) == (3, 2.0)
        assert f"started {started} W&B runs" in run.notes[0]
        assert any(run.notes[0] in said for said in project.story(loop, EventKind.NOTE))
        assert f"only the metrics of {run.wandb_id} " in (project.folder / "reports" / "report.md").read_text()
    assert folds.summary is not None
    assert folds.summary.metrics["train/l1_loss"].last == 2.0  # from the first fold
    assert "fold1 (" in folds.notes[0]


def test_a_metric_of_the_summary_alone_is_judged(project: EngineProject) -> None:
    loop = project.loop([config(project, "a", alone=True)], preset=preset(project, SEVERAL), decide=True, rounds=1)
    project.run(loop)
    (run,) = project.runs(loop)
    assert (run.state, run.notes) == (RunState.FINISHED, [])
    assert run.summary is not None
    assert run.summary.metrics["train/l1_loss"].last == 0.25


def test_bars_of_other_work_are_no_steps_so_that_early_failures_count(project: EngineProject) -> None:
    configs = [config(project, f"c{seed}", seed=seed) for seed in range(6)]
    loop = project.loop(configs, preset=preset(project, BARS), steps=500)
    ended = project.run(loop)
    runs: list[Run] = project.runs(loop)
    assert [run.step for run in runs] == [250, 0, 0, 0, 0, 0]
    assert ended.state is LoopState.STOPPED
    assert "3 runs in a row failed before their first step" in (ended.reason or "")
    assert states(runs[4:]) == [RunState.QUEUED] * 2


COUNTED = """
import json, pathlib, sys, time
out = pathlib.Path(sys.argv[2])
(out / "lightning_logs" / "version_0").mkdir(parents=True)
(out / "lightning_logs" / "version_0" / "metrics.csv").write_text("step,val/acc\\n20,0.5\\n40,0.75\\n")
with open(out / "metrics.jsonl", "w") as file:
    for iteration in range(0, 60, 20):
        print(json.dumps({"iter": iteration, "val/loss": 4.0 - iteration / 20}), file=file, flush=True)
    end = time.monotonic() + 600
    while json.load(open(sys.argv[1]))["waits"] and time.monotonic() < end:
        time.sleep(0.05)
"""
STOPS = """
name = "own"
version = "1"
[[rule]]
id = "at-20"
scope = "live"
at = 20
when = "val/loss.last < 3.5"
reason = "low enough"
"""


def test_runs_are_judged_on_their_trainers_steps_whatever_they_write(project: EngineProject) -> None:
    spec: dict[str, Any] = {"preset": preset(project, COUNTED), "steps": 50, "rules": project.rules(STOPS)}
    watched = project.loop([config(project, "waits", waits=True)], live=True, **spec)
    left_alone = project.loop([config(project, "ends", waits=False)], live=False, **spec)
    for loop in (watched, left_alone):
        project.run(loop)
    (stopped,), (ended,) = project.runs(watched), project.runs(left_alone)
    assert (stopped.state, ended.state) == (RunState.STOPPED, RunState.FINISHED), (stopped.reason, ended.reason)
    assert "live rule at-20 at step" in (stopped.reason or "")
    assert (ended.sources, ended.step) == (["jsonl", "csv"], 40)
    assert ended.summary is not None
    assert {name: each.last_step for name, each in ended.summary.metrics.items()} == {"val/loss": 40, "val/acc": 40}


TELLS = """
import json, sys
bar = json.load(open(sys.argv[1]))["bar"]
for step in range(1, 41):
    shown = f"\\r| {step}/60 [00:01<00:01, 50.0it/s, loss={1 / step}]"
    sys.stderr.write(shown if bar else f"step {step} loss {1 / step}\\n")
sys.stderr.write("\\n")
"""


def test_where_nobody_says_how_many_steps_a_run_makes_its_trainer_tells(project: EngineProject) -> None:
    configs = [config(project, "bar", bar=True), config(project, "lines", bar=False)]
    patterns = Path(preset(project, TELLS))
    patterns.write_text(patterns.read_text().partition("[console]")[0])
    loop = project.loop(configs, preset=str(patterns), steps=2000)
    assert [run.total_steps for run in project.runs(loop)] == [2000, 2000]
    project.run(loop)
    assert [(run.name, run.step, run.total_steps) for run in project.runs(loop)] == [("bar", 40, 60), ("lines", 40, 40)]


def test_a_run_that_counts_its_steps_from_0_has_made_them_all_when_it_finishes(project: EngineProject) -> None:
    from_zero = [{"_step": step, "train/l1_loss": 1.0} for step in range(4)]
    configs = [project.config("a", rows=from_zero, steps=4), project.config("short", rows=from_zero[:2], steps=4)]
    loop = project.loop(configs, steps=4)
    project.run(loop)
    assert [(run.name, run.step, run.total_steps) for run in project.runs(loop)] == [("a", 4, 4), ("short", 1, 4)]
