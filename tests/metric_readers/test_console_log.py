"""Progress and metrics from a trainer's output."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
from autoloop.metric_readers.console_log import ConsoleLog
from autoloop.model import UserError
from autoloop.trainers import Console, load_preset

LEROBOT = load_preset("lerobot").console
BAR = "Training:  {p}%|██▉       | {n}/{total} [00:00<00:02, {rate}]"
LINE = "INFO 2026-11-22 08:00:41 ot_train.py:435 step:{step} smpl:240 epch:0.80 loss:{loss} grdn:31.298 lr:1.0e-03"


def big(step: int) -> str:
    """Return a number as LeRobot prints it."""
    value = float(step)
    for unit in ("", "K", "M"):
        if abs(value) < 1000:
            return f"{value:.0f}{unit}"
        value /= 1000
    raise AssertionError


def training_log(steps: int, freq: int, start: int = 0, lost: tuple[int, ...] = ()) -> str:
    out = [f"cfg.steps={steps} ({big(steps)})\n", "Start offline training on a fixed dataset\n"]
    total = steps - start
    for step in range(start, steps, 10):
        out.append("\r" + BAR.format(p=0, n=step - start, total=total, rate="33.34step/s"))
        if step % freq == 0 and step > start and step not in lost:
            out.append(LINE.format(step=big(step), loss=step) + "\n")
    out.append("\r" + BAR.format(p=100, n=total, total=total, rate="33.34step/s"))
    out.append(LINE.format(step=big(steps), loss=steps) + "\n")
    out.append(f"INFO Checkpoint policy after step {steps}\nEnd of training\n")
    return "".join(out)


def read(path: Path, log_freq: int | None = None, patterns: Console = LEROBOT) -> ConsoleLog:
    log = ConsoleLog(path, patterns, log_freq)
    for _ in range(1000):
        if not log.poll():
            return log
    raise AssertionError("the reader does not come to an end")


@pytest.mark.parametrize("log_freq", [None, 50])
def test_rounded_steps_are_reckoned_from_the_lines_before(tmp_path: Path, log_freq: int | None) -> None:
    path = tmp_path / "log.txt"
    path.write_text(training_log(2600, 50))
    log = read(path, log_freq)
    loss = log.columns["train/loss"]
    assert list(loss.steps) == list(range(50, 2601, 50))
    assert list(loss.values) == [float(step) for step in loss.steps]
    assert (log.step, log.total_steps, log.rate, log.ended) == (2600, 2600, 33.34, True)


def test_lost_lines_do_not_shift_the_rest_by_more_than_the_rounding(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(training_log(6000, 200, lost=tuple(range(2000, 4000, 200))))
    loss = read(path, 200).columns["train/loss"]
    assert all(abs(step - value) <= 500 for step, value in loss)
    assert list(loss.steps) == sorted(set(loss.steps))


def test_a_resumed_run_starts_where_its_bar_leaves_off(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(training_log(9000, 200, start=5000))
    log = read(path, 200)
    loss = log.columns["train/loss"]
    assert list(loss.steps) == list(range(5200, 9001, 200))
    assert list(loss.values) == [float(step) for step in loss.steps]
    assert log.total_steps == 9000


def test_printed_names_become_those_of_w_and_b_and_nan_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(
        "x step:20 smpl:1K loss:nan grdn:inf lr:1.0e-03 data_s:0.019 smp/s:812 ot_loss:0.5 word:abc\n"
        "INFO step 200: eval_loss=0.1234\n"
    )
    columns = read(path).columns
    assert {key: series.values[0] for key, series in columns.items() if key != "train/loss"} == {
        "train/samples": 1000.0,
        "train/grad_norm": math.inf,
        "train/lr": 0.001,
        "train/dataloading_s": 0.019,
        "train/samples_per_s": 812.0,
        "train/ot_loss": 0.5,
        "eval/eval_loss": 0.1234,
    }
    assert math.isnan(columns["train/loss"].values[0])
    assert list(columns["train/loss"].steps) == [20]
    assert list(columns["eval/eval_loss"].steps) == [200]


def test_progress_is_known_before_the_line_of_the_bar_ends(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    bars = ["Training:   0%|   | 0/80 [00:00<?, ?step/s]", "Training:   5%|▏  | 4/80 [00:12<03:30,  2.77s/step]"]
    path.write_text("\r" + "\r".join(bars) + "\r")
    log = read(path)
    assert (log.step, log.total_steps, log.ended) == (4, 80, False)
    assert log.rate == pytest.approx(1 / 2.77)


def test_other_bars_are_not_the_progress(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    bars = ["Fetching:  90%|███| 900/1000 [00:00<00:00, 99it/s]", "Training:  50%|██ | 10/20 [00:00<00:01, 9step/s]"]
    path.write_text("\n".join(bars) + "\n")
    log = read(path)
    assert (log.step, log.total_steps) == (10, 20)


def test_a_real_bar_with_log_lines_glued_to_it_is_read(tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    script = """
import logging, sys
from tqdm import tqdm
logging.basicConfig(level=logging.INFO, format="%(levelname)s 2026 train.py:1 %(message)s")
logging.info("cfg.steps=300 (300)")
bar = tqdm(total=300, desc="Training", unit="step", mininterval=0)
for step in range(1, 301):
    bar.update()
    if step % 50 == 0:
        logging.info("step:%d smpl:%d loss:%.3f grdn:1.000", step, step * 8, 1 / step)
bar.close()
logging.info("End of training")
"""
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        subprocess.run([sys.executable, "-c", script], stderr=file, check=True)
    assert b"]INFO" in path.read_bytes(), "the log lines are glued to the bar"
    log = read(path)
    assert list(log.columns["train/loss"].steps) == [50, 100, 150, 200, 250, 300]
    assert (log.step, log.total_steps, log.ended) == (300, 300, True)


def test_growing_in_random_pieces_gives_the_same(tmp_path: Path) -> None:
    data = training_log(1500, 50).encode()
    whole = tmp_path / "whole.txt"
    whole.write_bytes(data)
    expected = read(whole).columns
    rng = random.Random(1)
    path = tmp_path / "log.txt"
    log = ConsoleLog(path, LEROBOT)
    at = 0
    while at < len(data):
        piece = rng.randrange(1, 300)
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        log.poll()
    assert log.columns == expected


def test_other_trainers_are_described_by_their_own_patterns(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("it 30 of 90\n[30] acc:0.5\nDONE\n")
    patterns = Console(progress=r"it (?P<step>\d+) of (?P<total>\d+)", metrics=r"\[(?P<step>\d+)\] (?P<rest>.*)", end="DONE")
    log = read(path, patterns=patterns)
    assert list(log.columns["acc"]) == [(30, 0.5)]
    assert (log.step, log.total_steps, log.rate, log.ended) == (90, 90, None, True)


@pytest.mark.parametrize(("pattern", "said"), [("(", "not a usable regular expression"), ("x", "lacks the group")])
def test_a_bad_pattern_is_one_clear_sentence(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(UserError, match=f"console pattern `progress` .*{said}"):
        ConsoleLog(tmp_path / "log.txt", Console(progress=pattern))


@pytest.mark.parametrize("files", [150, pytest.param(2000, marks=pytest.mark.faults)])
def test_any_bytes_are_read_without_an_exception(tmp_path: Path, files: int) -> None:
    path = tmp_path / "log.txt"
    rng = random.Random(9)
    data = training_log(300, 50).encode()
    for _ in range(files):
        out = bytearray(data)
        for _ in range(rng.randrange(1, 40)):
            at = rng.randrange(len(out))
            out[at : at + rng.randrange(4)] = rng.choice((rng.randbytes(3), b"9" * 30, b"K", b"e999", b"\r", b":"))
        path.write_bytes(out)
        log = read(path)
        assert all(len(series.steps) == len(series.values) for series in log.columns.values())
    path.write_bytes(b"step:" * 300_000 + b"\n" + b"1" * 500_000 + b"\nstep:" + b"9" * 500_000 + b" a:1\n")
    read(path)
