"""The policies for checking variants: of a loop, and of a project for runs outside any loop.

The engine, the console, the analysis, `generate` and users' scripts all get them from here, so they agree.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoloop.configs import FieldTypes
from autoloop.engine.planning.frozen import preset_of
from autoloop.model import LoopSpec, ProposalStatus, Run
from autoloop.settings import Settings
from autoloop.store import NoLoopError, Store
from autoloop.trainers import Preset, is_preset_file, load_preset
from autoloop.variants.policy import VariantPolicy, launch_policy


def loop_policy(
    store: Store, loop: int, spec: LoopSpec, preset: Preset, fields: FieldTypes, round_: int, *, besides: int = 0
) -> VariantPolicy:
    """The policy for variants proposed from `round_` of a loop. `besides`: a proposal to ignore as a duplicate, usually the
    one being revised."""

    def duplicate(hash_: str) -> str | None:
        return store.where_run(hash_) or _proposed(store, loop, round_, hash_, besides)

    return launch_policy(preset, spec.train_script, spec.steps, spec.extra, fields=fields, duplicate=duplicate)


def run_policy(store: Store, run: Run, fields: FieldTypes) -> VariantPolicy:
    """The policy for variants of a loop's run, made outside that loop: its proposals do not count as duplicates.

    Raises UserError if the loop's preset cannot be read.
    """
    loop = store.loop(run.loop)
    spec, preset = loop.spec, preset_of(store.places, loop)
    return launch_policy(preset, spec.train_script, spec.steps, spec.extra, fields=fields, duplicate=store.where_run)


def project_policy(
    project: Path,
    settings: Settings,
    store: Store | None,
    *,
    preset: str | None = None,
    script: str | None = None,
    steps: int | None = None,
    extra: Sequence[str] = (),
) -> VariantPolicy:
    """The policy for variants outside any loop; arguments that are not given come from the project's settings.

    `store` knows what the project has run. `preset`: the name of a built-in one, or the path of a file. `steps`: None to use
    the config's own number. Raises UserError if the preset cannot be read.
    """
    name = preset or settings.preset
    if is_preset_file(name):
        name = str(project / Path(name).expanduser())
    return launch_policy(
        load_preset(name),
        script or settings.train_script,
        steps,
        extra,
        fields=settings.field_types(),
        duplicate=store.where_run if store else lambda _: None,
    )


@contextlib.contextmanager
def store_of(project: Path) -> Iterator[Store | None]:
    """The project's store, or None if no loop was ever started there. Raises UserError if it cannot be read."""
    try:
        store = Store.open(project)
    except NoLoopError:
        yield None
        return
    with store:
        yield store


def _proposed(store: Store, loop: int, round_: int, hash_: str, besides: int) -> str | None:
    """Another proposal of the same round for the same training, in words; None if there is none."""
    for other in store.proposals(loop, round_):
        alive = other.status not in (ProposalStatus.BLOCKED, ProposalStatus.REJECTED)
        if alive and other.id != besides and other.config_hash == hash_:
            return f"proposal {other.id} of this round"
    return None
