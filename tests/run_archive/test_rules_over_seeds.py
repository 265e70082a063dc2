"""Proposals of rules for analysed runs that differ only in the seed: by their mean, as an engine judges them."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.metrics import MetricBooks
from autoloop.model import Summary
from autoloop.rules import parse_book
from autoloop.settings import Settings

from autoloop_tui.cli.output.analysis import AnalysedRun, proposals_for, with_proposals
from tests.rules.views import metric

HIGH = parse_book(
    """
name = "test"
version = "1"
[[rule]]
id = "too-high"
when = "l1_loss.last > 2"
reason = "the loss is high"
changes = ["lr@mul=2"]
""",
    "test.toml",
)


def analysed(name: str, loss: float, **config: float) -> AnalysedRun:
    summary = Summary(metrics={"train/l1_loss": metric(5.0, loss)}, steps=10)
    return AnalysedRun(name=name, shown=name, cells=[], summary=summary, config=dict(config))


def test_the_mean_over_seeds_is_judged_once_and_a_run_without_other_seeds_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [
        analysed("a1", 1.0, lr=1.0, seed=1),  # the mean is 2.5: above, although this one is below
        analysed("a2", 4.0, lr=1.0, seed=2),
        analysed("b1", 1.0, lr=3.0, seed=1),  # the mean is 1.75
        analysed("b2", 2.5, lr=3.0, seed=2),
        analysed("alone", 2.5, lr=5.0, seed=1),
        analysed("no_seed", 2.5, lr=5.0),
    ]
    found = proposals_for(runs, HIGH, Settings(), MetricBooks())
    assert [(each.shown, len(each.asked)) for each in found] == [
        ("a1, a2 (mean of 2 runs)", 1),
        ("b1, b2 (mean of 2 runs)", 0),
        ("alone", 1),
        ("no_seed", 1),
    ]
    document = with_proposals(runs, found)
    assert {name for name, asked in document["proposals"].items() if asked} == {"a1", "alone", "no_seed"}
    assert set(document["proposals"]) == {run.name for run in runs}
