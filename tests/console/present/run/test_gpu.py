"""The GPU use of a run, in a row of any width."""

from __future__ import annotations

import pytest
from autoloop.gpu_history import GpuHistory, GpuPoint

from autoloop_tui.console.drawing.glyphs import UNICODE
from autoloop_tui.console.drawing.pieces import wide
from autoloop_tui.console.present.run.gpu import gpu_row

FACTS = ["utilisation 90 %", "idle 0 % of the time", "memory up to 31 GiB", "500 W"]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_facts_are_told_whole_or_left_out(width: int) -> None:
    points = [GpuPoint(at=60.0 * n, utilisation=90.0, memory=31.0, power=500.0) for n in range(11)]
    history = GpuHistory(gpus=1, points=points, seconds=600.0, seconds_known=600.0, busy=54000.0, peak=31.0)
    history.seconds_powered, history.joules = 600.0, 3e5
    row = gpu_row(history, width, glyphs=UNICODE)
    told = "".join(text for text, _ in row)
    assert wide(row) <= width
    assert "…" not in told
    assert [fact in told for fact in FACTS] == sorted((fact in told for fact in FACTS), reverse=True)
    assert FACTS[0] in told
    assert FACTS[-1] in told or width < 100
