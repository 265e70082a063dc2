"""2 000 short runs in 200 rounds with one engine: how much memory it uses for the past, and how many descriptors."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from autoloop.model import LoopState, RunState

from tests.engine.project import EngineProject
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.faults

ROUNDS, RUNS = 200, 10
EVERY = 200
"""Runs between two measurements."""
KEPT = 6 / 1024
"""MiB kept per past run: verdicts compare a round's configs with all runs of the loop, by the metrics that rules need."""

TRAINER = """mkdir -p "$2/wandb/latest-run/files"
for step in 1 2; do echo "{\\"_step\\": $step, \\"train/l1_loss\\": 1.$step}"; done \\
    > "$2/wandb/latest-run/files/wandb-history.jsonl"
echo End of training
"""


def test_an_engine_holds_a_few_kibibytes_of_a_past_run_and_no_descriptor(project: EngineProject) -> None:
    script = project.folder / "trainer.sh"
    script.write_text(TRAINER)
    preset = project.folder / "fake.toml"
    lines = preset.read_text().splitlines()
    argv = 'argv = ["/bin/sh", ' + json.dumps(str(script)) + ', "{config}", "{output_dir}"]'
    preset.write_text("\n".join(argv if line.startswith("argv") else line for line in lines) + "\n")
    rules = project.rules((project.folder / "rules.toml").read_text().replace("lr@mul=2", "lr@add=1"))
    configs = [project.config(f"c{i}") for i in range(RUNS)]
    loop = project.loop(configs, concurrency=4, rounds=ROUNDS, decide=True, rules=rules)
    pid = project.spawn(loop)
    engine = psutil.Process(pid)
    seen: list[tuple[int, float, int, float]] = []
    deadline = time.monotonic() + 40 * PATIENCE
    while project.state(loop).state is LoopState.ACTIVE and engine.is_running():
        assert time.monotonic() < deadline
        done = sum(count for state, count in project.store.counts(loop.id).items() if state.ended)
        if done // EVERY > len(seen):
            with suppress(psutil.Error):  # it has just ended
                cpu = engine.cpu_times()
                seen.append((done, engine.memory_full_info().uss / 2**20, engine.num_fds(), cpu.user + cpu.system))
        time.sleep(0.05)
    project.wait_engine(pid)
    assert project.state(loop).state is LoopState.FINISHED
    assert set(project.store.counts(loop.id)) == {RunState.FINISHED}
    # The CPU time of a run also depends on other load on the cores, so it is printed but not asserted.
    costs = [(now[3] - before[3]) / (now[0] - before[0]) for before, now in itertools.pairwise(seen)]
    print(f"  {os.cpu_count()} cores, {shlex.quote(Path(script).name)}; runs: MiB, descriptors, engine ms of CPU a run")
    for (runs, memory, opened, _), cost in zip(seen, [seen[0][3] / seen[0][0], *costs], strict=False):
        print(f"  {runs:5d}: {memory:6.1f} MiB  {opened:3d}  {cost * 1e3:5.1f} ms")
    halves = [sum(half) / len(half) for half in (costs[: len(costs) // 2], costs[len(costs) // 2 :])]
    print(f"  CPU of a run, from the first half to the second: x {halves[1] / halves[0]:.2f}")
    memories, files = [each[1] for each in seen], [each[2] for each in seen]
    assert len(memories) >= ROUNDS * RUNS // EVERY - 1  # it may end before the last measurement
    assert max(memories) <= 1.05 * memories[0] + KEPT * (ROUNDS * RUNS)
    assert min(memories) >= 0.9 * memories[0]
    assert max(files) <= files[0] + 8  # about as many as the slots need at that moment
    assert project.left_over() == []
