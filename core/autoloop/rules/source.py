"""Where rules come from: a book, or a person's Python file. Whoever asks for a judgement need not tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoloop.rules.rule import Criterion, Rule
from autoloop.rules.view import RunView
from autoloop.variants.request import VariantRequest


@dataclass(frozen=True)
class Judgement:
    """What rules ask for, highest priority first and then in the order of the book; and why a rule could not be decided."""

    requests: list[VariantRequest]
    notes: list[str]


class RuleSource(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Tells one text of the source from another."""

    @property
    def rules(self) -> Sequence[Rule]:
        """Its rules, as far as they can be listed: none of a Python file."""

    @property
    def until(self) -> Mapping[str, Criterion]:
        """Its conditions that end a loop, by name."""

    @property
    def slow(self) -> bool:
        """Whether judging runs a person's code, which may take long. It then looks at a run's summary only."""

    def applies_to(self, config: Mapping[str, object]) -> bool:
        """Whether runs of this config are judged at all: the shipped book of a method is for the method's configs only."""

    def judge(self, view: RunView) -> Judgement:
        """What the rules for ended runs ask for; what goes wrong is in its notes."""

    def lacking(self, view: RunView) -> list[str]:
        """The metrics whose absence kept every rule for ended runs from being decided; empty if one could be."""

    def close(self) -> object:
        """Release what judging needed, until the next judgement."""
