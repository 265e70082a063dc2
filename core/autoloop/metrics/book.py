"""The metric book: what metrics are called, which direction is good and which are derived from others.

It is data (TOML) that a project extends with a file of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache, reduce
from typing import Any

import msgspec

from autoloop import profiles
from autoloop.metrics.wording import Direction, direction_of
from autoloop.model import UserError
from autoloop.toml import parse_toml, read_table

COUNTERS = ("_step", "_runtime", "_timestamp", "_wandb*")
"""Columns that W&B adds to every row."""


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric under its canonical `name`. `aliases`: other column names, first that exists; `short`: how rules and
    tables write it, the first is shown; `best`: which direction is good, None to leave it to the book's patterns and then
    to the name."""

    name: str
    aliases: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    best: Direction | None = None


class Derived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric computed from others: either `first_of` (canonical names, `*` allowed) or `ratio` (above, below), where
    `epsilon` is added to what is below."""

    name: str
    first_of: tuple[str, ...] = ()
    ratio: tuple[str, str] | None = None
    epsilon: float = 0.0
    short: tuple[str, ...] = ()
    best: Direction | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    metric: tuple[Metric, ...] = ()
    derived: tuple[Derived, ...] = ()
    rename: dict[str, str] = {}
    higher: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@lru_cache(maxsize=1 << 14)
def _direction(name: str, patterns: tuple[tuple[str, Direction], ...]) -> Direction | None:
    said = (direction for pattern, direction in patterns if fnmatchcase(name, pattern))
    return next(said, None) or direction_of(name)


@lru_cache(maxsize=1 << 14)
def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name is one of those that patterns with `*` describe. Remembered, as runs share their names."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class MetricBook:
    """A metric book, ready to be asked. It does not change; `extended` gives a new one.

    `metrics` and `derived` are by canonical name, in the order of the file. `key_metrics` are the columns of a table of
    runs, as far as the book says them; `named` those that `--until` and the rules look at. A name that the book does not
    know is a metric too: it keeps its name, and which direction is good is what the name tells.
    """

    def __init__(
        self, file: _File, patterns: tuple[tuple[str, Direction], ...] | None = None, named: tuple[str, ...] = ()
    ) -> None:
        self._file = file
        self.named = named
        own: Iterable[tuple[str, Direction]] = [
            *((each, "high") for each in file.higher),
            *((each, "low") for each in file.lower),
        ]
        self._patterns = tuple(own) if patterns is None else patterns
        """The first that matches counts."""
        self.metrics: Mapping[str, Metric] = {metric.name: metric for metric in file.metric}
        self.derived: Mapping[str, Derived] = {derived.name: derived for derived in file.derived}
        self.key_metrics: tuple[str, ...] = file.key

    @cached_property
    def digest(self) -> str:
        """Differs where two books do."""
        return hashlib.sha256(msgspec.json.encode((self._file, self._patterns))).hexdigest()[:16]

    @property
    def names(self) -> list[str]:
        """Every canonical name, for suggestions and completions."""
        return [*self.metrics, *self.derived]

    @cached_property
    def _known(self) -> dict[str, str]:
        """Every way to write a metric -> its canonical name. A canonical name is never taken by an alias."""
        known: dict[str, str] = {}
        for metric in self._file.metric:
            known |= dict.fromkeys((*metric.aliases, *metric.short), metric.name)
        for derived in self._file.derived:
            known |= dict.fromkeys(derived.short, derived.name)
        return known | {name: name for name in self.names}

    def resolve_name(self, name: str) -> str | None:
        """The canonical name for a canonical name, an alias or a short name; None for what the book does not know."""
        return self._known.get(name) or self.renamed(name)

    def renamed(self, column: str) -> str | None:
        """The name of a column of a renamed family (`train/ot_ot_cost/wrist` -> `train/ot_cost/wrist`), else None."""
        for begin, new in self._file.rename.items():
            if column.startswith(begin) and len(column) > len(begin):
                return new + column[len(begin) :]
        return None

    def is_ignored(self, column: str) -> bool:
        """Whether a column is a counter, not a metric."""
        return fits(column, self._file.ignored)

    def short(self, canonical: str) -> str:
        """The name for tables and rules; without the leading `train/` where the book has none."""
        entry = self.metrics.get(canonical) or self.derived.get(canonical)
        return entry.short[0] if entry and entry.short else canonical.removeprefix("train/")

    def direction(self, canonical: str) -> Direction | None:
        """Which direction is good: as the book says, else by the name; None if neither tells, and then no value is best."""
        entry = self.metrics.get(canonical) or self.derived.get(canonical)
        if entry and entry.best:
            return entry.best
        return _direction(canonical, self._patterns)

    def with_keys(self, keys: Iterable[str]) -> MetricBook:
        """This book with other key metrics."""
        return MetricBook(msgspec.structs.replace(self._file, key=tuple(keys)), self._patterns, self.named)

    def naming(self, names: Iterable[str]) -> MetricBook:
        """This book for a loop whose `--until` and rules look at these metrics."""
        return MetricBook(self._file, self._patterns, tuple(names))

    def extended(self, other: MetricBook) -> MetricBook:
        """This book and a project's on top.

        For a metric in both, the other's aliases and short names come first and its direction holds if it gives one; a
        derived metric is replaced; the other's key metrics, if any, are taken.
        """
        mine, theirs = self._file, other._file
        metrics = dict(self.metrics)
        for metric in theirs.metric:
            old = metrics.get(metric.name, Metric(name=metric.name))
            metrics[metric.name] = Metric(
                name=metric.name,
                aliases=tuple(dict.fromkeys(metric.aliases + old.aliases)),
                short=tuple(dict.fromkeys(metric.short + old.short)),
                best=metric.best or old.best,
            )
        return MetricBook(
            _File(
                metric=tuple(metrics.values()),
                derived=tuple((dict(self.derived) | dict(other.derived)).values()),
                rename=mine.rename | theirs.rename,
                key=theirs.key or mine.key,
                ignored=mine.ignored + theirs.ignored,
            ),
            other._patterns + self._patterns,
            self.named,
        )


def found_as(name: str, book: MetricBook, metrics: Container[str]) -> str:
    """Which of a run's `metrics` a name stands for: by the book, as it is, or as tables show it, without `train/`."""
    canonical = book.resolve_name(name) or name
    in_training = f"train/{canonical}"
    return in_training if canonical not in metrics and in_training in metrics else canonical


def parse_metric_book(text: str, source: str) -> MetricBook:
    """The book in `text` (TOML, laid out as the shipped metrics.toml). Raises UserError naming `source` and the place."""
    return metric_book(parse_toml(text, source), source)


def metric_book(table: Mapping[str, Any], source: str) -> MetricBook:
    """The book in a table of TOML. Raises UserError naming `source` and the place."""
    file = read_table(table, _File, source)
    for derived in file.derived:
        if bool(derived.first_of) == bool(derived.ratio):
            raise UserError(f'{source}: the derived metric "{derived.name}" needs either first_of or ratio, and only one.')
    owners: dict[str, str] = {}
    entries: list[Metric | Derived] = [*file.metric, *file.derived]
    for entry in entries:
        aliases = entry.aliases if isinstance(entry, Metric) else ()
        for name in dict.fromkeys((entry.name, *aliases, *entry.short)):
            if name in owners:
                both = f"both {owners[name]} and {entry.name}" if owners[name] != entry.name else f"{name} twice"
                raise UserError(f'{source}: "{name}" stands for {both}; remove one of them.')
            owners[name] = entry.name
    return MetricBook(file)


@cache
def default_book(methods: tuple[str, ...] = profiles.METHODS) -> MetricBook:
    """The shipped book for configs to which these methods apply; of all methods where the config is not known."""
    texts = profiles.texts("metrics.toml", (*methods, *profiles.TRAINERS))
    books = [parse_metric_book(text, "the shipped metrics.toml") for text in texts]
    return reduce(MetricBook.extended, books, MetricBook(_File(ignored=COUNTERS)))


class MetricBooks(msgspec.Struct, frozen=True):
    """The metric book for each config: the shipped one of the methods that apply to it, with the project's on top."""

    project: MetricBook | None = None

    def of(self, methods: Iterable[str]) -> MetricBook:
        book = default_book(tuple(methods))
        return book if self.project is None else book.extended(self.project)

    def for_run(self, config: Mapping[str, Any], names: Iterable[str]) -> MetricBook:
        """For a run of which only this is known; without a config the names of its metrics tell the methods."""
        return self.of(_methods(config, names))

    def for_runs(self, runs: Iterable[tuple[Mapping[str, Any], Iterable[str]]]) -> MetricBook:
        """One for several runs: of all the methods that apply to any."""
        found = {method for config, names in runs for method in _methods(config, names)}
        return self.of(method for method in profiles.METHODS if method in found)

    @property
    def digest(self) -> str:
        """Differs if one of the books does."""
        return self.of(profiles.METHODS).digest


def _methods(config: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    return profiles.methods_of(config) if config else profiles.methods_logging(names)
