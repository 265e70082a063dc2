"""Which values that are not finite mean divergence."""

from __future__ import annotations

from autoloop.metrics import default_book, diverged_metrics
from autoloop.model import Summary


def test_only_losses_key_metrics_and_lasting_gradients_mean_divergence() -> None:
    book = default_book().with_keys(["val/accuracy", "train/grad_norm"])
    names = ["train/l1_loss", "val/accuracy", "train/grad_norm", "encoder/grad_norm", "train/ratio"]
    summary = Summary(not_finite=names, in_a_row=dict.fromkeys(names, 4))
    assert diverged_metrics(summary, book) == ["train/l1_loss", "val/accuracy"]
    longer = Summary(not_finite=names, in_a_row=dict.fromkeys(names, 5))
    assert diverged_metrics(longer, book) == ["train/l1_loss", "val/accuracy", "train/grad_norm"]
