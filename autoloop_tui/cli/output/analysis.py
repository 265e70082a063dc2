"""Runs that were summarised, shown: a table for a person, JSON for a program, and what rules would propose."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autoloop.configs import config_hash, edits_as_mapping
from autoloop.files import LARGEST, read_regular
from autoloop.metrics import MetricBook, MetricBooks, main_metrics, mean_summary, to_json
from autoloop.model import Config, Run, Summary, UserError
from autoloop.reports.replicates import mean_text
from autoloop.settings import Settings
from autoloop.text.changes import after_text, before_text
from autoloop.text.number_column import aligned
from autoloop.text.plural import plural

from autoloop_tui.cli.output import printing

if TYPE_CHECKING:
    from autoloop.engine.base.among_runs import AmongRuns
    from autoloop.rules import RuleSource
    from autoloop.store import Store
    from autoloop.variants.check import CheckedVariant
    from autoloop.variants.policy import VariantPolicy
    from autoloop.variants.request import VariantRequest
    from autoloop.verdicts import AgainstBase


ALSO = 8
"""Metrics without a column that are named."""


class Analysed(NamedTuple):
    """One run, ready to be shown. `cells`: what the table says between its name and its metrics."""

    name: str
    shown: str
    cells: list[str]
    summary: Summary
    config: Config
    log: Path | None = None


def rules_of(given: list[str], settings: Settings, books: MetricBooks) -> RuleSource:
    """The rules to ask: those that are named, else the project's, else the shipped ones."""
    from autoloop.rule_files import load_rules

    path = given[0] if given else settings.rules and str(Path.cwd() / settings.rules)
    return load_rules(path, books.of(()), settings.rules_timeout)


class Suggestion(NamedTuple):
    """What a rule asks for, and what would come of it; `variant` is None if the run's config is not known."""

    request: VariantRequest
    variant: CheckedVariant | None

    def to_json(self) -> dict[str, Any]:
        """`{reason, changes: {"path@op": value}}` as people's scripts read it, with what was resolved beside it."""
        return {
            "reason": self.request.reason,
            "changes": edits_as_mapping(self.request.edits),
            "rule": self.request.rule,
            "resolved": [
                {"path": change.path, "before": change.before, "after": change.after}
                | ({"removed": True} if change.removed else {})
                for change in (self.variant.changes if self.variant else [])
            ],
            "notes": self.variant.notes if self.variant else [],
            "blocked": self.variant.blocked if self.variant else None,
        }


def proposals_for(
    runs: list[Analysed], source: RuleSource, settings: Settings, books: MetricBooks
) -> dict[str, list[Suggestion]]:
    """What the rules ask for, by run. Runs of this project's loops are judged by their loops' policies; runs that differ in
    the seed only by the mean of what they reached, as an engine judges them."""
    from autoloop.engine.planning.variant_policies import project_policy, store_of
    from autoloop.rules import RunView
    from autoloop.variants.check import check

    project = Path.cwd()
    result: dict[str, list[Suggestion]] = {}
    undecided: Counter[str] = Counter()
    with store_of(project) as store:
        otherwise = project_policy(project, settings, store)
        ours = [run for loop in store.loops() for run in store.runs(loop.id)] if store else []
        # A run is named by its folder, or by its id on W&B, which is the loop's where the preset passes it on.
        in_loops = {known: run for run in ours for known in (run.id, run.output_dir)}
        loops = {run.name: in_loops.get(os.path.abspath(run.name)) or in_loops.get(run.name) for run in runs}
        means = _means(runs, loops)
        for run in runs:
            config, policy, against = run.config, otherwise, None
            known = loops[run.name]
            if store and known:
                config, policy = _as_its_loop(store, known, settings) or (config, policy)
                against = partial(_among_its_loop, store, known)
            summary = means.get(run.name, run.summary)
            book = books.for_run(config, summary.metrics)
            judgement = source.judge(RunView(summary, config, _log_of(run), book, against))
            result[run.name] = [
                Suggestion(request, check(config, request, policy) if config else None) for request in judgement.requests
            ]
            undecided.update(judgement.notes)
    for note, times in undecided.items():
        print(f"note: {printing.printable(note)} ({plural(times, 'run')})", file=sys.stderr)
    return result


def _means(runs: list[Analysed], loops: Mapping[str, Run | None]) -> dict[str, Summary]:
    """By run, the mean over the runs of its config, if there are several seeds: of one round of a loop, or of no loop."""
    configs: dict[tuple[object, ...], dict[str, list[Analysed]]] = {}
    for run in runs:
        known = loops[run.name]
        if known is not None:
            key: tuple[object, ...] = (known.loop, known.round, known.group or known.id)
            configs.setdefault(key, {}).setdefault(known.config_hash, []).append(run)
        elif (hashes := _hashes(run.config)) is not None:
            configs.setdefault((hashes[0],), {}).setdefault(hashes[1], []).append(run)
    found: dict[str, Summary] = {}
    for by_seed in configs.values():
        if len(by_seed) > 1:
            members = [run for same in by_seed.values() for run in same if run.summary.metrics]
            if len(members) > 1:
                found |= dict.fromkeys((run.name for run in members), mean_summary([run.summary for run in members]))
    return found


def _as_its_loop(store: Store, run: Run, settings: Settings) -> tuple[Config, VariantPolicy] | None:
    """The config and the policy by which the run's loop makes variants of it; None if one of them cannot be read."""
    from autoloop.engine.base.frozen_config import frozen_config
    from autoloop.engine.planning.variant_policies import run_policy

    try:
        return frozen_config(run), run_policy(store, run, settings.field_types())
    except UserError:
        return None


@lru_cache(16)
def _among(store: Store, loop: int) -> AmongRuns:
    from autoloop.engine.base.among_runs import AmongRuns
    from autoloop.engine.planning.kept_metrics import metrics_of

    return AmongRuns(store, loop, metrics_of(store.places, store.loop(loop)))


def _among_its_loop(store: Store, run: Run) -> AgainstBase:
    return _among(store, run.loop).of(run)


def _log_of(run: Analysed) -> Any:
    """What W&B kept of the run's output, read only if a rule asks."""

    def lines() -> list[str]:
        try:
            return read_regular(run.log, LARGEST).decode("utf-8", "replace").splitlines() if run.log else []
        except OSError:
            return []

    return lines


def summaries(runs: list[Analysed]) -> dict[str, Any]:
    return {printing.encodable(run.name): to_json(run.summary) for run in runs}


def with_proposals(runs: list[Analysed], proposals: Mapping[str, list[Suggestion]]) -> dict[str, Any]:
    asked = {printing.encodable(name): [each.to_json() for each in found] for name, found in proposals.items()}
    return {"summary": summaries(runs), "proposals": asked}


def present(
    runs: list[Analysed],
    head: list[str],
    proposals: Mapping[str, list[Suggestion]] | None,
    document: dict[str, Any],
    books: MetricBooks,
    json: list[str] | None,
) -> None:
    """A table for a person, JSON for a pipe; a named file gets the JSON and the person the table."""
    file = json[0] if json and json != ["-"] else None
    if file is None and (json is not None or not sys.stdout.isatty()):
        print(printing.json_text(document))
        return
    if file is not None:
        from autoloop.files import write_atomically

        try:
            write_atomically(Path(file), printing.json_text(document) + "\n")
        except OSError as error:
            raise UserError(f"{file} cannot be written: {error.strerror}; name another file with --json.") from None
    print(_table(runs, head, books))
    if proposals is not None:
        print("\n" + _proposals_text(runs, proposals))
    if file is not None:
        print(f"\nWrote {printing.printable(file)}")


def _table(runs: list[Analysed], head: list[str], books: MetricBooks) -> str:
    book = books.for_runs((run.config, run.summary.metrics) for run in runs)
    keys, others = main_metrics([run.summary for run in runs], book)
    last = {key: _last(runs, key) for key in keys}
    rows = [
        [
            printing.printable(run.shown),
            *(printing.printable(cell) for cell in run.cells),
            run.summary.steps,
            *(last[key][place] for key in keys),
        ]
        for place, run in enumerate(runs)
    ]
    titles = [*head, "steps", *(book.short(key) for key in keys)]
    texts, metrics = [0, *range(2, len(head))], range(len(titles) - 1, len(head), -1)
    spare = [*metrics, *range(len(head) - 1, 0, -1)]
    table = printing.table(titles, rows, texts=texts, spare=spare, cells=printing.across())
    return "\n".join([table, *_seed_table(runs, keys, book), *_also(others)])


def _seed_table(runs: list[Analysed], keys: list[str], book: MetricBook) -> list[str]:
    """Mean and spread of the runs whose configs differ in nothing but the seed; nothing where there are none."""
    groups: dict[str, dict[str, list[Analysed]]] = {}
    for run in runs:
        if (hashes := _hashes(run.config)) is not None:
            groups.setdefault(hashes[0], {}).setdefault(hashes[1], []).append(run)
    rows = []
    for by_seed in groups.values():
        if len(by_seed) > 1:
            members = [run for same in by_seed.values() for run in same]
            reached = [[run.summary.metrics[key].last for run in members if key in run.summary.metrics] for key in keys]
            rows.append([printing.printable(members[0].shown), len(members), *map(mean_text, reached)])
    if not rows:
        return []
    head = ["config of", "runs", *(book.short(key) for key in keys)]
    table = printing.table(head, rows, texts=(0,), spare=range(len(head) - 1, 2, -1), cells=printing.across())
    return ["", "Over seeds, mean ± standard deviation:", table]


def _hashes(config: Config) -> tuple[str, str] | None:
    """Of the config without its seed and as it is; None where it has no seed, or holds what cannot be compared."""
    from autoloop.variants.grids import group_of
    from autoloop.variants.policy import VariantPolicy

    try:
        group = group_of(config, VariantPolicy())
        return (group, config_hash(config)) if group else None
    except UserError:
        return None


def _also(names: list[str]) -> list[str]:
    """What runs have besides, in a line or two."""
    if not names:
        return []
    named = ", ".join(map(printing.printable, names[:ALSO])) + (
        f" and {len(names) - ALSO} more" if len(names) > ALSO else ""
    )
    return printing.wrapped(f"Other metrics of these runs, which --json has: {named}.", printing.across())


def _last(runs: list[Analysed], key: str) -> list[str]:
    texts = aligned(run.summary.metrics[key].last if key in run.summary.metrics else None for run in runs)
    return ["not finite" if key in run.summary.not_finite else text for run, text in zip(runs, texts, strict=True)]


def _proposals_text(runs: list[Analysed], proposals: Mapping[str, list[Suggestion]]) -> str:
    """Lines that fit the terminal, as far as paths and values can be broken between words."""
    lines: list[str] = []
    cells = printing.across()

    def add(text: str, first: str) -> None:
        lines.extend(printing.wrapped(printing.printable(text), cells, first=first, others=f"{first}  "))

    for run in runs:
        lines.append(printing.printable(run.shown))
        if not proposals[run.name]:
            add("nothing is proposed" + ("" if run.summary.metrics else ": it has no metric"), "  ")
        for each in proposals[run.name]:
            add(f"{each.request.reason}  ({each.request.rule})", "  ")
            if each.variant is None:
                for edit in each.request.edits:
                    add(edit, "    ")
                continue
            changes = each.variant.changes
            if changes:
                width = max(printing.width(change.path) for change in changes)
                lines += [
                    f"    {printing.pad(printing.printable(change.path), width)}  "
                    f"{printing.printable(f'{before_text(change)} → {after_text(change)}')}"
                    for change in changes
                ]
            for note in each.variant.notes:
                add(note, "    ")
            if each.variant.blocked:
                add(f"must not be run: {each.variant.blocked}", "    ")
    return "\n".join(lines)
