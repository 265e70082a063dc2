"""The demo's baseline, whose transport underflows, is stopped early by a live rule and relaunched with its patch."""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from pathlib import Path

import pytest
from autoloop.demo import train
from autoloop.demo.project import write_project
from autoloop.engine import Engine, create_loop, plan_loop
from autoloop.gpus import GpuReport
from autoloop.metric_readers import follow
from autoloop.model import LoopEnd, LoopEndKind, LoopSpec, LoopState, Run, RunState
from autoloop.settings import Settings
from autoloop.store import Store

from tests.engine.processes import span

BOOK = """
name = "early"
version = "1"
[[rule]]
id = "pi-vanished"
scope = "live"
between = [40, 200]
when = "ot_pi_sum.last < 1e-6"
reason = "the transported mass has vanished"
changes = [["ot.loss_config.reg@add=0.1"], ["ot.loss_config.tau_src@mul=2", "ot.loss_config.tau_tgt@mul=2"]]
relaunches = 1
"""
STEPS = 1200
PATIENCE = 1800.0
"""Seconds for two trainings with torch on a busy machine. Only a failing test waits this long."""


def masses(run: Run) -> dict[int, float]:
    """Return the transported mass of a run by step."""
    assert run.output_dir is not None
    follower = follow(Path(run.output_dir), run_id=run.id)
    while follower.poll():
        pass
    return dict(follower.columns["train/ot_pi_sum"])


def test_a_hopeless_run_is_stopped_before_two_fifths_of_its_steps_and_relaunched_with_the_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "book.toml").write_text(BOOK)
    spec = LoopSpec(
        configs=[str(write_project(tmp_path)[0])],
        steps=STEPS,
        log_freq=10,
        eval_freq=100,
        device="cpu",
        live=True,
        preset="lerobot",
        rules=str(tmp_path / "book.toml"),
        python=sys.executable,
        train_script=str(train.__file__),
        cwd=str(tmp_path),
        output_root=str(tmp_path / "out"),
        summary_out=str(tmp_path / "s.json"),
        markdown_out=str(tmp_path / "r.md"),
    )
    with Store.open(tmp_path, create=True) as store:
        now = time.time()
        loop = create_loop(store, plan_loop(spec, Settings(), GpuReport(), os.environ, store.where_run, now), now)
        engine = Engine(store, loop)
        late = LoopEnd(kind=LoopEndKind.SIGNAL, text="the test took too long")
        watchdog = threading.Timer(PATIENCE, engine.stop_soon, [late], {"kill": True})
        watchdog.start()
        try:
            assert engine.run().state is LoopState.FINISHED
        finally:
            watchdog.cancel()
            watchdog.join()
        base, relaunched = store.runs(loop.id)
        first, second = (store.attempts(run.id)[0] for run in (base, relaunched))
    assert base.state is RunState.STOPPED
    assert 40 <= base.step < 0.4 * STEPS
    assert (base.reason or "").startswith("stopped: live rule pi-vanished at step ")
    assert (relaunched.state, relaunched.step, relaunched.base_run) == (RunState.FINISHED, STEPS, base.id)
    assert [(change.path, change.before, change.after) for change in relaunched.changes] == [
        ("ot.loss_config.reg", 0.1, pytest.approx(0.2))
    ]
    assert second.slot == first.slot
    assert span(first)[1] <= span(second)[0]
    # The patch was the right one, judged by the steps that both have made; when the base is stopped depends on the machine.
    before, after = masses(base), masses(relaunched)
    gains = [after[step] / before[step] for step in before]
    assert len(gains) >= 4
    assert statistics.median(gains) > 100
