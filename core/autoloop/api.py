"""The public Python API: load summaries, apply rules, edit configs, write variants. docs/python-api.md has examples. Invalid
input raises a `UserError` with a one-sentence message, and nothing is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from autoloop.configs import Clamp, edits_as_mapping, edits_from_mapping, parse_config, suffix_of
from autoloop.configs.formats import JSON
from autoloop.engine.base.among_runs import LoopComparisons
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.files import read_text
from autoloop.metrics import default_book, from_json
from autoloop.model import Actor, Change, Config, MetricSummary, Run, Summary, UserError
from autoloop.rule_files import load_rules
from autoloop.rules import RunView
from autoloop.settings import load_settings
from autoloop.store import Store
from autoloop.trainers import load_preset
from autoloop.variants import files
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.files import load_recipe
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.recipes import Recipe
from autoloop.variants.request import VariantRequest

__all__ = [
    "Change",
    "Config",
    "Decision",
    "MetricSummary",
    "Recipe",
    "Summary",
    "UserError",
    "Variant",
    "VariantRequest",
    "config_of",
    "decide",
    "edit",
    "load_config",
    "load_recipe",
    "load_summaries",
    "name_of",
    "write_variant",
]


class Decision(NamedTuple):
    """One proposal of the rules: its reason and its changes as {"path@op": value}, so that f"{key}={value}" is an edit.
    `clamp`: the rule's bounds for the values.
    """

    reason: str
    changes: dict[str, Any]
    clamp: Clamp


Changes = Decision | VariantRequest | Mapping[str, Any] | Sequence[str]
"""Requested changes: a decision of the rules, a variant of a recipe, {"path@op": value}, or "path@op=value" strings."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A config with its edits applied. `changes`: every path with its value before and after; `notes`: omitted edits and
    rounded values; `path`: its file, once written."""

    config: Config
    changes: list[Change]
    notes: list[str]
    path: Path | None = None


def load_summaries(path: str | os.PathLike[str]) -> dict[str, Summary]:
    """Load the runs of an autorun_summary.json or an offline summary, ours or the original scripts': {output directory:
    summary}.

    Fields that the original scripts did not write (n, min, max, tail) are filled in if possible. If the file also holds
    proposals, as `analyze-offline --rules` writes it, only its `summary` is used.
    """
    text = read_text(Path(path), "summary")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}.") from None
    if isinstance(document, dict) and {"summary", "proposals"} <= document.keys() <= {"summary", "proposals", "schema"}:
        document = document["summary"]
    if not isinstance(document, dict) or not all(isinstance(entry, dict) for entry in document.values()):
        raise UserError(f"{path} is not a summary: it must be an object of runs, each an object of metrics.")
    return {str(run): from_json(entry) for run, entry in document.items()}


def decide(
    summary: Summary | Mapping[str, Any],
    rules: str | os.PathLike[str] | None = None,
    config: Config | None = None,
    run: str | os.PathLike[str] | None = None,
) -> list[Decision]:
    """Return the rules' proposals for a run, highest priority first; empty if it has no metric.

    `summary`: from `load_summaries`, or the same as plain data. `rules`: a rule book (.toml) or a Python file with
    decide(summary); default: the built-in book. `config`: the run's config, for rules that use it. `run`: the output
    directory of a run of this folder's loops, for rules that use verdicts, noise or `n`.
    """
    book, among = default_book(), None
    if run is not None:
        with Store.open(Path.cwd()) as store:
            found = _find_run(store, run)
            book = metrics_of(store.places, store.loop(found.loop))
            among = LoopComparisons(store, found.loop, book).of(found)
    source = load_rules(None if rules is None else os.fspath(rules), book)
    reached = summary if isinstance(summary, Summary) else from_json(dict(summary), book)
    view = RunView(reached, config or {}, book=book, against=None if among is None else lambda: among)
    try:
        requests = source.judge(view).requests
    finally:
        source.close()
    return [Decision(request.reason, edits_as_mapping(request.edits), request.clamp) for request in requests]


def load_config(path: str | os.PathLike[str]) -> Config:
    """Load a training config: JSON, or YAML or TOML by file suffix. Invalid syntax, duplicate keys and NaN raise a UserError
    with line and column."""
    return parse_config(read_text(Path(path), "config"), str(path))


def config_of(output_dir: str | os.PathLike[str], project: str | os.PathLike[str] = ".") -> Path:
    """Return the frozen config of the run in this project that wrote to `output_dir`."""
    return Path(_run_of(output_dir, project).config_path)


def name_of(output_dir: str | os.PathLike[str], project: str | os.PathLike[str] = ".") -> str:
    """Return the name of the run in this project that wrote to `output_dir`."""
    return _run_of(output_dir, project).name


def _run_of(output_dir: str | os.PathLike[str], project: str | os.PathLike[str]) -> Run:
    with Store.open(Path(project)) as store:
        return _find_run(store, output_dir)


def _find_run(store: Store, output_dir: str | os.PathLike[str]) -> Run:
    wanted = os.path.abspath(output_dir)
    for loop in store.loops():
        for run in store.runs(loop.id):
            if run.output_dir == wanted:
                return run
    raise UserError(f"No run of a loop in {store.places.project} wrote to {output_dir}; pass its config explicitly.")


def edit(config: Config, changes: Changes) -> Variant:
    """Return `config` with `changes` applied, without modifying it.

    For a `Decision`, edits that do not apply to this config are skipped with a note, and the rule's bounds apply. A user's
    edit that matches nothing raises a UserError that suggests the nearest key; so does a variant that a guard rejects.
    """
    made = _made(config, changes)
    return Variant(config=made.config, changes=made.changes, notes=made.notes)


def write_variant(
    base: str | os.PathLike[str],
    changes: Changes,
    out_dir: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> Variant:
    """Write a variant of the config file `base`, beside it or to `out_dir`, as `<base>_<hash>.json` or `<name>_<hash>.json`,
    in the format of the base. The same variant always has the same name; no other file is overwritten.
    """
    source = Path(base)
    text = read_text(source, "config")
    made = _made(parse_config(text, str(source)), changes, suffix_of(str(source)))
    folder = source.parent if out_dir is None else Path(out_dir)
    file = files.write_variant(folder, name or source.stem, text, made, suffix_of(str(source)))
    return Variant(config=made.config, changes=made.changes, notes=made.notes, path=file.path)


def _made(config: Config, changes: Changes, suffix: str = JSON) -> CheckedVariant:
    request = _request(changes)
    settings = load_settings(Path.cwd())
    # A rule's edits are checked as in a loop of this project; for a user's edits the launch settings are unknown.
    overridden = load_preset(settings.preset).flags if request.by_rule else ()
    made = check(config, request, VariantPolicy(fields=settings.field_types(), overridden=overridden), suffix)
    if made.blocked:
        raise UserError(f"The variant was not created: {made.blocked}")
    return made


def _request(changes: Changes) -> VariantRequest:
    if isinstance(changes, VariantRequest):
        return changes
    if isinstance(changes, Decision):
        edits = edits_from_mapping(changes.changes)
        return VariantRequest(author=Actor.rule(""), reason=changes.reason, edits=edits, clamp=changes.clamp)
    if isinstance(changes, Mapping):
        return VariantRequest(reason="", edits=edits_from_mapping(changes))
    return VariantRequest(reason="", edits=[changes] if isinstance(changes, str) else [str(text) for text in changes])
