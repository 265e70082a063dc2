"""Metrics from the output of trainers for which there are no patterns. `printed/` has logs of the real packages."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import pytest
from autoloop.metric_readers import follow
from autoloop.metric_readers.console_log import ConsoleLog
from autoloop.metric_readers.printed_line import MAX_LINE, parse
from autoloop.metric_readers.printed_metrics import MAX_NAMES
from autoloop.trainers import Console

LOGS = Path(__file__).parent / "printed"

Points = dict[str, list[tuple[int, float]]]


def opened(path: Path, *, total_steps: int | None = None, patterns: Console | None = None) -> ConsoleLog:
    log = ConsoleLog(path, patterns or Console(), None, total_steps)
    for _ in range(1000):
        if not log.poll():
            return log
    raise AssertionError("the reader does not come to an end")


def points(log: ConsoleLog) -> Points:
    return {name: list(series) for name, series in log.columns.items()}


def read(tmp_path: Path, text: str, *, total_steps: int | None = None, patterns: Console | None = None) -> ConsoleLog:
    path = tmp_path / "log.txt"
    path.write_text(text)
    return opened(path, total_steps=total_steps, patterns=patterns)


# ------------------------------------------------------------------------------------------------------- real packages


@pytest.mark.parametrize("total_steps", [None, 40])
def test_dicts_of_transformers_stand_at_the_step_of_its_bar(total_steps: int | None) -> None:
    """Its bar is redrawn only a few times per second, so it lags behind; and there is another bar for evaluations."""
    log = opened(LOGS / "transformers.txt", total_steps=total_steps)
    found = points(log)
    assert [step for step, _ in found["loss"]] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert found["eval_loss"] == [(20, 1.576), (40, 1.575)]
    assert found["train_runtime"] == [(40, 0.2629)]
    assert {"grad_norm", "learning_rate", "epoch"} <= found.keys()
    assert (log.step, log.total_steps) == (40, 40)
    assert log.rate == pytest.approx(155.49)


def test_dicts_without_any_step_are_rows(tmp_path: Path) -> None:
    found = points(opened(LOGS / "transformers_without_bars.txt"))
    assert [value for _, value in found["loss"]] == [1.217, 1.994, 1.541, 2.139, 0.9987, 1.442, 1.684, 1.886]
    steps = [step for step, _ in found["loss"]]
    assert steps == sorted(set(steps))
    once = read(tmp_path, "{'lr': 0.1, 'width': 12}\n")
    assert points(once) == {}, "a single dict may be the config"


def test_the_bars_of_lightning_count_within_epochs() -> None:
    log = opened(LOGS / "lightning.txt")
    found = points(log)
    assert found["val_loss"] == [(10, 0.0845), (20, 0.0449), (30, 0.0315)]
    assert [step for step, _ in found["train_loss"]] == list(range(1, 31))
    assert found.keys() == {"train_loss", "val_loss"}
    assert log.step == 30


def test_the_last_bar_of_lightnings_rich_display_is_read() -> None:
    assert points(opened(LOGS / "lightning_rich.txt")) == {"train_loss": [(30, 0.010)], "val_loss": [(30, 0.032)]}


@pytest.mark.parametrize("name", ["keras.txt", "keras_quiet.txt"])
def test_the_bars_of_keras_count_within_epochs_and_a_later_evaluation_is_none_of_them(name: str) -> None:
    log = opened(LOGS / name)
    found = points(log)
    assert found["val_loss"] == [(8, 3.3861), (16, 1.9083), (24, 1.1379)]
    assert {step: value for step, value in found["loss"] if step % 8 == 0} == {8: 4.7767, 16: 2.5549, 24: 1.4098}
    assert found.keys() == {"loss", "mae", "val_loss", "val_mae"}
    assert (log.step, log.total_steps) == (24, 24)


@pytest.mark.parametrize("name", ["keras.txt", "keras_quiet.txt"])
def test_where_as_many_epochs_are_expected_epochs_are_the_steps(name: str, tmp_path: Path) -> None:
    log = opened(LOGS / name, total_steps=3)
    assert points(log)["val_loss"] == [(1, 3.3861), (2, 1.9083), (3, 1.1379)]
    assert points(log)["loss"] == [(1, 4.7767), (2, 2.5549), (3, 1.4098)]
    assert (log.step, log.total_steps) == (3, 3)
    within = read(tmp_path, (LOGS / "keras.txt").read_text().partition("Epoch 3/3")[0].rpartition("8/8")[0], total_steps=3)
    assert (within.step, within.total_steps) == (1, 3)  # the second epoch is not complete


def test_a_table_of_stable_baselines_stands_at_its_timesteps() -> None:
    log = opened(LOGS / "stable_baselines3.txt")
    found = points(log)
    assert found["rollout/ep_rew_mean"] == [(64, 25.0), (128, 30.0), (192, 26.6)]
    assert found["train/value_loss"] == [(128, 112.0), (192, 59.9)]
    assert log.step == 192


@pytest.mark.parametrize("path", sorted(LOGS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_log_that_grows_in_any_pieces_reads_at_last_as_the_whole(path: Path, tmp_path: Path) -> None:
    data, chance, copy = path.read_bytes(), random.Random(7), tmp_path / "log.txt"
    whole = points(opened(path))
    log, at = ConsoleLog(copy, Console()), 0
    while at < len(data):
        piece = chance.randrange(1, 400)
        with copy.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        log.poll()
        for name, so_far in points(log).items():
            assert so_far == whole[name][: len(so_far)]
    assert points(log) == whole


RSL_RL = """
################################################################################
                       \x1b[1m Learning iteration {step}/300 \x1b[0m

                            Total steps: 1608
                       Steps per second: 101
                        Collection time: 0.183s
                        Mean value loss: {loss}
                    Mean surrogate loss: -0.1204
                            Mean reward: -7.91
                    Mean episode length: 59.62
             Metrics/slip_velocity_mean: 0.3317
--------------------------------------------------------------------------------
                         Iteration time: 0.24s
                           Time elapsed: 00:00:16
                                    ETA: 02:10:09
"""


def test_the_tables_of_rsl_rl_stand_at_their_iteration(tmp_path: Path) -> None:
    log = read(tmp_path, "".join(RSL_RL.format(step=step, loss=1 / step) for step in (66, 67)))
    found = points(log)
    assert found["Mean value loss"] == [(66, 1 / 66), (67, 1 / 67)]
    assert found["Mean reward"] == [(66, -7.91), (67, -7.91)]
    assert found["Metrics/slip_velocity_mean"][0] == (66, 0.3317)
    assert not any("ETA" in name or "elapsed" in name or "per second" in name for name in found)
    assert (log.step, log.total_steps) == (67, 300)


# ---------------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("line", "step", "expected"),
    [
        ("iter 10: loss 3.2101, time 30.01ms, mfu 2.10%", 10, {"loss": 3.2101, "time": 30.01, "mfu": 2.1}),
        ("step 250: train loss 1.61, val loss 1.8", 250, {"train loss": 1.61, "val loss": 1.8}),
        ("epoch 3 loss=0.5 acc=0.61", 3, {"loss": 0.5, "acc": 0.61}),
        ("epoch 3 loss= 0.5 acc= 0.61", 3, {"loss": 0.5, "acc": 0.61}),
        ("step: 20, loss: 0.25, lr: 1e-3", 20, {"loss": 0.25, "lr": 0.001}),
        ("step=20 train/loss=0.25 val/acc=91.5%", 20, {"train/loss": 0.25, "val/acc": 91.5}),
        ("step:20 smpl:240 epch:0.80 loss:0.5 grdn:31.298", 20, {"smpl": 240, "epch": 0.8, "loss": 0.5, "grdn": 31.298}),
        ("{'step': 7, 'loss': '0.5', \"acc\": 1}", 7, {"loss": 0.5, "acc": 1}),
        ('{"global_step": 9, "train": {"loss": 0.5}, "note": "x"}', 9, {"train.loss": 0.5}),
        ("2026-11-26 08:00:41,123 - INFO - step 5 | loss 0.31 | lr 1.0e-4", 5, {"loss": 0.31, "lr": 0.0001}),
        ("[rank0]: 08:00:41 INFO train.py:435 Step 5/100 - loss: nan", 5, {"loss": math.nan}),
        ("Epoch: [0][ 200/927]\tTime: 0.297 (0.301) lr:0.001 Loss: 0.1851 (0.14)", 200, {"lr": 0.001, "Loss": 0.1851}),
        ("Epoch [1/5], Step [100/600], Loss: 0.3", 100, {"Loss": 0.3}),
        ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.251", 640, {"Loss": 2.251}),
        ("Epoch(train)  [1][ 50/1875]  lr: 1.0e-03  eta: 0:05:00  loss: 2.3", 50, {"lr": 0.001, "loss": 2.3}),
        ("[11/22 08:00:41 d2.utils]: eta: 0:10:00  iter: 19  total_loss: 1.9", 19, {"total_loss": 1.9}),
        ("step: 2300/ 3305 loss:0.3651 0.3224 imps:26.6 lr: 0.0343", 2300, {"loss": 0.3651, "imps": 26.6, "lr": 0.0343}),
        ("===> Epoch 131: testing psnr = 34.21, ssim = 0.934", 131, {"testing psnr": 34.21, "ssim": 0.934}),
        ("step 3 loss: tensor(0.5312, device='cuda:0', grad_fn=<MseLossBackward0>)", 3, {"loss": 0.5312}),
        ("step 4: mem: 10.5GB, throughput: 812.5 samples/s", 4, {"mem": 10.5, "throughput": 812.5}),
    ],
)
def test_what_a_line_says(tmp_path: Path, line: str, step: int, expected: dict[str, float]) -> None:
    log = read(tmp_path, line + "\n")
    found = {name: series for name, series in points(log).items() if name in expected}
    assert repr(found) == repr({name: [(step, float(value))] for name, value in expected.items()}) or found == {
        name: [(step, value)] for name, value in expected.items()
    }
    assert log.step == step


NOISE = """\
2026-11-26 19:00:01,123 INFO train.py:435 hello
2026-11-26T19:00:01Z worker-3: started at 12:30:01
Serving on localhost:6006 and node-1:29500
http://10.0.0.1:29500/?a=1&b=2
MASTER_PORT=29500 RANK=0
port: 6006
pid=12345
version: 2.13.0
torch==2.13.0 python=3.11.7
cuda:0 is used
date: 2026-11-26
time=12:30:11
address: 10.0.0.1
File "/a/b.py", line 12, in step
Error: 404
python train.py --lr=0.1 --batch-size 32 --steps=40
Namespace(lr=0.1, batch_size=8)
TrainConfig(lr=0.1)
Saved to outputs/epoch=3-step=100.ckpt
runs/lr=0.1/seed=2/out
Found 3 files: 12 were skipped because they are empty
The best validation loss so far is: 0.3
Number of parameters: 124
  Num examples = 1000
  Batch size = 8
  'width': 12,
+--------+--------+
| Name   | Type   |
================================
Loading data: 3
Map: 100%|##########| 400/400 [00:00<00:00, 9000.00 examples/s, loss=3]
Downloading model: 52%|#####     | 26/50 [00:00<00:00, 90.0MB/s]
Loading checkpoint shards: 100%|##########| 2/2 [00:00<00:00, 9.0it/s]
Validation DataLoader 0: 50%|#####     | 1/2 [00:00<00:00, 9.0it/s, loss=3]
ratio: 16:9
eta: 3s
Saved 3 checkpoints
See step 3 of the guide: it takes 10 minutes
"""


@pytest.mark.parametrize("noise", NOISE.splitlines())
def test_no_metric_and_no_step_is_made_of_other_lines(tmp_path: Path, noise: str) -> None:
    log = read(tmp_path, f"step 7 loss: 0.5\n{noise}\n{noise}\nstep 8 loss: 0.25\n")
    assert points(log) == {"loss": [(7, 0.5), (8, 0.25)]}
    assert log.step == 8


def test_a_number_before_the_first_step_is_no_metric(tmp_path: Path) -> None:
    log = read(tmp_path, "lr: 0.1\nwidth=12\nweight_decay: 0.01\nstep 1 loss: 2.0\nacc: 0.5\n")
    assert points(log) == {"loss": [(1, 2.0)], "acc": [(1, 0.5)]}


def test_the_last_line_that_had_a_step_tells_it(tmp_path: Path) -> None:
    log = read(tmp_path, "---- step 10/40 ----\nloss: 0.5\nval acc: 0.25\n---- step 20/40 ----\nloss: 0.4\n")
    assert points(log) == {"loss": [(10, 0.5), (20, 0.4)], "val acc": [(10, 0.25)]}
    assert (log.step, log.total_steps) == (20, 40)


def test_counts_that_begin_again_with_each_epoch_go_on(tmp_path: Path) -> None:
    lines = [f"Epoch [{epoch}/2], Step [{step}/20], Loss: {epoch}.{step}" for epoch in (1, 2) for step in (10, 20)]
    log = read(tmp_path, "\n".join(lines) + "\n")
    assert [step for step, _ in points(log)["Loss"]] == [10, 20, 30, 40]
    through = [f"Epoch {epoch} step {10 * epoch + step}/60 loss {step}" for epoch in (1, 2, 3) for step in (0, 5)]
    log = read(tmp_path, "\n".join(through) + "\n")
    assert [step for step, _ in points(log)["loss"]] == [10, 15, 20, 25, 30, 35]
    assert log.total_steps == 60


def test_a_bar_of_another_length_than_the_training_is_not_its_progress(tmp_path: Path) -> None:
    bars = "\r 90%|#### | 900/1000 [00:01<00:00, 99.0it/s]\r 10%|#    | 4/40 [00:01<00:09, 4.0it/s]\n"
    log = read(tmp_path, bars + "{'loss': 1.5}\nend\n", total_steps=40)
    assert (log.step, log.total_steps, log.rate) == (4, 40, 4.0)
    assert points(log) == {"loss": [(4, 1.5)]}


def test_a_preset_reads_its_lines_and_the_rest_is_read_as_of_any_trainer(tmp_path: Path) -> None:
    patterns = Console(metrics=r"it (?P<step>\d+) (?P<rest>.*)", prefix="train/", names={"acc": "eval/acc"})
    log = read(tmp_path, "it 10 loss:0.5 lr:0.1\nacc: 0.25\nit 20 loss 0.4, lr 0.1\n", patterns=patterns)
    assert points(log) == {
        "train/loss": [(10, 0.5), (20, 0.4)],
        "train/lr": [(10, 0.1), (20, 0.1)],
        "eval/acc": [(10, 0.25)],
    }
    only = Console(progress=r"done (?P<step>\d+) of (?P<total>\d+)")
    log = read(tmp_path, "done 3 of 9\n 50%|##  | 20/40 [00:01<00:01, 2.0it/s]\nloss: 0.5\n", patterns=only)
    assert (log.step, log.total_steps, points(log)) == (3, 9, {"loss": [(3, 0.5)]})


def test_metrics_from_files_are_neither_replaced_nor_doubled(tmp_path: Path) -> None:
    (tmp_path / "wandb-history.jsonl").write_text('{"_step": 1, "train/loss": 0.5}\n')
    (tmp_path / "log.txt").write_text("step 1/9 loss: 0.4\n")
    follower = follow(tmp_path, log=tmp_path / "log.txt", patterns=Console())
    while follower.poll():
        pass
    assert {name: list(series) for name, series in follower.columns.items()} == {"train/loss": [(1, 0.5)]}
    assert follower.total_steps == 9


def test_names_that_vary_without_end_do_not_fill_the_memory(tmp_path: Path) -> None:
    log = read(tmp_path, "".join(f"step {step} loss_{step}: 0.5\n" for step in range(5 * MAX_NAMES)))
    assert len(log.columns) == MAX_NAMES
    assert log.step == 5 * MAX_NAMES - 1


@pytest.mark.parametrize(
    "piece",
    [
        "a=",
        "a ",
        "a:1 ",
        "1:",
        "1/1 [1:11",
        "1%|",
        "step ",
        "epoch [",
        "'a':",
        "{",
        "[",
        "(a=",
        "━",
        " ",
        "1",
        "e",
        ".",
        '"',
        "│",
    ],
)
def test_a_line_costs_time_in_proportion_to_its_length(piece: str) -> None:
    """A line four times as long takes about four times the work; a pattern that tries every match would take sixteen."""

    def cost(length: int) -> float:
        lines = [head + (piece * length)[:length] + "}" for head in ("", "step 1 ", "{")]
        best = math.inf
        for _ in range(5):
            began = time.process_time()
            for line in lines:
                parse(line)
            best = min(best, time.process_time() - began)
        return best

    assert cost(MAX_LINE - 100) < 11 * cost(MAX_LINE // 4 - 25)
