"""The common interface of rule sources: a rule book or a user's Python file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoloop.rules.rule import Criterion, Rule
from autoloop.rules.view import RunView
from autoloop.variants.request import VariantRequest


@dataclass(frozen=True)
class Judgement:
    """The requests of the rules, by descending priority and then in the order of the book; and notes on why rules could not
    be decided."""

    requests: list[VariantRequest]
    notes: list[str]


class RuleSource(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """A version that distinguishes different texts of the source."""

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules; empty for a Python file, whose rules cannot be listed."""

    @property
    def until(self) -> Mapping[str, Criterion]:
        """The criteria that end a loop, by name."""

    @property
    def slow(self) -> bool:
        """Whether judging runs a user's code, which may take long and sees only a run's summary."""

    def applies_to(self, config: Mapping[str, object]) -> bool:
        """Whether runs of this config are judged: a method's shipped book applies to the method's configs only."""

    def judge(self, view: RunView) -> Judgement:
        """Judge an ended run. Problems are reported in the notes."""

    def lacking(self, view: RunView) -> list[str]:
        """The missing metrics because of which no rule for ended runs could be decided; empty if one could."""

    def close(self) -> object:
        """Release the resources for judging; the next judgement acquires them again."""
