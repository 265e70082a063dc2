"""How a command writes its overrides, and the grid that replaces a Hydra sweep."""

from __future__ import annotations

from msgspec.structs import replace

from autoloop.adoption.arguments import Argument
from autoloop.adoption.draft import Draft
from autoloop.trainers.presets import OverrideStyle


def style_of(draft: Draft, config: Argument | None) -> OverrideStyle:
    """The style of a known trainer; otherwise the style of the arguments, without `config`, which names the config file."""
    if draft.trainer and draft.trainer.style:
        return draft.trainer.style
    given = [each for each in draft.arguments if each is not config]
    overrides = [each for each in given if each.kind == "override"]
    if any(each.key.startswith(("+", "~", "hydra.")) for each in overrides):
        return "hydra"
    flags = [each for each in given if each.kind == "flag"]
    if overrides and not flags:
        return "key-value"
    return "dashed-space" if flags and not any(each.joined for each in flags) else "dashed-eq"


def without_sweep(draft: Draft) -> None:
    """Reduce a Hydra sweep to the run with its first values, and report the `--grid` that replaces it."""
    switch = next((each for each in draft.arguments if each.words[0] in ("-m", "--multirun")), None)
    if switch is None:
        return
    kept, axes = [], []
    for each in draft.arguments:
        if each is switch:
            continue
        if each.kind == "override" and "," in each.text and not each.text.startswith(("[", "{", "(", "'", '"')):
            axes.append(each.words[0])
            first = each.text.partition(",")[0]
            each = replace(each, texts=(first,), words=(f"{each.key}={first}",))
        kept.append(each)
    draft.arguments = kept
    grid = f": give --grid {' '.join(axes)} to `run`" if axes else ""
    draft.say("left out", f"{switch.words[0]}: a sweep is a grid here{grid}")
