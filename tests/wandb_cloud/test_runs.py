"""Reading a W&B project: every row, by pages, and no wait without an end."""

from __future__ import annotations

import math
import os
import threading
import time

import pytest
from autoloop.model import UserError
from autoloop.wandb_cloud import graphql
from autoloop.wandb_cloud.gather import gather
from autoloop.wandb_cloud.graphql import GraphQL
from autoloop.wandb_cloud.runs import Project

from tests.support.waiting import PATIENCE
from tests.wandb_cloud.stand_in import KEY, StandIn, StandInRun


def reached(service: StandIn, seconds: float = 60.0) -> Project:
    return Project(GraphQL(os.environ, time.monotonic() + seconds), "e", "p")


def rows(count: int, every: int = 1) -> list[dict[str, float]]:
    return [{"_step": step * every, "_timestamp": 1.0, "loss": float(step)} for step in range(count)]


@pytest.mark.parametrize(("count", "every"), [(0, 1), (1, 1), (999, 50), (1000, 50), (2500, 1), (2500, 50)])
def test_every_row_of_a_run_is_read(service: StandIn, count: int, every: int) -> None:
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(count, every))}
    project = reached(service)
    loss = project.history(project.run("r")).series.get("loss")
    assert list(loss or []) == [(step * every, float(step)) for step in range(count)]
    pages = sum(name == "HistoryPage" for name, _ in service.asked)
    assert pages <= 1 + 3 * count // 1000


def test_rows_that_crowd_in_a_few_steps_are_read_all_the_same(service: StandIn) -> None:
    """Half of them in one hundredth of the steps: the page that is full is asked for again in parts."""
    crowded = rows(3000) + [{"_step": step, "loss": float(step)} for step in range(30_000, 300_000, 90)]
    service.projects["e", "p"] = {"r": StandInRun(rows=crowded)}
    project = reached(service)
    loss = project.history(project.run("r")).series["loss"]
    assert list(loss.steps) == [row["_step"] for row in crowded]


def test_a_limit_of_rows_is_one_request(service: StandIn) -> None:
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(2500))}
    project = reached(service)
    assert len(project.history(project.run("r"), limit=100).series["loss"]) == 100
    assert [name for name, _ in service.asked] == ["Run", "HistoryPage"]


def test_numbers_that_json_has_no_word_for_are_read(service: StandIn) -> None:
    service.projects["e", "p"] = {"r": StandInRun(rows=[{"_step": 0, "a": "NaN", "b": "-Infinity", "c": {"d": 1}}])}
    project = reached(service)
    series = project.history(project.run("r")).series
    assert math.isnan(series["a"].values[0])
    assert series["b"].values[0] == -math.inf
    assert series["c.d"].values[0] == 1


def test_runs_are_listed_over_pages_and_narrowed_by_group_and_tags(service: StandIn) -> None:
    service.projects["e", "p"] = {
        f"r{index}": StandInRun(group=f"loop_1 round {index % 2}", tags=["ot", "low"] if index % 3 else ["ot"])
        for index in range(250)
    }
    project = reached(service)
    assert [run.id for run in project.runs(120)] == [f"r{index}" for index in range(120)]
    assert len(project.runs(1000)) == 250
    narrowed = [run.id for run in project.runs(1000, group="round 1", tags=["ot", "low"])]
    assert narrowed == [f"r{index}" for index in range(250) if index % 2 and index % 3]


def test_a_run_is_found_by_its_name_where_only_one_has_it(service: StandIn) -> None:
    service.projects["e", "p"] = {"a": StandInRun("one"), "b": StandInRun("two"), "c": StandInRun("two")}
    project = reached(service)
    assert project.run("one").listed.id == "a"
    with pytest.raises(UserError, match=r"several runs called 'two' \(b, c"):
        project.run("two")
    with pytest.raises(UserError, match="has no run 'three'"):
        project.run("three")


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("cut", "ended the connection in the middle of its answer"),
        (503, "has trouble of its own"),
        (b"<html>hello</html>", "did not answer as W&B does"),
        (b"[]", "did not answer as W&B does"),
    ],
)
def test_trouble_on_the_way_is_tried_again_and_then_said(
    service: StandIn, trouble: str | int | bytes, sentence: str
) -> None:
    service.projects["e", "p"] = {"r": StandInRun()}
    service.trouble = lambda _: trouble
    with pytest.raises(UserError, match=sentence):
        reached(service).run("r")
    assert len(service.asked) == graphql.ATTEMPTS


def test_a_connection_that_breaks_once_is_no_failure(service: StandIn) -> None:
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(10))}
    service.trouble = lambda name: "cut" if name == "HistoryPage" and len(service.asked) == 2 else None
    project = reached(service)
    assert len(project.history(project.run("r")).series["loss"]) == 10


@pytest.mark.parametrize(("status", "sentence"), [(403, "no access"), (404, "HTTP 404"), (302, "HTTP 302")])
def test_a_refusal_is_not_asked_again_and_a_redirect_not_followed(service: StandIn, status: int, sentence: str) -> None:
    service.trouble = lambda _: status
    with pytest.raises(UserError, match=sentence):
        reached(service).run("r")
    assert len(service.asked) == 1


def test_what_the_service_complains_about_is_passed_on_without_the_key(service: StandIn) -> None:
    service.projects["e", "p"] = {}
    service.trouble = lambda _: b'{"errors": [{"message": "not for ' + KEY.encode() + b'\\nreally"}], "data": null}'
    with pytest.raises(UserError, match="says: not for … really"):
        reached(service).run("r")


def test_a_service_that_never_answers_is_given_up(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphql, "REQUEST_TIMEOUT", 0.2)
    service.projects["e", "p"] = {"r": StandInRun()}
    service.trouble = lambda _: "silent"
    with pytest.raises(UserError, match="did not answer within"):
        reached(service).run("r")


@pytest.mark.parametrize("trouble", ["silent", "drip"])
def test_nothing_is_waited_for_beyond_the_deadline(service: StandIn, trouble: str) -> None:
    """Also an answer that comes a byte at a time, which no time-out of the socket notices."""
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(500))}
    service.trouble = lambda _: trouble
    deadline = time.monotonic() + 0.5
    project = Project(GraphQL(os.environ, deadline + 60), "e", "p")
    with pytest.raises(UserError, match="took too long"):
        list(gather(project.run, ["r"], deadline=deadline))


def test_work_is_gathered_from_threads_and_the_first_failure_is_raised() -> None:
    together = threading.Barrier(3, timeout=PATIENCE)

    def meet(item: int) -> int:
        together.wait()
        return item * 2

    deadline = time.monotonic() + PATIENCE
    assert dict(gather(meet, [1, 2, 3], deadline=deadline, workers=3)) == {0: 2, 1: 4, 2: 6}
    assert list(gather(str, [None], deadline=deadline)) == [(0, "None")]
    with pytest.raises(ZeroDivisionError):
        list(gather(lambda item: 1 // item, [0, 0], deadline=deadline))
