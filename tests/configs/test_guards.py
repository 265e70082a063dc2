"""Guards: what is dropped, what is refused, and the wording."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from autoloop.configs import apply, config_hash, edits_with_effect
from autoloop.model import Actor, Change
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest

BASE: dict[str, Any] = {
    "batch_size": 8,
    "use_policy_training_preset": True,
    "policy": {"type": "act", "optimizer_lr": 1e-3},
    "optimizer": {"type": "adamw", "lr": 1e-3},
    "ot": {
        "lambda_ot": 0.1,
        "loss_config": {
            "reg": 0.1,
            "features": [
                {"key": "side", "use_learned_embed": True, "weight_label": 0.01},
                {"key": "action", "use_learned_embed": False, "weight_label": 0.02},
            ],
        },
    },
}


def guarded(
    *texts: str, base: dict[str, Any] = BASE, by_rule: bool = True, ran: dict[str, str] | None = None
) -> CheckedVariant:
    request = VariantRequest(author=Actor.rule("r") if by_rule else Actor.person("ada"), reason="", edits=list(texts))
    return check(base, request, VariantPolicy(duplicate=(ran or {}).get))


def test_a_good_variant_passes_with_its_config_and_hash() -> None:
    result = guarded("ot.loss_config.reg@mul=2", "batch_size@add=4")
    assert result.blocked is None
    assert result.notes == []
    assert [c.path for c in result.changes] == ["ot.loss_config.reg", "batch_size"]
    assert result.config == apply(BASE, result.changes)
    assert result.hash == config_hash(result.config)


@pytest.mark.parametrize("edit", ["ot.loss_config.features.*.weight_label=0", "ot.loss_config.features.1.weight_label=0.0"])
def test_a_feature_with_embedding_off_and_label_zero_is_blocked_by_name(edit: str) -> None:
    blocked = guarded(edit).blocked
    assert blocked is not None
    assert blocked.startswith("Feature 1 (action) would have both its learned embedding off and its label weight 0")
    assert "Feature 0" not in blocked


def test_features_may_be_a_block_by_name() -> None:
    base = copy.deepcopy(BASE)
    base["ot"]["loss_config"]["features"] = {"action": {"use_learned_embed": True, "weight_label": 0}}
    assert guarded("ot.loss_config.reg=1", base=base).blocked is None
    assert "Feature action would" in (
        guarded("ot.loss_config.features.action.use_learned_embed=false", base=base).blocked or ""
    )


def test_a_base_that_is_already_disabled_is_blocked_and_blamed_and_can_be_repaired() -> None:
    base = copy.deepcopy(BASE)
    base["ot"]["loss_config"]["features"][1]["weight_label"] = 0
    assert "The base config already has this fault" in (guarded("ot.loss_config.reg=1", base=base).blocked or "")
    assert guarded("ot.loss_config.features.1.weight_label=0.01", base=base).blocked is None


def test_a_rule_may_not_lower_lambda_under_the_floor_but_a_person_may() -> None:
    result = guarded("ot.lambda_ot@add=-0.09")
    assert result.blocked == "ot.lambda_ot would fall from 0.1 to 0.01, under 0.02; no rule may go below that."
    assert guarded("ot.lambda_ot@add=-0.09", by_rule=False).blocked is None
    assert guarded("ot.lambda_ot@add=-0.08").blocked is None


def test_lambda_under_the_floor_that_a_rule_raises_or_leaves_is_no_fault_of_it() -> None:
    base = copy.deepcopy(BASE)
    base["ot"]["lambda_ot"] = 0.001
    assert guarded("ot.lambda_ot@mul=2", base=base).blocked is None
    assert guarded("batch_size=16", base=base).blocked is None


def test_an_edit_to_the_same_value_is_dropped_with_a_note() -> None:
    result = guarded("batch_size=8.0", "ot.lambda_ot@max=0.02", "ot.loss_config.reg=0.2")
    assert [c.path for c in result.changes] == ["ot.loss_config.reg"]
    assert result.notes == [
        "batch_size already has this value (8); dropped.",
        "ot.lambda_ot already has this value (0.1); dropped.",
    ]


def test_an_optimizer_edit_that_the_preset_replaces_is_dropped_and_names_the_one_that_counts() -> None:
    result = guarded("optimizer.lr@mul=1.4", "policy.optimizer_lr@mul=1.4", "scheduler.warmup=5")
    assert [c.path for c in result.changes] == ["policy.optimizer_lr"]
    assert "scheduler" not in result.config
    assert result.notes == [
        "optimizer.lr has no effect, because the policy's preset replaces the optimizer "
        "(policy.optimizer_lr is used instead); dropped.",
        "scheduler.warmup has no effect, because the policy's preset replaces the scheduler (set "
        "use_policy_training_preset to false to use it); dropped.",
    ]


def test_the_preset_replaces_the_optimizer_by_default_and_not_where_it_is_off_or_there_is_no_policy() -> None:
    for change, counts in (
        ({"use_policy_training_preset": False}, True),
        ({"use_policy_training_preset": None}, False),
        ({"policy": None}, True),
    ):
        assert bool(guarded("optimizer.lr=5", base={**BASE, **change}).changes) == counts
    without = {key: value for key, value in BASE.items() if key != "use_policy_training_preset"}
    assert not guarded("optimizer.lr=5", base=without).changes
    switched = guarded("use_policy_training_preset=false", "optimizer.lr=5")
    assert len(switched.changes) == 2


def test_a_proposal_with_no_edit_left_is_blocked() -> None:
    one = guarded("optimizer.lr@mul=1.4", ran={config_hash(BASE): "its base"})
    assert one.changes == []
    assert one.config == BASE
    assert one.blocked is not None
    assert one.blocked.startswith("There is no edit left that changes the training (optimizer.lr has no effect")
    assert "already been run" not in one.blocked
    assert guarded("batch_size=8", "ot.lambda_ot=0.1").blocked == "There is no edit left that changes the training."
    assert guarded().blocked == "There is no edit left that changes the training."
    assert "matches nothing: there is no rate in optimizer" in (guarded("optimizer.rate@mul=2").blocked or "")


def test_a_config_that_has_been_run_is_blocked_with_where() -> None:
    twin = copy.deepcopy(BASE)
    twin["batch_size"] = 16.0
    twin["job_name"] = "another name"
    blocked = guarded("batch_size@mul=2", ran={config_hash(twin): "run ab12cd34 of loop_1700000000"}).blocked
    assert blocked == "This config has already been run: run ab12cd34 of loop_1700000000."


def test_every_reason_is_told() -> None:
    hash_of_result = guarded("ot.lambda_ot=0.01", "ot.loss_config.features.1.weight_label=0").hash
    result = guarded("ot.lambda_ot=0.01", "ot.loss_config.features.1.weight_label=0", ran={hash_of_result: "run x"})
    assert result.blocked is not None
    for words in ("Feature 1", "under 0.02", "run x"):
        assert words in result.blocked


def test_setting_null_where_the_key_is_missing_is_an_effect() -> None:
    change = Change(path="policy.temporal", before=None, after=None, created=True)
    assert edits_with_effect(BASE, [change]) == ([change], [])


def test_blocks_of_any_shape_do_not_break_the_guards() -> None:
    odd: Any
    for odd in (
        None,
        3,
        [],
        {"loss_config": None},
        {"loss_config": {"features": 3}, "lambda_ot": "x"},
        {"lambda_ot": True},
    ):
        assert guarded("batch_size=9", base={**BASE, "ot": odd}).blocked is None
