"""Exit code 0 with a loss that is not a number, in any notation."""

from __future__ import annotations

import pytest
from autoloop.diagnose.diagnosis import diagnose
from autoloop.diagnose.losses import last_loss
from autoloop.model import Cause, ExitRecord
from autoloop.trainers import load_preset

PRINTED = [
    "{{'loss': {}, 'grad_norm': nan, 'learning_rate': 0.0, 'epoch': 0.2}}",
    "{{'train_runtime': 12.3, 'train_samples_per_second': 8.1, 'train_loss': {}, 'epoch': 1.0}}",
    "Epoch 1: 100%|##| 50/50 [00:10<00:00, 4.9it/s, v_num=0, train_loss={}]",
    "Epoch 1: 100%|##| 50/50 [00:10<00:00, 4.9it/s, loss={}, v_num=0]",
    "Speed 2178 samples/sec   Loss {}   LearningRate 0.001   Epoch: 3",
    '{{"step": 3, "loss": {}}}',
    "3/3 - 1s - loss: {} - accuracy: 0.1",
    "iter 100: train loss {}, val loss 2.5",
    "step 100 | loss {} | lr 1e-3",
    "| loss               | {}      |",
    "|    train/loss            | {}      |",
    "train/loss: {}",
    "Training Loss = {}",
    "Epoch: [0][10/100] Time 0.1 (0.2) Loss {} (2.1) Acc 0.3",
    "loss: tensor({}, device='cuda:0', grad_fn=<NllLossBackward0>)",
    "step:100 smpl:1K ep:3 loss:{} grdn:1.2",
    "total_loss: {}  loss_cls: 0.1  loss_box: 0.2",
    "Loss is {}",
    "{{'loss': np.float32({}), 'epoch': 1}}",
    "loss=Array({}, dtype=float32)",
    "Training loss at step 10 = {}",
    "loss (train): {}",
    "loss_G {} loss_D 0.2",
    "loss -> {}",
    "损失：{}",
]


def after(*lines: str) -> Cause | None:
    return diagnose(ExitRecord(code=0), ["1/3 [00:01<00:01, 1.0it/s]", *lines, "done"], load_preset("plain"))


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "Infinity"])
@pytest.mark.parametrize("line", PRINTED)
def test_a_last_loss_that_is_no_number_has_diverged_however_it_is_printed(line: str, value: str) -> None:
    cause = after(line.format("0.51"), line.format(value))
    assert cause is not None
    assert cause.id == "diverged"
    assert value in cause.text
    assert cause.line == line.format(value).strip()


@pytest.mark.parametrize("line", PRINTED)
def test_a_loss_that_came_back_has_not_diverged(line: str) -> None:
    assert after(line.format("nan"), line.format("0.51")) is None
    assert after(line.format("5.1e-01")) is None


def test_lightning_s_bar_appends_a_zero_to_nan() -> None:
    assert after("Epoch 1: 100%|##| 50/50 [00:10<00:00, 4.9it/s, train_loss=nan.0, val_loss=1.2]") is not None


@pytest.mark.parametrize("line", ["loss_scale: inf", "loss_weight nan", "loss_gradient_norm=nan"])
def test_a_name_that_only_begins_like_a_loss_is_none(line: str) -> None:
    assert after(line) is None


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Step    Training Loss", "10      {}"),
        ("epoch     train_loss  valid_loss  accuracy  time", "0         {}       1.2       0.1       00:10"),
        (
            "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size",
            "      1/100      2.3G        {}        1.1        1.2         12        640: 100%|##| 8/8 [00:01]",
        ),
        ("| epoch | train loss | lr |", "| 1 | {} | 0.1 |"),
    ],
)
def test_a_loss_in_the_column_of_a_table_is_read(header: str, row: str) -> None:
    cause = after(header, row.format("1.5"), row.format("nan"))
    assert cause is not None
    assert cause.id == "diverged"
    assert after(header, row.format("nan"), row.format("1.5")) is None


@pytest.mark.parametrize(
    "lines",
    [
        ("step 10 loss 0.5 grad_norm nan",),
        ("{'loss': 0.5, 'grad_norm': nan}",),
        ("loss: 0.4 val_loss: nan",),
        ("loss=0.4", "best loss: inf"),
        ("best_loss: inf", "loss_scale: inf", "min loss: nan"),
        ("{'loss': 'nan_safe_l1', 'nan_loss': False, 'loss_weight': 'inf'}",),
        ("loss: infonce", "lossless: nan"),
        ("loss: 0.4", "no nan loss was seen"),
    ],
)
def test_other_numbers_and_other_words_are_no_loss(lines: tuple[str, ...]) -> None:
    assert after(*lines) is None


def test_a_line_without_end_is_searched_quickly() -> None:
    # With a quadratic pattern, this would take minutes.
    assert last_loss(["loss" * 1000, "loss " * 800, "a" * 4000 + "loss", "0" * 4000]) is None
