"""The trainings of the judgement bench: those of the demo, but in one process, and stored in files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.demo.project import demo_configs

from bench.judgement.training import Row, prepare, trained

STEPS = 12
METRIC = "eval/offline_eval/avg_l1"


@pytest.fixture(autouse=True)
def _left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo the process-wide settings of `prepare`, which must not affect the trainings of other tests."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def test_a_training_gives_the_same_curve_whatever_was_trained_before_it(tmp_path: Path) -> None:
    prepare()
    baseline, variant, *_ = demo_configs().values()
    first = trained(baseline, STEPS, tmp_path / "one")
    other = trained(variant, STEPS, tmp_path / "one")
    assert trained(baseline, STEPS, tmp_path / "two") == first != other
    assert first.complete
    assert first.rows[-1][0] == STEPS
    summary = first.summary()
    assert summary.steps == STEPS
    assert {METRIC, "train/l1_loss", "train/ot_pi_sum", "train/grad_norm"} <= summary.metrics.keys()


def test_what_has_been_trained_is_read_again_also_if_it_was_stopped_on_the_way(tmp_path: Path) -> None:
    prepare()
    baseline = demo_configs()["demo_baseline"]

    def watch(row: Row) -> bool:
        seen.append(row[0])
        return METRIC in row[1]

    seen: list[int] = []
    stopped = trained(baseline, STEPS, tmp_path, watch)
    assert not stopped.complete
    assert stopped.rows[-1][0] < STEPS
    kept = {file: file.read_bytes() for file in tmp_path.iterdir()}
    asked, seen = seen, []
    assert trained(baseline, STEPS, tmp_path, watch) == stopped
    assert seen == asked
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == kept
