"""2 000 short runs through 200 rounds in one engine: what it holds and what a run costs it grow by its reports alone."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import time
from pathlib import Path

import psutil
import pytest
from autoloop.model import LoopState, RunState

from tests.engine.processes import PATIENCE
from tests.engine.project import Project

pytestmark = pytest.mark.faults

ROUNDS, RUNS = 200, 10
EVERY = 200
"""Runs between two measurements."""

TRAINER = """mkdir -p "$2/wandb/latest-run/files"
for step in 1 2; do echo "{\\"_step\\": $step, \\"train/l1_loss\\": 1.$step}"; done \\
    > "$2/wandb/latest-run/files/wandb-history.jsonl"
echo End of training
"""


def test_memory_descriptors_and_cpu_hardly_grow_with_the_past(project: Project) -> None:
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
            cpu = engine.cpu_times()
            seen.append((done, engine.memory_full_info().uss / 2**20, engine.num_fds(), cpu.user + cpu.system))
        time.sleep(0.05)
    project.wait_engine(pid)
    assert project.state(loop).state is LoopState.FINISHED
    assert set(project.store.counts(loop.id)) == {RunState.FINISHED}
    costs = [(now[3] - before[3]) / (now[0] - before[0]) for before, now in itertools.pairwise(seen)]
    print(f"  {os.cpu_count()} cores, {shlex.quote(Path(script).name)}; runs: MiB, descriptors, engine ms of CPU a run")
    for (runs, memory, files, _), cost in zip(seen, [seen[0][3] / seen[0][0], *costs], strict=False):
        print(f"  {runs:5d}: {memory:6.1f} MiB  {files:3d}  {cost * 1e3:5.1f} ms")
    memories, files = [each[1] for each in seen], [each[2] for each in seen]
    # The two reports grow with the loop and are written anew, which is all that may.
    assert max(memories) <= memories[1] + 12
    assert max(files) <= files[0] + 8  # as many as the slots need, more or less, at the moment of looking
    assert sum(costs[-3:]) <= 3 * sum(costs[:3])
    assert project.left_over() == []
