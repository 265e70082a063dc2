"""Edits that calculate, and integer fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from autoloop.configs import (
    default_fields,
    parse_edits,
    resolve,
)

from tests.configs.edited import after, refused, resolved


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ot.loss_config.reg@mul=1.5", 0.15),
        ("ot.lambda_ot@add=-0.05", 0.05),
        ("ot.loss_config.reg@add=0.2", 0.3),
        ("ot.lambda_ot@max=0.02", 0.1),
        ("ot.lambda_ot@max=0.2", 0.2),
        ("ot.lambda_ot@min=0.02", 0.02),
        ("ot.window_size@max=20", 20),
        ("ot.window_size@min=20", 10),
        ("policy.kl_weight@mul=0.75", 7.5),
        ("policy.kl_weight@mul=2.0", 20),
        ("batch_size@add=4", 12),
        ("batch_size@mul=1.5", 12),
        ("batch_size=16.0", 16),
    ],
)
def test_arithmetic_is_as_on_paper_and_ints_stay_ints(text: str, value: float) -> None:
    result = after(text)
    assert result == value
    assert type(result) is type(value)


def test_a_denormal_and_a_huge_number_are_handled() -> None:
    assert after("a@mul=0.5", {"a": 2.6e-85}) == 1.3e-85
    assert after("a@mul=1e-300", {"a": 1e-300}) == 0.0
    for text in ("a@mul=10", "a@add=1e308"):
        assert "too large" in refused(text, base={"a": 1.7e308})
    assert "too large" in refused("a@mul=" + "9" * 200, base={"a": 10**200})


def test_an_integer_field_is_rounded_with_a_note_only_if_it_was_not_whole() -> None:
    (change,) = resolved("batch_size@mul=1.3")
    assert (change.after, type(change.after)) == (10, int)
    assert change.note == "batch_size takes whole numbers: 10.4 was rounded to 10"
    assert after("batch_size@mul=1.5625") == 13  # 12.5: halves are rounded up
    assert resolved("batch_size@mul=1.5")[0].note is None


@pytest.mark.parametrize(
    "path",
    [
        "batch_size",
        "num_workers",
        "steps",
        "policy.n_action_steps",
        "policy.dim_model",
        "policy.latent_dim",
        "save_freq",
        "ot.topk_src_episodes",
        "a.chunk_size",
        "layers.3.n_heads",
        "n_layers.0",
    ],
)
def test_the_integer_fields_are_known_by_their_last_key(path: str) -> None:
    base: dict[str, Any] = {}
    base = {
        "batch_size": 8.0,
        "num_workers": 8.0,
        "steps": 8.0,
        "save_freq": 8.0,
        "ot": {"topk_src_episodes": 8.0},
        "policy": {"n_action_steps": 8.0, "dim_model": 8.0, "latent_dim": 8.0},
        "a": {"chunk_size": 8.0},
        "layers": [{}, {}, {}, {"n_heads": 8.0}],
        "n_layers": [8.0],
    }
    result = after(f"{path}@add=4", base)
    assert (result, type(result)) == (12, int)


def test_integers_inside_a_block_that_is_set_are_made_whole_too() -> None:
    (change,) = resolved('policy={"dim_model": 256.0, "n_heads": 7.6, "dropout": 1.0, "dims": {"hidden_dim": [8.0]}}')
    assert json.dumps(change.after) == '{"dim_model": 256, "n_heads": 8, "dropout": 1.0, "dims": {"hidden_dim": [8]}}'
    assert "policy.n_heads takes whole numbers" in (change.note or "")


def test_a_project_can_name_more_integer_fields_by_key_or_by_path() -> None:
    fields = default_fields().extended(["top_*", "ot.depth"])
    base = {"top_k": 4, "ot": {"depth": 4}, "x": {"depth": 4}}
    edits = parse_edits(["top_k@mul=1.4", "ot.depth@mul=1.4", "x.depth@mul=1.4"])
    assert [change.after for change in resolve(base, edits, fields)] == [6, 6, 5.6]


@pytest.mark.parametrize(
    ("before", "text", "value"),
    [
        ({"epochs": 10}, "epochs@mul=0.25", 3),
        ({"optim": {"warmup-epochs": 4}}, "optim.warmup-epochs=2.5", 3),
        ({"hidden_size": 64}, "hidden_size@mul=1.3", 83),
    ],
)
def test_what_counts_in_every_trainer_stays_whole_where_the_config_has_a_whole_number(
    before: dict[str, Any], text: str, value: int
) -> None:
    (change,) = resolve(before, parse_edits([text]))
    assert (change.after, type(change.after)) == (value, int)
    assert "takes whole numbers" in (change.note or "")


@pytest.mark.parametrize(
    ("before", "text", "value"),
    [
        ({"eval_steps": 0.1}, "eval_steps@mul=2", 0.2),  # a fraction of the training, as transformers allows
        ({"warmup_epochs": 3.0}, "warmup_epochs@mul=0.5", 1.5),
        ({"num_workers": 0.5}, "num_workers@mul=3", 1.5),
    ],
)
def test_a_fraction_that_the_config_has_shows_that_its_field_is_no_count(
    before: dict[str, Any], text: str, value: float
) -> None:
    (change,) = resolve(before, parse_edits([text]))
    assert (change.after, change.note) == (value, None)


def test_a_fraction_of_a_whole_number_is_named_where_the_field_is_not_known() -> None:
    (change,) = resolve({"margin": 10}, parse_edits(["margin@mul=0.25"]))
    assert change.after == 2.5
    assert "margin was a whole number (10)" in (change.note or "")
    (known,) = resolve({"margin": 10}, parse_edits(["margin@mul=0.25"]), default_fields().extended(["margin"]))
    assert (known.after, type(known.after)) == (3, int)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed@add=1", "needs a number at seed, and there is null"),
        ("use_preset@mul=2", "there is true/false"),
        ("job_name@mul=2", "there is a text (baseline)"),
        ("ot.loss_config@mul=2", "there is a block"),
        ("terms.*@mul=2", "needs a number at terms.a"),
    ],
)
def test_arithmetic_on_what_is_no_number_is_refused(text: str, words: str) -> None:
    assert words in refused(text)
