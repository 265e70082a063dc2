"""The context in which variants are checked: how their trainings are launched, and what has run before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from autoloop.configs import Config, FieldTypes, config_hash
from autoloop.trainers import Preset, passes_steps, trainer_identity
from autoloop.trainers.overrides import unsayable

FindDuplicate = Callable[[str], str | None]
"""Maps the hash of a training to where it ran, runs or will run (`run ab12cd34 of loop_1700000000`), or None."""


@dataclass(frozen=True)
class VariantPolicy:
    fields: FieldTypes | None = None
    """The types of config fields; None: those of the profiles."""
    overridden: Collection[str] = ()
    """Paths that a flag of the command line sets for all runs: an edit of one has no effect."""
    steps: int | None = None
    """The number of steps on the command line; None if the trainer takes it from the config."""
    launch_words: Sequence[str] = ()
    """Words of the launch that identify the training: the trainer's identity and the extra arguments."""
    duplicate: FindDuplicate = lambda _: None
    seed: str = ""
    """The path of the seed in the config, if the preset names it."""
    undeletable: Callable[[str], str | None] = lambda _: None
    """Returns, for the path of a deleted key, why the deletion cannot be passed to the trainer; None if it can."""

    def trained(self, config: Config) -> Config:
        """Return `config` with the number of steps that its training will make."""
        return config if self.steps is None else {**config, "steps": self.steps}

    def hash(self, config: Config) -> str:
        """Return a hash that is equal for equal trainings: same config, steps, extra arguments and trainer."""
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
    """Return the policy for variants that `preset` launches with these arguments. `steps`: None to use the config's."""
    return VariantPolicy(
        fields=fields,
        overridden=[key for key, template in preset.flags.items() if template != "{seed}"],
        steps=steps if passes_steps(preset) else None,
        launch_words=(*trainer_identity(preset, script), *extra),
        duplicate=duplicate,
        seed=preset.seed,
        undeletable=partial(unsayable, preset),
    )
