"""The metric named when a run has diverged."""

from __future__ import annotations

import math
from array import array

import pytest
from autoloop.metrics import default_book
from autoloop.model import Series

from autoloop_tui.console.present.divergence import divergence

NAN, INF = math.nan, math.inf


def series(*values: float) -> Series:
    return Series(array("q", range(10, 10 * len(values) + 1, 10)), array("d", values))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"train/ratio": series(1, NAN, NAN), "train/loss": series(2, 1, NAN)}, ("train/loss", 30)),
        ({"train/a_loss": series(2, NAN, NAN), "val/key": series(2, 1, INF)}, ("val/key", 30)),
        ({"train/a_loss": series(2, 1, NAN), "train/b_loss": series(2, NAN, INF)}, ("train/b_loss", 20)),
        ({"train/loss": series(NAN, NAN)}, ("train/loss", 10)),
        ({"train/grad_norm": series(1, INF), "train/ratio": series(1, NAN)}, None),
        ({"train/loss": series(NAN, 1), "val/key": Series()}, None),
    ],
)
def test_a_key_metric_or_a_loss_is_named_however_long_others_have_not_been_finite(
    columns: dict[str, Series], expected: tuple[str, int] | None
) -> None:
    assert divergence(columns, default_book().with_keys(["val/key"])) == expected
