"""Summarised runs as a table for people and as JSON for programs, and the proposals of rules for them."""

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
from autoloop.model import Change, Config, Run, Summary, UserError
from autoloop.reports.replicates import mean_text
from autoloop.settings import Settings
from autoloop.text.changes import after_text, before_text, without_secrets
from autoloop.text.number_column import aligned
from autoloop.text.plural import plural

from autoloop_tui.cli.output import printing

if TYPE_CHECKING:
    from autoloop.engine.base.among_runs import LoopComparisons
    from autoloop.rules import RuleSource
    from autoloop.store import Store
    from autoloop.variants.check import CheckedVariant
    from autoloop.variants.policy import VariantPolicy
    from autoloop.variants.request import VariantRequest
    from autoloop.verdicts import BaseComparison

    from autoloop_tui.cli.documents.past import AnalysisDocument, AskedDocument, ResolvedDocument


ALSO = 8
"""Maximum number of metrics without a column that are listed by name."""


class AnalysedRun(NamedTuple):
    """One run, ready for display. `cells`: the cells between its name and its metrics."""

    name: str
    shown: str
    cells: list[str]
    summary: Summary
    config: Config
    log: Path | None = None


def rules_of(given: list[str], settings: Settings, books: MetricBooks) -> RuleSource:
    """Return the rules to apply: the named ones, else the project's, else the built-in ones."""
    from autoloop.rule_files import load_rules

    path = given[0] if given else settings.rules and str(Path.cwd() / settings.rules)
    return load_rules(path, books.of(()), settings.rules_timeout)


class Suggestion(NamedTuple):
    """A request by a rule, and the variant it would give; `variant` is None if the run's config is unknown."""

    request: VariantRequest
    variant: CheckedVariant | None

    def to_json(self) -> AskedDocument:
        """Return `{reason, changes: {"path@op": value}}`, which existing scripts read, plus the resolved values."""
        return {
            "reason": self.request.reason,
            "changes": edits_as_mapping(self.request.edits),
            "rule": self.request.rule,
            "resolved": [_resolved(change) for change in (self.variant.changes if self.variant else [])],
            "notes": self.variant.notes if self.variant else [],
            "blocked": self.variant.blocked if self.variant else None,
        }


def _resolved(change: Change) -> ResolvedDocument:
    change = without_secrets(change)
    document: ResolvedDocument = {"path": change.path, "before": change.before, "after": change.after}
    return {**document, "removed": True} if change.removed else document


class ConfigSuggestions(NamedTuple):
    """The requests of the rules after the runs of one config; several runs if they differ only in the seed."""

    runs: list[AnalysedRun]
    asked: list[Suggestion]

    @property
    def shown(self) -> str:
        names = ", ".join(run.shown for run in self.runs)
        return names if len(self.runs) == 1 else f"{names} (mean of {len(self.runs)} runs)"


def proposals_for(
    runs: list[AnalysedRun], source: RuleSource, settings: Settings, books: MetricBooks
) -> list[ConfigSuggestions]:
    """Return the proposals of the rules.

    Runs of this project's loops are judged by the policies of those loops. Runs that differ only in the seed are judged
    once, by the mean of their results, as an engine judges them.
    """
    from autoloop.engine.planning.variant_policies import project_policy, store_of
    from autoloop.rules import RunView
    from autoloop.variants.check import check

    project = Path.cwd()
    result: list[ConfigSuggestions] = []
    undecided: Counter[str] = Counter()
    with store_of(project) as store:
        otherwise = project_policy(project, settings, store)
        ours = [run for loop in store.loops() for run in store.runs(loop.id)] if store else []
        # A run is known by its folder, or by its id on W&B, which equals the loop's id if the preset passes it on.
        in_loops = {known: run for run in ours for known in (run.id, run.output_dir)}
        loops = {run.name: in_loops.get(os.path.abspath(run.name)) or in_loops.get(run.name) for run in runs}
        for members in _by_config(runs, loops):
            first = members[0]
            config, policy, against = first.config, otherwise, None
            known = loops[first.name]
            if store and known:
                config, policy = _as_its_loop(store, known, settings) or (config, policy)
                against = partial(_among_its_loop, store, known)
            summary = mean_summary([run.summary for run in members]) if len(members) > 1 else first.summary
            book = books.for_run(config, summary.metrics)
            judgement = source.judge(RunView(summary, config, _log_of(first), book, against))
            asked = [
                Suggestion(request, check(config, request, policy) if config else None) for request in judgement.requests
            ]
            result.append(ConfigSuggestions(members, asked))
            undecided.update(judgement.notes)
    for note, times in undecided.items():
        printing.complain(f"note: {printing.printable(note)} ({plural(times, 'run')})")
    return result


def _by_config(runs: list[AnalysedRun], loops: Mapping[str, Run | None]) -> list[list[AnalysedRun]]:
    """Group the runs by config, keeping their order.

    A group holds runs that differ only in the seed: of one round of a loop, in its order, or of no loop. Runs without
    metrics do not contribute to a mean.
    """
    configs: dict[tuple[object, ...], list[AnalysedRun]] = {}
    hashes: dict[tuple[object, ...], set[str]] = {}
    for run in runs:
        known, alone = loops[run.name], ("alone", run.name)
        key: tuple[object, ...] = alone
        if known is not None:
            key, mine = (known.loop, known.round, known.group or known.id), known.config_hash
        elif (found := _hashes(run.config)) is not None:
            key, mine = (found[0],), found[1]
        if key != alone and run.summary.metrics:
            hashes.setdefault(key, set()).add(mine)
        else:
            key = alone
        configs.setdefault(key, []).append(run)
    listed: list[list[AnalysedRun]] = []
    places = {name: known.position for name, known in loops.items() if known}
    for key, members in configs.items():
        members.sort(key=lambda run: places.get(run.name, 0))  # an engine takes the first one, too
        # Repeating the same training does not add a seed.
        listed += [members] if len(hashes.get(key, ())) > 1 else [[run] for run in members]
    return listed


def _as_its_loop(store: Store, run: Run, settings: Settings) -> tuple[Config, VariantPolicy] | None:
    """Return the config and the policy that the run's loop uses for its variants; None if either cannot be read."""
    from autoloop.engine.base.frozen_config import frozen_config
    from autoloop.engine.planning.variant_policies import run_policy

    try:
        return frozen_config(run), run_policy(store, run, settings.field_types())
    except UserError:
        return None


@lru_cache(16)
def _among(store: Store, loop: int) -> LoopComparisons:
    from autoloop.engine.base.among_runs import LoopComparisons
    from autoloop.engine.planning.kept_metrics import metrics_of

    return LoopComparisons(store, loop, metrics_of(store.places, store.loop(loop)))


def _among_its_loop(store: Store, run: Run) -> BaseComparison:
    return _among(store, run.loop).of(run)


def _log_of(run: AnalysedRun) -> Any:
    """Return a reader for the output that W&B recorded for the run; it is read only if a rule needs it."""

    def lines() -> list[str]:
        try:
            return read_regular(run.log, LARGEST).decode("utf-8", "replace").splitlines() if run.log else []
        except OSError:
            return []

    return lines


def summaries(runs: list[AnalysedRun]) -> dict[str, Any]:
    return {printing.encodable(run.name): to_json(run.summary) for run in runs}


def with_proposals(runs: list[AnalysedRun], proposals: list[ConfigSuggestions]) -> AnalysisDocument:
    """Return the answer, with the proposals for a config under the first of its runs."""
    asked = {each.runs[0].name: [one.to_json() for one in each.asked] for each in proposals}
    return {"summary": summaries(runs), "proposals": {printing.encodable(run.name): asked.get(run.name, []) for run in runs}}


def present(
    runs: list[AnalysedRun],
    head: list[str],
    proposals: list[ConfigSuggestions] | None,
    document: str,
    books: MetricBooks,
    json: list[str] | None,
) -> None:
    """Print a table on a terminal and JSON (`document`) to a pipe.

    If a file is named, write the JSON to it and print the table.
    """
    file = json[0] if json and json != ["-"] else None
    if file is None and (json is not None or not sys.stdout.isatty()):
        print(document)
        return
    if file is not None:
        from autoloop.files import write_atomically

        try:
            write_atomically(Path(file), document + "\n")
        except OSError as error:
            raise UserError(f"{file} cannot be written: {error.strerror}; name another file with --json.") from None
    print(_table(runs, head, books))
    if proposals is not None:
        print("\n" + _proposals_text(proposals))
    if file is not None:
        print(f"\nWrote {printing.printable(file)}")


def _table(runs: list[AnalysedRun], head: list[str], books: MetricBooks) -> str:
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


def _seed_table(runs: list[AnalysedRun], keys: list[str], book: MetricBook) -> list[str]:
    """Return a table of means and spreads over runs that differ only in the seed; empty if there are none."""
    groups: dict[str, dict[str, list[AnalysedRun]]] = {}
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
    """Return the hashes of the config without and with its seed. None if it has no seed or cannot be hashed."""
    from autoloop.variants.grids import group_of
    from autoloop.variants.policy import VariantPolicy

    try:
        group = group_of(config, VariantPolicy())
        return (group, config_hash(config)) if group else None
    except UserError:
        return None


def _also(names: list[str]) -> list[str]:
    """Return a line or two that name the metrics without a column."""
    if not names:
        return []
    named = ", ".join(map(printing.printable, names[:ALSO])) + (
        f" and {len(names) - ALSO} more" if len(names) > ALSO else ""
    )
    return printing.wrapped(f"Other metrics of these runs (in --json): {named}.", printing.across())


def _last(runs: list[AnalysedRun], key: str) -> list[str]:
    texts = aligned(run.summary.metrics[key].last if key in run.summary.metrics else None for run in runs)
    return ["not finite" if key in run.summary.not_finite else text for run, text in zip(runs, texts, strict=True)]


def _proposals_text(proposals: list[ConfigSuggestions]) -> str:
    """Return the proposals as text, wrapped to the terminal as far as paths and values can be broken between words."""
    lines: list[str] = []
    cells = printing.across()

    def add(text: str, first: str) -> None:
        lines.extend(printing.wrapped(printing.printable(text), cells, first=first, others=f"{first}  "))

    for config in proposals:
        add(config.shown, "")
        if not config.asked:
            add("nothing is proposed" + ("" if config.runs[0].summary.metrics else ": it has no metric"), "  ")
        for each in config.asked:
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
