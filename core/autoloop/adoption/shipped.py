"""Convert a command for a trainer with a bundled preset: its values become the base config, the preset does the rest."""

from __future__ import annotations

import copy
from collections.abc import Callable

from autoloop.adoption.arguments import value_of
from autoloop.adoption.config_file import config_file, leaf_values
from autoloop.adoption.draft import Draft, put
from autoloop.configs import Config, dump_config, rewrite, suffix_of
from autoloop.secrets.names import is_secret
from autoloop.trainers import Preset, load_preset


def use_preset(draft: Draft, version: Callable[[str, str], str | None]) -> None:
    """Fill in the draft's settings, its base and the flags of `run`."""
    assert draft.trainer is not None
    preset = _preset(draft, version)
    draft.settings["preset"] = preset.name
    if draft.command.script and draft.command.script != preset.script:
        draft.settings["train_script"] = draft.command.script
    config = config_file(draft)
    config = None if config is None or config.is_python else config
    values: Config = copy.deepcopy(config.config) if config else {}
    given = {**preset.flags, **preset.wandb.offline}
    extra: list[str] = []
    for each in draft.arguments:
        if config and each is config.argument:
            continue
        if is_secret(each.key, each.text):
            draft.say("left out", f"{each.key}: a secret is not written to a file; pass it in an environment variable")
        elif each.key in draft.trainer.extra:
            extra += each.words
        elif preset.flags.get(each.key) in ("{steps}", "{log_freq}", "{eval_freq}"):
            draft.run_flags += [f"--{preset.flags[each.key].strip('{}').replace('_', '-')}", each.text]
        elif each.key in given:
            draft.on_cpu |= preset.flags.get(each.key) == "{device}" and each.text == "cpu"
            draft.say("left out", f"{' '.join(each.words)}: the preset sets it for each run")
        elif not each.texts or not put(values, each.key, value_of(each.texts, python=False)):
            extra += each.words
    _base(draft, config.path if config else None, config.text if config else "", config.config if config else {}, values)
    count = draft.command.processes
    if count is not None and count > 1:
        draft.run_flags += ["--gpus-per-run", str(count)]
        draft.say("processes", f"one for each GPU of a run: give --gpus-per-run {count}")
    if draft.on_cpu:
        draft.run_flags += ["--device", "cpu"]
    if extra:
        draft.run_flags += ["--extra", *extra]
        draft.say("extra", f"{' '.join(extra)} belongs after --extra, which must be the last flag")


def _preset(draft: Draft, version: Callable[[str, str], str | None]) -> Preset:
    """The preset for the installed version; otherwise the first one that has its script in this folder, otherwise the newest
    (the oldest, if the command names a script)."""
    assert draft.trainer is not None
    presets = [load_preset(name) for name in draft.trainer.presets]
    installed = version(draft.trainer.package, draft.python)
    if installed:
        for preset in presets:
            if preset.package and preset.package.fits(installed):
                draft.say("preset", f"{preset.name}, for {draft.trainer.package} {installed}, which is installed")
                return preset
    here = next((each for each in presets if each.script and (draft.cwd / each.script).is_file()), None)
    if draft.command.script:  # older versions are started by a script, newer ones by their module
        here = here or presets[0]
    chosen = here or presets[-1]
    why = f"{draft.command.script or chosen.script} is here" if here else "assumed, since no version is installed here"
    draft.say("preset", f"{chosen.name}: {why}; {' and '.join(each.name for each in presets)} ship")
    return chosen


def _base(draft: Draft, path: str | None, text: str, before: Config, values: Config) -> None:
    if path is not None and values == before:
        named = path
        draft.say("base", f"{path} is passed as a file, one copy per run")
    elif path is not None:
        named = draft.free_name(suffix_of(path))
        draft.base_file = named, rewrite(text, values, suffix_of(path))
        draft.say("base", f"{named} is {path} with the values of the command")
    else:
        named = draft.free_name(".json")
        draft.base_file = named, dump_config(values)
        draft.say("base", f"{named} holds the {len(leaf_values(values))} values from the command, which edits can change")
    draft.run_flags = ["--cfgs", named, *draft.run_flags]
