"""What is checked before a variant may exist. Each refusal is a sentence for the researcher, kept with the proposal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autoloop.configs.changes import apply, same
from autoloop.configs.paths import children, exists, get, split, written
from autoloop.configs.text import is_number
from autoloop.model import Change, Config

LAMBDA_FLOOR = 0.02
"""A rule does not lower ot.lambda_ot under this: below it the transport term no longer takes part in the training."""

_FEATURES = ("ot", "loss_config", "features")
_LAMBDA = ("ot", "lambda_ot")


def refusals(base: Config, config: Config, *, by_rule: bool) -> list[str]:
    """Why `config`, a variant of `base`, must not be run, a sentence each.

    `by_rule`: a rule made it, not a person (who may go under a rule's floor).
    """
    reasons = _both_disabled(base, config)
    if by_rule and (sentence := _under_floor(base, config)):
        reasons.append(sentence)
    return reasons


def edits_with_effect(base: Config, changes: Sequence[Change]) -> tuple[list[Change], list[str]]:
    """The changes, resolved on `base`, that have an effect, and a note on each that has none."""
    kept: list[Change] = []
    notes: list[str] = []
    result = apply(base, changes)
    replaced = isinstance(result.get("policy"), dict) and result.get("use_policy_training_preset") is not False
    for change in changes:
        block = split(change.path)[0]
        if same(change.before, change.after) and not change.created and not change.removed:
            notes.append(f"{change.path} already has that value ({_short(change.after)}); dropped.")
        elif replaced and block in ("optimizer", "scheduler"):
            instead = ".".join(["policy", "_".join(split(change.path))])
            hint = f"{instead} is the one that counts" if exists(result, tuple(split(instead))) else ""
            hint = hint or "set use_policy_training_preset to false to use it"
            notes.append(f"{change.path} has no effect, because the policy's preset replaces the {block} ({hint}); dropped.")
        else:
            kept.append(change)
    return kept, notes


def unusable(config: Config) -> list[str]:
    """Why a config as it was given must not be run, a sentence each."""
    return [
        f"Feature {_label(key, feature)} has both its learned embedding off and its label weight 0, which breaks the "
        "training: give it a label weight, turn the embedding on, or remove the feature."
        for key, feature in _features(config)
        if _is_disabled(feature)
    ]


def _label(key: str | int, feature: dict[str, Any]) -> str:
    name = next((feature[k] for k in ("name", "key", "feature") if isinstance(feature.get(k), str)), None)
    return f"{key} ({name})" if name else str(key)


def _both_disabled(base: Config, config: Config) -> list[str]:
    sentences = []
    before = [feature for _, feature in _features(base) if _is_disabled(feature)]
    for key, feature in _features(config):
        if _is_disabled(feature):
            label = _label(key, feature)
            blame = " The base config already has it so; add an edit that puts it right." if feature in before else ""
            sentences.append(
                f"Feature {label} would have both its learned embedding off and its label weight 0, which breaks the "
                f"training: give it a label weight, turn the embedding on, or remove the feature "
                f"({written((*_FEATURES, key))}@del).{blame}"
            )
    return sentences


def _features(config: Config) -> list[tuple[str | int, Any]]:
    features = get(config, _FEATURES) if exists(config, _FEATURES) else None
    return [(key, feature) for key, feature in children(features) if isinstance(feature, dict)]


def _is_disabled(feature: dict[str, Any]) -> bool:
    weight = feature.get("weight_label")
    return feature.get("use_learned_embed") is False and is_number(weight) and weight == 0


def _under_floor(base: Config, config: Config) -> str | None:
    if not (exists(base, _LAMBDA) and exists(config, _LAMBDA)):
        return None
    before, after = get(base, _LAMBDA), get(config, _LAMBDA)
    if is_number(before) and is_number(after) and after < before and after < LAMBDA_FLOOR:
        return f"ot.lambda_ot would fall from {before:g} to {after:g}, under {LAMBDA_FLOOR:g}, which no rule may go below."
    return None


def _short(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
