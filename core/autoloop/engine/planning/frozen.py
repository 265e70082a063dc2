"""A loop's own copies of its rule book, preset, metric book and settings, stored beside its configs.

If a user edits, breaks or deletes the originals while the loop runs or before it is resumed, the loop does not change and
can still be stopped. Settings are the project's current ones, or the copy if those cannot be read.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from autoloop import secrets, settings
from autoloop.configs import Config, dump_config, parse_config
from autoloop.engine.planning.kept_metrics import METRICS, metrics_of
from autoloop.engine.planning.rule_checks import named_metrics
from autoloop.files import read_text, write_atomically
from autoloop.metrics import MetricBook
from autoloop.model import EventKind, Loop, LoopSpec, UserError
from autoloop.profiles import planned_methods
from autoloop.rule_files import load_rules
from autoloop.rule_process import PATIENCE
from autoloop.rules import Rule, RuleSource, criterion
from autoloop.settings import Settings, load_settings
from autoloop.store import Places, Store
from autoloop.toml import TomlError, read_toml
from autoloop.trainers import Preset, is_preset_file, load_preset, parse_preset

RULES, PRESET, BASE = "rules", "preset.toml", "base.json"


@dataclass(frozen=True)
class Sources:
    """The files that an engine works with, loaded. `notes` reports which of them differ from the files on disk."""

    settings: Settings
    metrics: MetricBook
    rules: RuleSource
    preset: Preset
    notes: list[str] = field(default_factory=list)


def freeze_sources(places: Places, name: str, spec: LoopSpec, base: Config | None = None) -> None:
    """Copy each of the user's files; secrets of the preset are masked. `base`: the values of the preset's base, which its
    file or trainer may not give again later. Raises UserError or OSError."""
    folder = places.frozen(name)
    folder.mkdir(mode=0o700, parents=True)
    for kept, path in _files(Path(spec.cwd), spec).items():
        text = read_text(path, "file")
        if kept in (PRESET, settings.FILE):
            text = _without_secrets(text)
        write_atomically(folder / kept, text)
    if base is not None:
        write_atomically(folder / BASE, dump_config(base))


def replace_rules(store: Store, loop: Loop, path: Path) -> Loop:
    """Replace the rules of a loop that has no engine with those at `path`. Raises UserError if they cannot be read."""
    project = load_settings(Path(loop.spec.cwd))
    spec = msgspec.structs.replace(loop.spec, rules=str(path))
    metrics, text = metrics_of(store.places, loop), read_text(path, "rules file")
    rules = load_rules(spec.rules, metrics, project.rules_timeout, text)
    rules.close()
    until = criterion(spec.until, rules, metrics, planned_methods(spec)).when if spec.until is not None else None
    spec = msgspec.structs.replace(spec, named_metrics=named_metrics(rules, until))
    folder = store.places.frozen(loop.name)
    if folder.is_dir():
        write_atomically(folder / _rules_name(spec.rules), text)
    with store.transaction():
        loop = msgspec.structs.replace(store.loop(loop.id), spec=spec)
        store.put_loop(loop)
        store.add_event(loop.id, EventKind.NOTE, f"now uses the rules in {path}")
    return loop


def forget_sources(places: Places, name: str) -> None:
    shutil.rmtree(places.frozen(name), ignore_errors=True)


def load_sources(places: Places, loop: Loop) -> Sources:
    """Load the loop's own copies, or the original files if an earlier version created the loop. Raises UserError if they are
    invalid."""
    project, folder = Path(loop.spec.cwd), places.frozen(loop.name)
    notes = differences(places, loop)
    try:
        now = load_settings(project)
    except UserError as error:
        if not folder.is_dir():
            raise
        now = load_settings(folder)
        notes.append(f"{error} Until then the loop uses its original settings.")
    metrics = metrics_of(places, loop)
    return Sources(now, metrics, _rules(places, loop, metrics, now.rules_timeout), preset_of(places, loop), notes)


def _rules(places: Places, loop: Loop, metrics: MetricBook, patience: float) -> RuleSource:
    spec = loop.spec
    kept = places.frozen(loop.name) / _rules_name(spec.rules)
    text = read_text(kept, "rules file") if kept.exists() else None
    return load_rules(spec.rules, metrics, patience, text, methods=planned_methods(spec))


def rules_of(places: Places, loop: Loop, metrics: MetricBook) -> list[Rule]:
    """The rules of the loop's own book, for display; empty for rules in Python. Raises UserError if the book is invalid."""
    return [] if (loop.spec.rules or "").endswith(".py") else list(_rules(places, loop, metrics, PATIENCE).rules)


def preset_of(places: Places, loop: Loop) -> Preset:
    """The preset that the loop was created with."""
    kept = places.frozen(loop.name) / PRESET
    if not kept.exists():
        return load_preset(loop.spec.preset)
    preset = parse_preset(read_text(kept, "launch preset"), loop.spec.preset)
    base = kept.with_name(BASE)
    if base.exists():
        preset = msgspec.structs.replace(preset, base=parse_config(read_text(base, "base config"), str(base)))
    masked = [name for name, value in preset.env.items() if secrets.MASK in value]
    if not masked:
        return preset
    try:
        given = load_preset(loop.spec.preset).env
    except UserError:
        return preset
    return msgspec.structs.replace(preset, env={**preset.env, **{name: given.get(name, secrets.MASK) for name in masked}})


def _without_secrets(text: str) -> str:
    """The text of a preset, or of settings with one, with the secrets in its [env] and [base] masked. Raises TomlError."""
    raw = read_toml(text)
    preset = raw.get("trainer", raw)
    environment, base = (preset.get(key) if isinstance(preset, dict) else None for key in ("env", "base"))
    given = environment.items() if isinstance(environment, dict) else ()
    held = [value for name, value in given if isinstance(value, str) and secrets.shown_value(name, value) != value]
    for value in [*held, *secrets.of_config(base if isinstance(base, dict) else {})]:
        for quote in "\"'":
            text = text.replace(f"{quote}{value}{quote}", f"{quote}{secrets.MASK}{quote}")
    return text


def differences(places: Places, loop: Loop) -> list[str]:
    """A list with one sentence that names the files that have changed since the loop was created; empty if none have."""
    folder = places.frozen(loop.name)
    if not folder.is_dir():
        return []
    changed = []
    for kept, path in _files(Path(loop.spec.cwd), loop.spec, folder).items():
        if kept == settings.FILE:
            continue
        try:
            text = read_text(path, "file")
            if kept == PRESET:
                text = _without_secrets(text)
            before = read_text(folder / kept, "file")
            # In autoloop.toml, only the table [trainer] is the preset; the rest are settings.
            same = text == before
            if not same and path.name == settings.FILE:
                same = parse_preset(text, str(path)) == parse_preset(before, str(path))
        except (OSError, UserError, TomlError):
            same = False
        if not same:
            changed.append(str(path))
    if not changed:
        return []
    verb = "has" if len(changed) == 1 else "have"
    return [f"{' and '.join(changed)} {verb} changed since {loop.name} was created; it continues with its own copy"]


def _files(project: Path, spec: LoopSpec, folder: Path | None = None) -> dict[str, Path]:
    """The user's files, by the name of their copy. `folder`: the folder with the copies, if the settings there should name
    the metric book."""
    found: dict[str, Path] = {}
    if (folder or project).joinpath(settings.FILE).exists():
        found[settings.FILE] = project / settings.FILE
        if isinstance(name := load_settings(folder or project).metrics, str):
            found[METRICS] = project / name
    if spec.rules is not None:
        found[_rules_name(spec.rules)] = Path(spec.rules)
    if is_preset_file(spec.preset):
        found[PRESET] = Path(spec.preset)
    return found


def _rules_name(rules: str | None) -> str:
    return RULES + (".py" if rules is not None and rules.endswith(".py") else ".toml")
