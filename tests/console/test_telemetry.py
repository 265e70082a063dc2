"""The load of the machine under the runs."""

from __future__ import annotations

import os

from autoloop_tui.console.telemetry import Sampler


def test_the_sampler_measures_a_real_process_tree() -> None:

    from autoloop.model import Attempt

    attempt, gone = (
        Attempt(id="a", run="r", number=1, slot=0, output_dir="", directory="", created_at=0, handle={"pid": pid})
        for pid in (os.getpid(), 2**22 + 1)
    )
    sampler = Sampler()
    sample = sampler.take({"r": attempt, "s": gone}, with_gpus=False)
    assert sample.loads["r"].memory > 1 << 20
    assert "s" not in sample.loads
    assert os.getpid() in sample.own_pids
    assert sampler.take({"r": attempt}, with_gpus=False).loads["r"].cpu >= 0
