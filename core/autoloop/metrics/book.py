"""The metric book: the names of metrics, their better direction, and metrics derived from others.

It is data (TOML) that a project can extend with its own file.
"""

from __future__ import annotations

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
    """One metric with its canonical `name`. `aliases`: other column names, of which the first existing one is used; `short`:
    its names in rules and tables, of which the first is shown; `best`: the better direction, None to derive it from the
    book's patterns and then from the name."""

    name: str
    aliases: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    best: Direction | None = None


class DerivedMetric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric computed from others: either the first existing one of `first_of` (canonical names, `*` allowed), or the
    `ratio` (numerator, denominator), with `epsilon` added to the denominator."""

    name: str
    first_of: tuple[str, ...] = ()
    ratio: tuple[str, str] | None = None
    epsilon: float = 0.0
    short: tuple[str, ...] = ()
    best: Direction | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    metric: tuple[Metric, ...] = ()
    derived: tuple[DerivedMetric, ...] = ()
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
    """Whether a name matches any of the shell patterns. Cached, because runs share their names."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class MetricBook:
    """A parsed metric book. Immutable; `extended` returns a new one.

    `metrics` and `derived`: by canonical name, in the order of the file. `key_metrics`: the columns for a table of runs, if
    the book defines any. `named`: the metrics used by `--until` and the rules. A name that is not in the book is a metric
    too: it keeps its name, and its better direction is derived from the name.
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
        """Ordered: the first match counts."""
        self.metrics: Mapping[str, Metric] = {metric.name: metric for metric in file.metric}
        self.derived: Mapping[str, DerivedMetric] = {derived.name: derived for derived in file.derived}
        self.key_metrics: tuple[str, ...] = file.key

    @cached_property
    def digest(self) -> str:
        """A hash of the book's contents, 16 hex characters."""
        from hashlib import sha256  # imported here because it loads OpenSSL, which most programs do not need

        return sha256(msgspec.json.encode((self._file, self._patterns))).hexdigest()[:16]

    @property
    def names(self) -> list[str]:
        """Every canonical name, for suggestions and completions."""
        return [*self.metrics, *self.derived]

    @cached_property
    def _known(self) -> dict[str, str]:
        """Every name of a metric -> its canonical name. Canonical names take precedence over aliases."""
        known: dict[str, str] = {}
        for metric in self._file.metric:
            known |= dict.fromkeys((*metric.aliases, *metric.short), metric.name)
        for derived in self._file.derived:
            known |= dict.fromkeys(derived.short, derived.name)
        return known | {name: name for name in self.names}

    def resolve_name(self, name: str) -> str | None:
        """The canonical name for a canonical name, an alias or a short name; None if the book has none of them."""
        return self._known.get(name) or self.renamed(name)

    def renamed(self, column: str) -> str | None:
        """The new name of a column in a renamed family (`train/ot_ot_cost/wrist` -> `train/ot_cost/wrist`), or None."""
        for begin, new in self._file.rename.items():
            if column.startswith(begin) and len(column) > len(begin):
                return new + column[len(begin) :]
        return None

    def is_ignored(self, column: str) -> bool:
        """Whether a column is a counter, not a metric."""
        return fits(column, self._file.ignored)

    def short(self, canonical: str) -> str:
        """The name for tables and rules; without a short name, the canonical one without a leading `train/`."""
        entry = self.metrics.get(canonical) or self.derived.get(canonical)
        return entry.short[0] if entry and entry.short else canonical.removeprefix("train/")

    def direction(self, canonical: str) -> Direction | None:
        """The better direction according to the book, otherwise to the name; None if unknown, and then no value is best."""
        entry = self.metrics.get(canonical) or self.derived.get(canonical)
        if entry and entry.best:
            return entry.best
        return _direction(canonical, self._patterns)

    def with_keys(self, keys: Iterable[str]) -> MetricBook:
        """This book with other key metrics."""
        return MetricBook(msgspec.structs.replace(self._file, key=tuple(keys)), self._patterns, self.named)

    def naming(self, names: Iterable[str]) -> MetricBook:
        """This book for a loop that uses these metrics in `--until` and its rules."""
        return MetricBook(self._file, self._patterns, tuple(names))

    def extended(self, other: MetricBook) -> MetricBook:
        """This book extended by `other`, a project's.

        For a metric in both, the other's aliases and short names come first, and its direction takes precedence if it has
        one. Derived metrics of the same name are replaced, and so are the key metrics if the other has any.
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
    """The name in a run's `metrics` that a name refers to: resolved by the book, unchanged, or with `train/`, which tables
    omit. The canonical name if `metrics` has none of these."""
    canonical = book.resolve_name(name) or name
    in_training = f"train/{canonical}"
    return in_training if canonical not in metrics and in_training in metrics else canonical


def parse_metric_book(text: str, source: str) -> MetricBook:
    """The book in `text` (TOML, like the shipped metrics.toml). Raises UserError naming `source` and the place."""
    return metric_book(parse_toml(text, source), source)


def metric_book(table: Mapping[str, Any], source: str) -> MetricBook:
    """The book in a TOML table. Raises UserError naming `source` and the place."""
    file = read_table(table, _File, source)
    for derived in file.derived:
        if bool(derived.first_of) == bool(derived.ratio):
            raise UserError(f'{source}: the derived metric "{derived.name}" needs either first_of or ratio, and only one.')
    owners: dict[str, str] = {}
    entries: list[Metric | DerivedMetric] = [*file.metric, *file.derived]
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
    """The shipped book for configs to which these methods apply; all methods by default, for unknown configs."""
    texts = profiles.texts("metrics.toml", (*methods, *profiles.TRAINERS))
    books = [parse_metric_book(text, "the shipped metrics.toml") for text in texts]
    return reduce(MetricBook.extended, books, MetricBook(_File(ignored=COUNTERS)))


class MetricBooks(msgspec.Struct, frozen=True):
    """The metric book for each config: the shipped one for the methods that apply to it, extended by the project's."""

    project: MetricBook | None = None

    def of(self, methods: Iterable[str]) -> MetricBook:
        book = default_book(tuple(methods))
        return book if self.project is None else book.extended(self.project)

    def for_run(self, config: Mapping[str, Any], names: Iterable[str]) -> MetricBook:
        """The book for a run. Without a config, the methods are derived from the `names` of its metrics."""
        return self.of(_methods(config, names))

    def for_runs(self, runs: Iterable[tuple[Mapping[str, Any], Iterable[str]]]) -> MetricBook:
        """One book for several runs, with all methods that apply to any of them."""
        found = {method for config, names in runs for method in _methods(config, names)}
        return self.of(method for method in profiles.METHODS if method in found)

    @property
    def digest(self) -> str:
        """A hash over the contents of all the books, 16 hex characters."""
        return self.of(profiles.METHODS).digest


def _methods(config: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    return profiles.methods_of(config) if config else profiles.methods_logging(names)
