"""What decides on a variant besides its config and its edits: how its training is launched, and what has run before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from autoloop.configs import Config, FieldTypes, config_hash
from autoloop.trainers import Preset, passes_steps, trainer_identity
from autoloop.trainers.overrides import unsayable

FindDuplicate = Callable[[str], str | None]
"""From the hash of a training to where it has run, runs or will run (`run ab12cd34 of loop_1700000000`), or None."""


@dataclass(frozen=True)
class VariantPolicy:
    fields: FieldTypes | None = None
    """None: those that the profiles know."""
    overridden: Collection[str] = ()
    """Paths that a flag of the command line sets for all runs: an edit of one has no effect."""
    steps: int | None = None
    """The number of steps that the command line gives; None if the trainer takes it from the config."""
    launch_words: Sequence[str] = ()
    """Words of the launch that make it another training: the trainer's identity and the extra arguments."""
    duplicate: FindDuplicate = lambda _: None
    seed: str = ""
    """The path of the seed in the config, if the preset names it."""
    undeletable: Callable[[str], str | None] = lambda _: None
    """Why the trainer cannot be told that a key of its config was deleted, from the key's path; None where it can."""

    def trained(self, config: Config) -> Config:
        """`config` with the number of steps that its training will have."""
        return config if self.steps is None else {**config, "steps": self.steps}

    def hash(self, config: Config) -> str:
        """Equal for two runs that are the same training: the config, its steps, the extra arguments and the trainer."""
        return config_hash(self.trained(config), self.launch_words)


def launch_policy(
    preset: Preset,
    script: str | None = None,
    steps: int | None = None,
    extra: Sequence[str] = (),
    *,
    fields: FieldTypes | None = None,
    duplicate: FindDuplicate = lambda _: None,
) -> VariantPolicy:
    """The policy for variants that are launched by `preset` with these arguments; `steps` None: as the config says."""
    return VariantPolicy(
        fields=fields,
        overridden=preset.flags,
        steps=steps if passes_steps(preset) else None,
        launch_words=(*trainer_identity(preset, script), *extra),
        duplicate=duplicate,
        seed=preset.seed,
        undeletable=partial(unsayable, preset),
    )
