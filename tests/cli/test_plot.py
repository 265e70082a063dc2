"""`plot`: curves of real runs in a terminal and in a pipe, and errors."""

from __future__ import annotations

import pytest

from tests.cli.conftest import TRAIN
from tests.cli.project import CommandProject


def test_runs_are_drawn_with_a_letter_each_and_their_last_values_in_a_pipe(trained: CommandProject) -> None:
    said = trained.call("plot", "--metric", "l1_loss")
    assert (said.returncode, said.stderr) == (0, "")
    title, *lines = said.stdout.splitlines()
    assert title == "l1_loss"
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in said.stdout
    legend = [line for line in lines if "at step" in line]
    assert [line.split()[:2] for line in legend] == [["a", "a"], ["b", "b"]]
    drawn = "\n".join(line for line in lines if line not in legend)
    assert "a" in drawn or "b" in drawn  # equal curves hide each other
    assert "┤" in drawn


def test_without_a_name_the_newest_round_and_its_key_metric_are_drawn(trained: CommandProject) -> None:
    said = trained.call("plot")
    assert said.returncode == 0
    assert [line.split()[1] for line in said.stdout.splitlines() if "at step" in line] == ["a", "b"]


def test_one_run_and_several_metrics_give_a_chart_each(trained: CommandProject) -> None:
    said = trained.call("plot", "b", "--metric", "train/l1_loss", "grad_norm", "--log")
    assert said.returncode == 0
    lines = said.stdout.splitlines()
    assert [line for line in lines if "log₁₀" in line] == ["l1_loss, log₁₀", "grad_norm, log₁₀"]
    assert sum("at step" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("c",), 'has no run "c"'),
        (("--metric", "l1_los"), "logged no metric l1_los; did you mean l1_loss?"),
    ],
)
def test_a_slip_is_one_sentence(trained: CommandProject, args: tuple[str, ...], why: str) -> None:
    said = trained.call("plot", *args)
    assert (said.returncode, said.stdout) == (2, "")
    assert why in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1


def test_runs_that_have_not_started_are_said_to_have_nothing(project: CommandProject) -> None:
    project.config("a")
    project.config("b", seed=2)
    assert project.call(*TRAIN, "--max-runs", "1").returncode != 0
    assert project.call("plot", "a").returncode == 0
    said = project.call("plot", "b")
    assert said.returncode == 2
    assert "logged no readable metric" in said.stderr
