"""From a request to a variant: edits resolved against a config, held within their bounds, and guarded.

The order matters: what a config cannot take or a flag overrides is left out before the guards look, and the hash is that
of the training as it would be launched.
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
    """A variant as it would run: the `changes` that have an effect, the `config` they give and the hash of its training.

    `notes` say what was left out, dropped or held at a bound. `blocked`: why it must not be run, or None; edits that
    cannot be applied leave the config as it was, and then the hash is empty.
    """

    config: Config
    changes: list[Change] = field(default_factory=list)
    hash: str = ""
    notes: list[str] = field(default_factory=list)
    blocked: str | None = None


def check(config: Config, request: VariantRequest, policy: VariantPolicy, suffix: str = JSON) -> CheckedVariant:
    """The variant of `config` that the request gives. What is wrong with it is in `blocked`, and raises nothing.

    `suffix`: the format of the config's file, which the variant's file has too.
    Of a rule's request, the edits that this config cannot take are left out with a note, its bounds hold, and so do the
    floors under which no rule may go. An edit of a user that matches nothing blocks the variant: it was meant.
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
    """The edits that `config` can take, and a note on each that it cannot. Together they never fail to resolve."""
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
