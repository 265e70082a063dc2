"""Turns a request into a variant: edits are resolved against a config, clamped to their bounds, and checked by guards.

The order matters: edits that do not fit the config or that a flag overrides are left out before the guards check, and the
hash is that of the training as it would be launched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autoloop.configs import (
    Config,
    FieldTypes,
    apply,
    clamp_changes,
    edits_with_effect,
    parse_edits,
    refusals,
    resolve,
)
from autoloop.configs.formats import JSON, unwritable
from autoloop.model import Change, UserError
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest


@dataclass(frozen=True)
class CheckedVariant:
    """A variant as it would run: the `changes` that have an effect, the resulting `config`, and the hash of its training.

    `notes`: what was left out, dropped or clamped. `blocked`: why it must not be run, or None. If edits cannot be applied,
    the config is unchanged and the hash is empty.
    """

    config: Config
    changes: list[Change] = field(default_factory=list)
    hash: str = ""
    notes: list[str] = field(default_factory=list)
    blocked: str | None = None


def check(config: Config, request: VariantRequest, policy: VariantPolicy, suffix: str = JSON) -> CheckedVariant:
    """Return the variant of `config` for the request. Problems are reported in `blocked`; nothing is raised.

    `suffix`: the format of the config's file, and of the variant's.
    In a rule's request, edits that do not fit this config are left out with a note, values are clamped to the rule's bounds,
    and the floors for all rules apply. A user's edit that matches nothing blocks the variant, because it was intended.
    """
    edits: Sequence[str] = request.edits
    notes: list[str] = []
    try:
        if request.by_rule:
            edits, notes = applicable(edits, config, policy.fields)
        wanted = clamp_changes(resolve(config, parse_edits(edits), policy.fields), request.clamp)
        changes = [change for change in wanted if change.path not in policy.overridden]
        base = policy.trained(config)
        kept, dropped = edits_with_effect(base, changes)
        result = apply(config, kept)
        hash_ = policy.hash(result)
    except UserError as error:
        return CheckedVariant(config, notes=notes, blocked=str(error))
    overridden = [change.path for change in wanted if change.path in policy.overridden]
    notes += [f"left out: {path} is set by a flag for all runs" for path in overridden]
    if kept:
        reasons = refusals(base, policy.trained(result), by_rule=request.by_rule)
        reasons += filter(None, [unwritable(result, suffix)])
        reasons += [why for change in kept if change.removed and (why := policy.undeletable(change.path))]
        if where := policy.duplicate(hash_):
            reasons.append(f"This config has already been run: {where}.")
    elif overridden and not changes:
        reasons = [
            f"There is no edit left that changes the training ({', '.join(overridden)} is set by a flag for all runs)."
        ]
    else:
        lost = [*notes, *dropped]
        why = f" ({lost[0].rstrip('.')})" if len(lost) == 1 else ""
        reasons = [f"There is no edit left that changes the training{why}."]
    return CheckedVariant(
        config=result,
        changes=kept,
        hash=hash_,
        notes=[*notes, *dropped, *(change.note for change in kept if change.note)],
        blocked=" ".join(reasons) or None,
    )


def applicable(edits: Sequence[str], config: Config, fields: FieldTypes | None) -> tuple[list[str], list[str]]:
    """Return the edits that fit `config`, and a note on each other one. The returned edits always resolve together."""
    fitting: list[str] = []
    notes: list[str] = []
    for edit in edits:
        try:
            resolve(config, parse_edits([*fitting, edit]), fields)
        except UserError as error:
            notes.append(f"left out: {error}")
        else:
            fitting.append(edit)
    return fitting, notes
