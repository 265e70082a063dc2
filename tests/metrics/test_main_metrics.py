"""The columns of a table of runs that are not from LeRobot."""

from __future__ import annotations

from array import array

from autoloop.metrics import default_book, main_metrics, summarise
from autoloop.model import Series, Summary


def run(*names: str) -> Summary:
    return summarise({name: Series(array("q", [0, 1]), array("d", [2.0, 1.0])) for name in names}, default_book())


def test_runs_of_the_books_trainer_have_the_books_columns_without_those_that_no_run_has() -> None:
    runs = [run("train/l1_loss", "train/lr"), run("train/l1_loss", "eval/offline_eval/avg_l1")]
    assert main_metrics(runs, default_book()) == (["eval/offline_eval/avg_l1", "train/l1_loss"], [])


def test_foreign_runs_have_their_own_main_metrics_a_held_out_loss_first() -> None:
    runs = [run("epoch", "lr", "acc", "train_loss", "val/loss", "val/accuracy"), run("acc", "loss", "val/loss", "z")]
    columns, others = main_metrics(runs, default_book(), most=4)
    assert columns == ["val/loss", "train/loss", "val/accuracy", "acc"]
    assert others == ["z", "epoch", "lr"]


def test_foreign_runs_beside_the_books_get_columns_too() -> None:
    columns, _ = main_metrics([run("train/l1_loss"), run("test_loss", "top1")], default_book())
    assert columns == ["train/l1_loss", "test_loss", "top1"]


def test_runs_without_a_metric_have_no_columns() -> None:
    assert main_metrics([run()], default_book()) == ([], [])
