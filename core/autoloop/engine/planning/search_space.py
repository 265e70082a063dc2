"""The search space of a loop, from `--grid` or else `[search]` in the settings, checked before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from autoloop.engine.planning.config_files import SourceConfig
from autoloop.model import LoopSpec, UserError
from autoloop.search import installed
from autoloop.settings import Settings
from autoloop.trainers import Preset, passes_steps
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.spaces import checked_space, space_of_table, space_of_words


def with_space(
    spec: LoopSpec, settings: Settings, preset: Preset, read: Sequence[SourceConfig], policy: VariantPolicy
) -> LoopSpec:
    """`spec` with the axes to search instead of a grid for round 1; unchanged if it does not search. From then on the loop
    has its own search space, independent of the settings. Raises UserError for an invalid space."""
    search = spec.search
    if search is None:
        return spec
    if spec.rounds < 2:
        raise UserError("--propose creates the configs of later rounds: add --rounds 2 or more.")
    if spec.zip:
        raise UserError("--zip pairs grid values, but --propose searches ranges: omit one of them.")
    written = space_of_words(spec.grid) if spec.grid else space_of_table(settings.search)
    if not written:
        raise UserError(
            "--propose needs a search space: give ranges or values with --grid, such as lr=1e-4..1e-2, or [search] in "
            "autoloop.toml."
        )
    installed(search.sampler)
    steps = None if passes_steps(preset) else preset.steps
    configs = [(Path(each.source).name, each.config) for each in read]
    axes = checked_space(written, configs, policy, steps=steps)
    return msgspec.structs.replace(spec, search=msgspec.structs.replace(search, axes=axes), grid=[])
