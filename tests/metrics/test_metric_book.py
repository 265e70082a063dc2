"""The metric book: names, directions, extensions, and the errors for an invalid book."""

from __future__ import annotations

import pytest
from autoloop.metrics import default_book, parse_metric_book
from autoloop.model import UserError

BOOK = default_book()


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("train/ot_pi_sum", "train/ot_pi_sum"),
        ("train/ot_ot_pi_sum", "train/ot_pi_sum"),
        ("ot_pi_sum", "train/ot_pi_sum"),
        ("train/ot", "train/ot_loss"),
        ("l1_loss", "train/l1_loss"),
        ("train_l1", "train/l1_loss"),
        ("eval_l1", "eval/offline_eval/avg_l1"),
        ("grad_norm", "train/grad_norm"),
        ("ot_cost", "ot_cost"),
        ("diag_ratio", "diag_ratio"),
        ("train/ot_ot_cost/observation.state", "train/ot_cost/action_lbl"),
        ("train/ot_ot_cost/wrist", "train/ot_cost/wrist"),
        ("train/nothing", None),
        ("train/ot_ot_cost/", None),
        ("", None),
    ],
)
def test_every_way_to_write_a_metric_leads_to_its_canonical_name(name: str, canonical: str | None) -> None:
    assert BOOK.resolve_name(name) == canonical


def test_the_canonical_metrics_of_the_scripts_are_all_there() -> None:
    assert set(BOOK.metrics) == {
        "train/loss",
        "train/l1_loss",
        "train/kld_loss",
        "train/ot_loss",
        "train/ot_pi_sum",
        "train/ot_pi_diag",
        "train/ot_cost/img_third_person",
        "train/ot_cost/img_side",
        "train/ot_cost/img_ee",
        "train/ot_cost/action_lbl",
        "train/grad_norm",
        "train/lr",
        "eval/offline_eval/avg_loss",
        "eval/offline_eval/avg_l1",
    }
    assert all(BOOK.resolve_name(key) == key for key in BOOK.key_metrics)
    assert len(BOOK.key_metrics) == 5


def test_the_book_says_which_direction_is_good_else_the_name_does() -> None:
    for name in ("train/ot_pi_sum", "train/ot_pi_diag", "train/lr", "diag_ratio", "other/pi_sum", "policy/backbone_lr"):
        assert BOOK.direction(name) == "high"
    for name in ("train/loss", "eval/offline_eval/avg_l1", "ot_cost", "train/ot_cost/wrist", "train/grad_norm"):
        assert BOOK.direction(name) == "low"


def test_of_a_name_that_tells_no_direction_none_is_good() -> None:
    assert BOOK.direction("unknown") is None


def test_a_projects_pattern_wins_over_the_name_and_over_a_shipped_pattern() -> None:
    mine = parse_metric_book('higher = ["plan_loss"]\nlower = ["*pi_sum", "quality"]', "mine.toml")
    book = BOOK.extended(mine)
    assert [book.direction(name) for name in ("plan_loss", "other/pi_sum", "quality")] == ["high", "low", "low"]
    assert book.direction("train/ot_pi_sum") == "high"  # the book names this metric explicitly


def test_short_names_lead_back_to_the_metric() -> None:
    for name in BOOK.names:
        assert BOOK.resolve_name(BOOK.short(name)) == name
    assert BOOK.short("train/ot_cost/wrist") == "ot_cost/wrist"
    assert BOOK.short("eval/x") == "eval/x"


def test_a_project_adds_metrics_and_overrides_what_it_names() -> None:
    mine = parse_metric_book(
        """
        key = ["eval/success_rate"]
        higher = ["*success_rate"]
        [[metric]]
        name = "eval/success_rate"
        short = ["success"]
        [[metric]]
        name = "train/l1_loss"
        aliases = ["train/action_l1"]
        best = "high"
        [[derived]]
        name = "diag_ratio"
        ratio = ["train/ot_pi_diag", "train/loss"]
        """,
        "mine.toml",
    )
    book = BOOK.extended(mine)
    assert book.key_metrics == ("eval/success_rate",)
    assert book.resolve_name("success") == "eval/success_rate"
    assert book.direction("eval/success_rate") == "high"
    assert book.direction("other/success_rate") == "high"
    assert book.resolve_name("train/action_l1") == book.resolve_name("l1_loss") == "train/l1_loss"
    assert book.direction("train/l1_loss") == "high"
    assert book.derived["diag_ratio"].ratio == ("train/ot_pi_diag", "train/loss")
    assert book.direction("train/ot_pi_sum") == "high"
    assert book.resolve_name("train/ot_ot_cost/wrist") == "train/ot_cost/wrist"
    assert BOOK.resolve_name("success") is None
    assert BOOK.extended(parse_metric_book("", "empty.toml")).key_metrics == BOOK.key_metrics


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[metric]\n", "not valid TOML"),
        ('[[metric]]\nnaem = "a"', 'unknown key "metric[0].naem"; did you mean "name"?'),
        ('[[metric]]\nname = "a"\nbest = "up"', 'metric[0].best must be "high" or "low", not "up"'),
        ('[[metric]]\nname = "a"\n[[metric]]\nname = "b"\naliases = ["a"]', '"a" stands for both a and b'),
        ('[[metric]]\nname = "a"\n[[metric]]\nname = "a"', '"a" stands for a twice'),
        ('[[derived]]\nname = "a"', "needs either first_of or ratio"),
        ('[[derived]]\nname = "a"\nratio = ["x"]', "derived[0].ratio must be a list of 2, not 1"),
        ('key = "a"', "key must be a list, not a text"),
    ],
)
def test_a_broken_book_is_refused_in_one_sentence_naming_file_and_place(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_metric_book(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
