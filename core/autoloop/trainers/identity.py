"""The trainer's part of a training's hash: the same config with another trainer is another training."""

from __future__ import annotations

import hashlib
import os

import msgspec

from autoloop.trainers.presets import Preset


def trainer_identity(preset: Preset, script: str | None) -> list[str]:
    """Return the word that identifies a preset and a script, as a list; empty if the preset's `identity` is empty.

    How a preset reads the log or stops a run does not matter.
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
    if preset.config != "file":  # presets with config = "file" keep the words that earlier versions used
        parts += [preset.config, preset.passes_changes_only]
    return [f"trainer:{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]}"]
