"""Reading a W&B project with the official client: every row, one sentence for each problem, and no endless wait."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from autoloop.model import UserError
from autoloop.wandb_cloud import client
from autoloop.wandb_cloud.client import CloudRun, Project

from tests.support.waiting import PATIENCE
from tests.wandb_cloud.stand_in import KEY, StandIn, StandInRun


def project(seconds: float = PATIENCE) -> Project:
    return Project(os.environ, time.monotonic() + seconds, "e", "p")


def everything(limit: int | None = None, group: str = "", tags: tuple[str, ...] = (), most: int = 1000) -> list[CloudRun]:
    listed, found = project().runs(most, group=group, tags=tags, limit=limit)
    runs = list(found)
    assert len(runs) == listed
    return runs


def rows(count: int, every: int = 1) -> list[dict[str, Any]]:
    return [{"_step": step * every, "_timestamp": 1.0, "loss": float(step)} for step in range(count)]


def below() -> set[psutil.Process]:
    """Return the processes started by this one that have not ended."""
    return {each for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
def nothing_left_over() -> Iterator[None]:
    """Assert that a test leaves no new processes behind."""
    before = below()
    yield
    assert below() <= before


def test_without_the_client_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    with pytest.raises(UserError, match=r"^W&B's client is not installed; pip install 'autoloop-tui\[wandb\]' brings it\.$"):
        project()


@pytest.mark.usefixtures("nothing_left_over")
def test_every_row_of_every_run_is_read(service: StandIn) -> None:
    crowded: list[dict[str, Any]] = rows(1500) + [
        {"_step": step, "loss": float(step)} for step in range(30_000, 300_000, 270)
    ]
    odd = [{"_step": 0, "a": "NaN", "b": "-Infinity", "c": {"d": 1}, "word": "x"}]
    logged: dict[str, list[dict[str, Any]]] = {
        "none": [],
        "one": rows(1),
        "many": rows(2500, 50),
        "crowded": crowded,
        "odd": odd,
    }
    service.projects["e", "p"] = {name: StandInRun(name, rows=each) for name, each in logged.items()}
    found = {run.id: run.columns for run in everything()}
    for name in ("one", "many", "crowded"):
        assert list(found[name]["loss"]) == [(row["_step"], row["loss"]) for row in logged[name]]
    assert found["none"] == {}
    assert set(found["odd"]) == {"a", "b", "c.d"}
    assert math.isnan(found["odd"]["a"].values[0])
    assert found["odd"]["b"].values[0] == -math.inf


def test_the_steps_of_an_online_run_are_its_trainers_own(service: StandIn) -> None:
    counted = [{"_step": row, "train/global_step": 20 * row, "loss": float(row)} for row in range(4)]
    service.projects["e", "p"] = {"r": StandInRun("r", rows=counted)}
    (run,) = everything()
    assert {name: list(series.steps) for name, series in run.columns.items()} == {"loss": [0, 20, 40, 60]}


def test_runs_are_listed_over_pages_and_narrowed_by_group_and_tags_and_rows_by_a_limit(service: StandIn) -> None:
    service.projects["e", "p"] = {
        f"r{index}": StandInRun(group=f"loop_1 round {index % 2}", tags=["ot", "low"] if index % 40 == 1 else ["ot"])
        for index in range(250)
    }
    service.projects["e", "p"]["r41"].rows = rows(2500)
    found = everything(limit=100, group="round 1", tags=("ot", "low"))
    assert [run.id for run in found] == [f"r{index}" for index in range(1, 250, 40)]
    assert len(found[1].columns["loss"].steps) == 100
    assert [run.id for run in everything(most=3)] == ["r0", "r1", "r2"]


def test_a_run_is_found_by_its_id_or_by_a_name_that_only_one_has(service: StandIn) -> None:
    config = {"lr": {"value": 1.5}, "_wandb": {"value": {}}, "a.b": {"value": {"value": 3}}}
    service.projects["e", "p"] = {"a": StandInRun("one/of"), "b": StandInRun("two", config=config), "c": StandInRun("two")}
    found = list(project().named(["b", "one/of"]))
    assert [(run.id, run.name) for run in found] == [("b", "two"), ("a", "one/of")]
    assert found[0].config == {"lr": {"value": 1.5}, "a.b": {"value": {"value": 3}}}
    with pytest.raises(UserError, match=r"several runs of that name \(b, c"):
        list(project().named(["two"]))
    with pytest.raises(UserError, match='has no run "three"'):
        list(project().named(["three"]))


def after_the_key(trouble: str | int | bytes, service: StandIn) -> None:
    """Accept the key, and let all other queries fail like this."""
    service.trouble = lambda name: None if name == "Viewer" else trouble


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("cut", "EOF"), (503, "503"), (b"<html>hello</html>", "gave an invalid answer"), (403, "403")],
)
@pytest.mark.usefixtures("nothing_left_over")
def test_trouble_on_the_way_is_said_after_few_tries(service: StandIn, trouble: str | int | bytes, said: str) -> None:
    service.projects["e", "p"] = {"r": StandInRun()}
    after_the_key(trouble, service)
    with pytest.raises(UserError, match=said) as caught:
        everything()
    assert "\n" not in str(caught.value)
    asked = [name for name, _ in service.asked if name != "Viewer"]
    assert 1 <= len(asked) <= 1 + client.RETRIES


def test_what_the_service_complains_about_is_passed_on_without_the_key(service: StandIn) -> None:
    after_the_key(b'{"errors": [{"message": "not for ' + KEY.encode() + b'"}], "data": null}', service)
    with pytest.raises(UserError) as caught:
        everything()
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trouble", ["silent", "drip"])
@pytest.mark.usefixtures("nothing_left_over")
def test_nothing_is_waited_for_beyond_the_deadline_and_nothing_stays(service: StandIn, trouble: str) -> None:
    """Including an answer that comes byte by byte, which no socket time-out detects."""
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(500))}
    after_the_key(trouble, service)
    with pytest.raises(UserError, match="took too long"):
        project(seconds=8.0).runs(5)


@pytest.mark.parametrize(("bound", "said"), [("MAX_ANSWER", "answered with more than"), ("MAX_MEMORY", "needs more than")])
@pytest.mark.usefixtures("nothing_left_over")
def test_an_answer_without_end_does_not_fill_the_memory(
    service: StandIn, monkeypatch: pytest.MonkeyPatch, bound: str, said: str
) -> None:
    monkeypatch.setattr(client, bound, 1000)
    monkeypatch.setattr(client, "LOOK_EVERY", 0.05)
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(500))}
    with pytest.raises(UserError, match=said):
        everything()


def test_the_clients_files_are_removed(service: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    service.projects["e", "p"] = {"r": StandInRun(rows=rows(5))}
    listed, runs = Project(environment, time.monotonic() + PATIENCE, "e", "p").runs(5)
    assert listed == len(list(runs)) == 1
    assert not [path for path in home.rglob("*") if path.is_file() and "autoloop" in str(path)]
