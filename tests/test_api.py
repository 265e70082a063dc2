"""`autoloop.api`, which users' scripts call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from autoloop import api
from autoloop.api import UserError

OLD = {"first": 1e-9, "last": 1e-8, "best": 1e-8, "best_step": 20, "delta": 9e-9, "pct": 900.0}
"""One metric as the original scripts wrote it."""
HEAVY = {
    "train/ot_pi_sum": {"first": 0.5, "last": 0.5, "best": 0.5, "best_step": 1, "delta": 0.0, "pct": 0.0},
    "train/ot_cost/action_lbl": {"first": 1.0, "last": 1.0, "best": 1.0, "best_step": 1, "delta": 0.0, "pct": 0.0},
    "steps": 20,
}
"""A run for which the ACT-OT book lowers ot.lambda_ot by 0.05, but not below 0.02."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_summary_of_the_original_scripts_is_loaded(folder: Path) -> None:
    (folder / "s.json").write_text(json.dumps({"outputs/train/loop_1/0_a_x": {"train/ot_pi_sum": OLD, "steps": 20}}))
    (summary,) = api.load_summaries("s.json").values()
    assert summary.steps == 20
    assert (summary.metrics["train/ot_pi_sum"].last, summary.metrics["train/ot_pi_sum"].n) == (1e-8, 8)


def test_a_summary_with_proposals_beside_it_is_loaded(folder: Path) -> None:
    (folder / "s.json").write_text(json.dumps({"summary": {"a": {"steps": 3}}, "proposals": {"a": []}}))
    assert api.load_summaries("s.json")["a"].steps == 3


def test_rules_decide_on_a_loaded_summary_as_on_plain_data(folder: Path) -> None:
    entry = {"train/ot_pi_sum": OLD, "steps": 20}
    (folder / "s.json").write_text(json.dumps({"a": entry}))
    loaded = api.decide(api.load_summaries("s.json")["a"])
    assert loaded == api.decide(entry)
    assert loaded[0].changes["ot.loss_config.reg@mul"] == 1.6


def test_a_rule_book_of_ones_own_decides(folder: Path) -> None:
    (folder / "mine.toml").write_text(
        'name = "m"\nversion = "1"\n[[rule]]\nid = "x"\nreason = "r"\n'
        'when = "config(\'seed\') == 1"\nchanges = ["seed@add=1"]\n'
    )
    entry = {"train/ot_pi_sum": OLD, "steps": 20}
    assert api.decide(entry, "mine.toml", {"seed": 1})[0].changes == {"seed@add": 1}
    assert api.decide(entry, "mine.toml", {"seed": 2}) == []


def test_of_a_decision_the_bounds_hold_and_what_a_config_lacks_is_left_out() -> None:
    decision = next(d for d in api.decide(HEAVY) if "ot.lambda_ot@add" in d.changes)
    variant = api.edit({"ot": {"lambda_ot": 0.05}}, decision)
    assert variant.config == {"ot": {"lambda_ot": 0.02}}
    assert any("left out" in note and "weight_label" in note for note in variant.notes)


def test_edits_are_a_text_texts_or_a_mapping_and_the_config_stays() -> None:
    config = {"batch_size": 8, "seed": 1}
    for changes in ("batch_size@add=4", ["batch_size@add=4"], {"batch_size@add": 4}):
        assert api.edit(config, changes).config == {"batch_size": 12, "seed": 1}
    assert config == {"batch_size": 8, "seed": 1}


def test_a_variant_is_written_once_under_a_name_of_its_own(folder: Path) -> None:
    (folder / "base.json").write_text('{"seed": 1}')
    first = api.write_variant("base.json", {"seed": 2}, out_dir="made")
    assert first.path is not None
    assert first.path == api.write_variant("base.json", "seed=2", out_dir="made").path
    assert api.load_config(first.path) == {"seed": 2}
    assert sorted(path.name for path in (folder / "made").iterdir()) == [first.path.name]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [("{", "s.json is not valid JSON"), ("[]", "is not a summary"), ('{"a": 1}', "is not a summary")],
)
def test_what_is_no_summary_is_refused(text: str, fragment: str, folder: Path) -> None:
    (folder / "s.json").write_text(text)
    with pytest.raises(UserError, match=fragment):
        api.load_summaries("s.json")


def test_mistakes_write_nothing(folder: Path) -> None:
    (folder / "base.json").write_text('{"seed": 1}')
    for changes in ({"sede@mul": 2}, {"seed": 1}, ["seed"], {}):
        with pytest.raises(UserError):
            api.write_variant("base.json", changes)
    with pytest.raises(UserError, match=r"did you mean base\.json"):
        api.write_variant("bsae.json", {"seed": 2})
    assert [path.name for path in folder.iterdir()] == ["base.json"]


def test_edits_of_a_mapping_delete_and_confirm_a_new_key() -> None:
    made = api.edit({"tau_src": 0.5, "lr": "auto"}, {"tau_src@del": None, "tau_scr@new": 1, "lr": 3e-4})
    assert made.config == {"tau_scr": 1, "lr": 3e-4}
    assert [change.removed for change in made.changes] == [True, False, False]
