"""Optuna's proposals from the runs so far: within the space, never repeated, and deterministic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from autoloop.model import Axis, Sampler, Search
from autoloop.search import Answer, EvaluatedConfig, How, Question, reason
from autoloop.search.process import SearchError, SearchProcess
from autoloop.search.sampling import answer

from tests.support.packages import needs

pytestmark = needs("optuna")

LR = Axis(path="optimizer.lr", low=1e-5, high=1e-1, log=True)
REG = Axis(path="reg", low=0.0, high=1.0)
LAYERS = Axis(path="model.layers", low=2, high=8, step=2, whole=True)
BATCH = Axis(path="batch_size", values=[64, 16, 32])
NAME = Axis(path="optimizer.name", values=["adam", ["sgd"]])


def sampler_of(name: Sampler) -> Search:
    for package in {Sampler.GP: ("scipy", "torch"), Sampler.QMC: ("scipy",), Sampler.TPE: ()}[name]:
        module = pytest.importorskip(package, reason="Optuna's sampler needs it")
        if package == "torch":
            module.set_num_threads(1)  # as in the process of a search; more threads slow each other down
    return Search(sampler=name)


def question(*axes: Axis, sampler: Sampler = Sampler.TPE, tried: Any = (), **more: Any) -> Question:
    search = Search(sampler=sampler_of(sampler).sampler, axes=list(axes))
    return Question(**{"search": search, "good": "low", "seed": 3, "count": 3, "tried": list(tried), **more})


def bowl(point: list[Any]) -> float:
    return float((point[0] - 0.3) ** 2)


def run(points: list[list[Any]], name: str = "r") -> list[EvaluatedConfig]:
    return [
        EvaluatedConfig(point=point, name=f"{name}{number}", values=[bowl(point)]) for number, point in enumerate(points)
    ]


FEW = run([[0.9], [0.1]])
MANY = run([[0.05 * number] for number in range(1, 20)])


@pytest.mark.parametrize("sampler", list(Sampler))
@pytest.mark.parametrize("tried", [FEW, MANY], ids=["few", "many"])
def test_points_lie_in_the_space_and_none_is_proposed_twice(sampler: Sampler, tried: list[EvaluatedConfig]) -> None:
    found = answer(question(REG, sampler=sampler, tried=tried, taken=[[0.5]]))
    points = [each.point[0] for each in found.proposed]
    assert len({*points, 0.5, *(each.point[0] for each in tried)}) == 3 + 1 + len({each.point[0] for each in tried} - {0.5})
    assert all(0.0 <= point <= 1.0 for point in points)
    assert found.left is None
    few = How.SPREAD if sampler is Sampler.QMC else How.RANDOM
    many = How.SPREAD if sampler is Sampler.QMC else How.MODEL
    assert {each.how for each in found.proposed} <= {few if tried is FEW else many, How.LEFT}


@pytest.mark.parametrize("sampler", list(Sampler))
def test_the_same_question_has_the_same_answer(sampler: Sampler) -> None:
    asked = question(REG, LR, sampler=sampler, tried=[EvaluatedConfig(point=[0.5, 1e-3], name="a", values=[1.0])])
    assert answer(asked) == SearchProcess().ask(asked)


@pytest.mark.parametrize("sampler", list(Sampler))
def test_a_space_that_can_be_counted_is_searched_to_its_end(sampler: Sampler) -> None:
    tried = [EvaluatedConfig(point=[64, ["sgd"], 2], name="a", values=[1.0])]
    found = answer(question(BATCH, NAME, LAYERS, sampler=sampler, tried=tried, taken=[[16, "adam", 8]], count=99))
    points = {json.dumps(each.point) for each in found.proposed}
    assert len(points) == len(found.proposed) == 3 * 2 * 4 - 2
    assert found.left == 0
    assert answer(question(BATCH, NAME, LAYERS, sampler=sampler, tried=tried, count=5)).left == 3 * 2 * 4 - 1 - 5


@pytest.mark.parametrize("sampler", [Sampler.TPE, Sampler.GP])
@pytest.mark.parametrize("good", ["low", "high"])
def test_a_model_prefers_what_has_been_good(sampler: Sampler, good: str) -> None:
    sign = 1 if good == "low" else -1
    tried = [EvaluatedConfig(point=each.point, name=each.name, values=[sign * each.value]) for each in MANY]
    found = answer(question(REG, sampler=sampler, tried=tried, good=good, count=1))
    assert abs(found.proposed[0].point[0] - 0.3) < 0.2


def test_a_config_that_failed_is_avoided() -> None:
    failed = [EvaluatedConfig(point=[0.6 + 0.02 * number], name="f", failed=True) for number in range(20)]
    level = [EvaluatedConfig(point=[0.05 * number], name="a", values=[1.0 + 0.01 * number]) for number in range(10)]
    found = answer(question(REG, tried=[*level, *failed], count=1))
    assert found.proposed[0].point[0] < 0.5


def test_values_are_rounded_to_what_people_write() -> None:
    for each in answer(question(LR, REG, LAYERS, count=20)).proposed:
        assert len(f"{each.point[0]:e}".rstrip("0").split("e")[0].rstrip("0")) <= 4
        assert round(each.point[1], 2) == each.point[1]
        assert each.point[2] in (2, 4, 6, 8)
        assert isinstance(each.point[2], int)


def test_a_reason_names_the_data_and_the_best_so_far() -> None:
    tried = [
        EvaluatedConfig(point=[0.5, 1e-3], name="base", values=[2.0, 4.0]),
        EvaluatedConfig(point=[0.25, 1e-3], name="better", values=[1.0]),
        EvaluatedConfig(point=[0.1, 1e-4], name="bad", failed=True),
    ]
    asked = question(REG, LR, tried=tried, count=1)
    (first,) = answer(asked).proposed
    said = reason(asked, first, "val/loss")
    assert said.startswith("TPE, from 3 runs of 2 configs: at random, because these are too few for a model")
    assert said.endswith("best so far: better (val/loss 1, reg 0.25, lr 0.001)")


def test_a_process_that_takes_too_long_is_ended() -> None:
    with pytest.raises(SearchError, match=r"took longer than 0.001 s and was killed"):
        SearchProcess(patience=0.001).ask(question(REG))


def test_what_optuna_refuses_is_told_by_its_last_line() -> None:
    upside_down = Axis(path="a", low=1.0, high=0.0)
    with pytest.raises(SearchError, match=r"ended its process \(exit code 1\); its last line: ValueError"):
        SearchProcess().ask(question(upside_down))


def test_a_question_that_is_dropped_is_not_asked() -> None:
    process = SearchProcess()
    process.drop()
    with pytest.raises(SearchError, match="no longer needed"):
        process.ask(question(REG))


def test_an_answer_survives_its_way() -> None:
    found = SearchProcess().ask(question(NAME, tried=[EvaluatedConfig(point=["adam"], name="a", values=[1.0])]))
    assert isinstance(found, Answer)
    assert [each.point for each in found.proposed] == [[["sgd"]]]
