"""Who trains, as words of a training's hash: the same config with another trainer is another training."""

from __future__ import annotations

import hashlib
import os

import msgspec

from autoloop.trainers.presets import Preset


def trainer_identity(preset: Preset, script: str | None) -> list[str]:
    """The word that stands for a preset and a script; none if the preset's `identity` is empty.

    How a preset reads the log or stops a run does not count.
    """
    if preset.identity is not None and script in (None, preset.script):
        return [f"trainer:{preset.identity}"] if preset.identity else []
    named = os.path.normpath(script or preset.script) if script or preset.script else preset.module
    parts: list[object] = [
        preset.argv,
        preset.override_style,
        sorted(preset.flags.items()),
        sorted(preset.env.items()),
        named,
    ]
    if preset.config != "file":  # the words of other presets are those that runs of earlier versions were told apart by
        parts += [preset.config, preset.passes_changes_only]
    return [f"trainer:{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]}"]
