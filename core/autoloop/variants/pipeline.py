"""One variant of a training config: edits resolved, brought within their bounds and guarded; and its file.

Rounds, `autoloop-tui generate` and people's scripts make variants by the same function, so that they obey the same guards.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from autoloop.configs import (
    CheckedVariant,
    Config,
    FieldTypes,
    apply,
    check_variant,
    config_hash,
    parse_edits,
    resolve,
    rewrite,
)
from autoloop.files import write_atomically
from autoloop.model import UserError
from autoloop.rules import Clamp, applicable, clamp_changes
from autoloop.trainers import Preset, passes_steps

NAMED_BY = 6
"""Characters of a config's hash in the name of its file."""


def make_variant(
    config: Config,
    edits: Sequence[str],
    *,
    fields: FieldTypes,
    by_rule: bool = False,
    clamp: Clamp | None = None,
    preset: Preset | None = None,
    script: str | None = None,
    steps: int = 0,
    extra: Sequence[str] = (),
    seen: Callable[[str], str | None] = lambda _: None,
) -> CheckedVariant:
    """The variant of `config` that the edits give; `blocked` says why it must not be run.

    `by_rule`: a rule made the edits, so those that this config cannot take are left out and said, and `clamp` and the
    floors hold; a person's edit that matches nothing was meant, and is a UserError. `preset`, `script`, `steps` and
    `extra` tell what the command line gives, `seen(hash)` where that training has run before.
    """
    notes: list[str] = []
    if by_rule:
        edits, notes = applicable(edits, config, fields)
    changes = clamp_changes(resolve(config, parse_edits(edits), fields), clamp or {})
    given = preset.flags if preset else {}
    notes += [f"left out: {c.path} is given by a flag for all runs" for c in changes if c.path in given]
    left, changes = changes, [change for change in changes if change.path not in given]
    whole = [*trainer(preset, script), *extra]
    guarded = check_variant(training(preset, config, steps), changes, by_rule=by_rule, seen=seen, extra=whole)
    blocked = guarded.blocked
    if left and not changes:
        flags = ", ".join(change.path for change in left)
        blocked = f"There is no edit left that changes the training ({flags} is given by a flag for all runs)."
    return CheckedVariant(
        changes=guarded.changes,
        config=apply(config, guarded.changes),
        hash=guarded.hash,
        notes=[*notes, *guarded.notes, *(change.note for change in guarded.changes if change.note)],
        blocked=blocked,
    )


def training(preset: Preset | None, config: Config, steps: int) -> Config:
    """`config` with the step count that its training will have: that is what must not run twice."""
    return {**config, "steps": steps} if preset and passes_steps(preset) else config


def training_hash(preset: Preset, script: str | None, config: Config, steps: int, extra: Sequence[str]) -> str:
    """Equal for two runs that are the same training: the config, its steps, the extra arguments, and who trains."""
    return config_hash(training(preset, config, steps), [*trainer(preset, script), *extra])


def trainer(preset: Preset | None, script: str | None) -> list[str]:
    """What of a preset and a script makes it another training, as a word; none for LeRobot's own script, the default.

    How a preset reads the log or stops a run does not count.
    """
    if preset is None or (preset.name == "lerobot" and script in (None, preset.script)):
        return []
    named = os.path.normpath(script or preset.script) if script or preset.script else preset.module
    told = [preset.argv, preset.override_style, sorted(preset.flags.items()), sorted(preset.env.items()), named]
    return [f"trainer:{hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]}"]


class WrittenVariant(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's file. `new` is False where a file with just this content was there already."""

    path: Path
    new: bool


def write_variant(folder: Path, base: str, base_text: str, variant: CheckedVariant) -> WrittenVariant:
    """Write the variant's config as `<base>_<hash>.json` into `folder`, which is made; no other file is overwritten.

    It is `base_text` but for the values that changed, so that `diff` shows just those. The same variant of the same base
    has the same name each time. UserError where the place cannot be written.
    """
    text = rewrite(base_text, variant.config)
    # A file name has 255 bytes at most.
    name = f"{base.encode(errors='replace')[:200].decode(errors='ignore')}_{variant.hash[:NAMED_BY]}"
    path, number = folder / f"{name}.json", 1
    try:
        while path.exists():
            if path.is_file() and path.read_bytes() == text.encode():
                return WrittenVariant(path=path, new=False)
            number += 1
            path = folder / f"{name}_{number}.json"
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"The variant {path} cannot be written ({error.strerror}); choose another --out-dir.") from None
    return WrittenVariant(path=path, new=True)
