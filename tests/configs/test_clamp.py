"""The bounds within which a rule keeps the values it sets."""

from __future__ import annotations

from autoloop.configs import Bounds, clamp_changes
from autoloop.model import Change


def clamped(path: str, after: object, clamp: dict[str, Bounds]) -> tuple[object, str | None]:
    (change,) = clamp_changes([Change(path=path, before=1, after=after)], clamp)
    return change.after, change.note


def test_a_value_beyond_a_bound_is_held_at_it_and_says_so() -> None:
    bounds = {"a.b": Bounds(min=0.02, max=8)}
    assert clamped("a.b", -0.03, bounds) == (0.02, "limited to the rule's minimum of 0.02 instead of -0.03")
    assert clamped("a.b", 9.5, bounds) == (8, "limited to the rule's maximum of 8 instead of 9.5")
    assert clamped("a.b", 0.02, bounds) == (0.02, None)
    assert clamped("a.b", 8, bounds) == (8, None)


def test_a_whole_number_stays_one_where_the_bound_is_whole() -> None:
    after, _ = clamped("batch_size", 12, {"batch_size": Bounds(max=8.0)})
    assert (after, type(after)) == (8, int)


def test_a_bound_holds_for_the_paths_its_pattern_names_and_no_others() -> None:
    bounds = {"ot.features.*.weight": Bounds(max=1.0), "ot.*": Bounds(max=2.0)}
    assert clamped("ot.features.3.weight", 5.0, bounds)[0] == 1.0
    assert clamped("ot.lambda", 5.0, bounds)[0] == 2.0
    assert clamped("ot.features.3.other", 5.0, bounds)[0] == 5.0
    assert clamped("xot.lambda", 5.0, bounds)[0] == 5.0


def test_what_is_no_number_is_left_alone() -> None:
    for value in ("text", True, None, [9]):
        assert clamped("a", value, {"a": Bounds(max=0)}) == (value, None)


def test_a_note_that_was_there_is_kept() -> None:
    (change,) = clamp_changes([Change(path="a", before=1, after=9, note="rounded")], {"a": Bounds(max=8)})
    assert change.note == "rounded; limited to the rule's maximum of 8 instead of 9"
