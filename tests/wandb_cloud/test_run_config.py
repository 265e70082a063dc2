"""A config stored by W&B is converted to the one that the trainer accepts."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.configs import default_fields
from autoloop.model import UserError
from autoloop.wandb_cloud.run_config import file_name, trainer_config


def converted(raw: dict[str, Any], like: dict[str, Any] | None = None) -> dict[str, Any]:
    return trainer_config(raw, default_fields(), like)


def test_wrappers_and_own_keys_go_and_dotted_keys_are_nested() -> None:
    raw = {
        "_wandb": {"value": {"t": 1}},
        "batch_size": {"value": 8.0, "desc": None},
        "ot.loss_config.reg": {"value": 0.1},
        "ot": {"value": {"lambda_ot": 0.1}},
        "plain": 3,
    }
    assert converted(raw) == {
        "batch_size": 8,
        "ot": {"loss_config": {"reg": 0.1}, "lambda_ot": 0.1},
        "plain": 3,
    }
    assert type(converted(raw)["batch_size"]) is int


def test_names_further_in_are_left_as_they_are() -> None:
    """LeRobot's features have dots in their names, and a setting may be named `value` or start with `_`."""
    inner = {"input_features": {"observation.state": {"shape": [8]}}, "_target_": "x", "scale": {"value": 2, "unit": "m"}}
    assert converted({"policy": {"value": inner}}) == {"policy": inner}


def test_numbers_get_the_types_of_a_reference() -> None:
    values = {"kl_weight": 10, "my_count": 3.0, "flag": True, "features": [{"w": 0}, {"w": 1}]}
    raw = {key: {"value": value} for key, value in values.items()}
    like = {"kl_weight": 10.0, "my_count": 5, "flag": 1.0, "features": [{"w": 0.5}]}
    config = converted(raw, like)
    assert repr(config) == "{'kl_weight': 10.0, 'my_count': 3, 'flag': True, 'features': [{'w': 0.0}, {'w': 1.0}]}"


@pytest.mark.parametrize("raw", [{"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}])
def test_two_keys_for_one_place_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="fix it by hand"):
        converted(raw)


@pytest.mark.parametrize("run_id", ["../../etc/passwd", "a/b", "..", "", "x" * 500, "a\nb", "\x00", "空"])
def test_no_id_leads_out_of_the_folder(run_id: str) -> None:
    name = file_name(run_id)
    assert "/" not in name
    assert name.startswith("fromwandb_")
    assert name.isprintable()
    assert len(name) < 130
