"""What can be inferred from a metric's name."""

from __future__ import annotations

import pytest
from autoloop.metrics import main_names
from autoloop.metrics.book import default_book
from autoloop.metrics.wording import direction_of


@pytest.mark.parametrize(
    "name",
    [
        "val_acc", "val/accuracy", "eval/mean_reward", "Train/mean_reward", "rollout/ep_rew_mean", "success_rate", "score",
        "eval_f1_macro", "roc_auc", "val/mIoU", "IoU", "bleu4", "rougeL", "mAP", "metrics/mAP50-95(B)", "map_50", "valAcc",
        "mean_token_accuracy", "eval/return_mean", "recall@5", "top1",
    ],
)  # fmt: skip
def test_higher_is_better(name: str) -> None:
    assert direction_of(name) == "high"


@pytest.mark.parametrize(
    "name",
    [
        "loss", "train/l1_loss", "eval/offline_eval/avg_l1", "val_perplexity", "val/mse", "mae", "nll", "wer", "error_rate",
        "train_loss_step", "valLoss", "MSELoss", "accuracy_loss", "reward_model/loss", "Loss/value_function", "top1_error",
    ],
)  # fmt: skip
def test_lower_is_better(name: str) -> None:
    assert direction_of(name) == "low"


@pytest.mark.parametrize(
    "name",
    [
        "accum", "scoreless", "grad_accum_steps", "loss_scale", "reward_std", "loss_weight", "grad_norm", "mfu", "lr",
        "iter", "score_threshold", "attention_map_entropy", "accelerate/fps", "returned", "glossary", "learning_rate", "",
    ],
)  # fmt: skip
def test_neither_direction_is_known_to_be_better(name: str) -> None:
    assert direction_of(name) is None


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["iter", "lr", "mfu", "train/loss", "val/loss"], "val/loss"),
        (["loss", "grad_norm", "learning_rate", "mean_token_accuracy"], "loss"),
        (["train/actor_loss", "train/loss", "train/critic_loss"], "train/loss"),
        (["eval_loss", "eval/aux/loss", "train_loss"], "eval_loss"),
        (["val/mse", "train/loss"], "val/mse"),
        (["Perf/total_fps", "Train/mean_reward", "Policy/mean_noise_std"], "Train/mean_reward"),
        (["eval/success", "train/success"], "eval/success"),
        (["epoch", "quantity"], "quantity"),
        (["epoch"], "epoch"),
    ],
)
def test_without_a_metric_book_the_key_metric_is_the_main_one_by_its_name(names: list[str], first: str) -> None:
    assert main_names([names], default_book(()))[0][0] == first


def test_what_until_and_the_rules_look_at_comes_first_and_other_metrics_fill_the_table() -> None:
    book = default_book(()).naming(["acc", "absent"])
    assert main_names([["val/loss", "acc", "lr"]], book) == (["acc", "val/loss"], ["lr"])


def test_the_key_metrics_of_a_book_come_before_what_rules_look_at() -> None:
    book = default_book(()).naming(["acc"]).with_keys(["val/loss"])
    assert main_names([["val/loss", "acc"]], book)[0] == ["val/loss"]
