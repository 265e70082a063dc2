"""The outcome of a loop: whether a config is better than its baseline, its rules' contributions, its cost."""

from enum import StrEnum

import msgspec

from autoloop.model.edits import Change


class Call(StrEnum):
    """The result of comparing two configs."""

    BETTER = "better"
    WORSE = "worse"
    HIGHER = "higher"
    """A difference in a metric whose better direction is unknown."""
    LOWER = "lower"
    NO_DIFFERENCE = "no difference shown"
    """A difference of one spread between seeds would have shown by now."""
    NOT_ENOUGH = "not enough runs"

    @property
    def decided(self) -> bool:
        """Whether a difference has been shown."""
        return self not in (Call.NO_DIFFERENCE, Call.NOT_ENOUGH)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A config, represented by its first finished run; `value`: the mean over its finished `runs`."""

    run: str
    value: float
    runs: int


class RoundStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The best config among those new in a round."""

    round: int
    first: Standing


class RuleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of a rule's proposals, one per firing; if `searched`, those of the search named by `rule`. `better`,
    `worse` and `no_difference` count the verdicts on those that ran, each compared with its base."""

    rule: str
    searched: bool = False
    proposed: int = 0
    approved: int = 0
    """By a user or the policy."""
    rejected: int = 0
    ran: int = 0
    better: int = 0
    worse: int = 0
    no_difference: int = 0

    @property
    def undecided(self) -> int:
        """The number that ran, but with too few runs for a verdict."""
        return self.ran - self.better - self.worse - self.no_difference


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The best config compared with the baseline by autoloop.verdicts. `effect`: the best minus the baseline; `interval`:
    None if the noise between seeds is unknown; `runs`: the number on each side; `more`: how many more would settle it."""

    call: Call
    basis: str
    effect: float
    runs: tuple[int, int]
    interval: tuple[float, float] | None = None
    more: int | None = None


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """The confirmation, on fresh seeds, of a config that looked better than the baseline.

    `contender`: its first finished run. `explored`: how much better it had looked in `explored_runs` of its runs, which do
    not count here. `comparison`: over the fresh seeds alone; None until a run on one of them has finished. `failed`: how
    many of its runs on fresh seeds ended without a value. `given_up`: why the confirmation stopped undecided, if it did.
    """

    contender: str
    explored: float
    explored_runs: int
    comparison: Comparison | None = None
    failed: int = 0
    given_up: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether the config has been shown to be better than the baseline."""
        return self.comparison is not None and self.comparison.call is Call.BETTER

    @property
    def settled(self) -> bool:
        """Whether no more of its seeds need to run."""
        decided = self.comparison is not None and self.comparison.call is not Call.NOT_ENOUGH
        return decided or self.given_up is not None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A loop's outcome, judged by one `statistic` of `metric` per run.

    `baseline`: the first given config. `first`: the best config, among those shown to be better than the baseline if there
    are any. `comparison`: `first` against `baseline`, None if they are the same; `changes` lead from the baseline to
    `first`. `confirms`: only fresh seeds decide which config is better; `confirmations` then holds their results in order,
    and `comparison` of a config shown to be better is over its fresh seeds. `seconds`: the training time of `runs` runs,
    in GPU seconds if `gpus`.
    """

    metric: str
    statistic: str
    highest: bool
    """Whether higher is better."""
    baseline: Standing
    first: Standing
    comparison: Comparison | None = None
    changes: list[Change] = []
    confirms: bool = False
    confirmations: list[Confirmation] = []
    rounds: list[RoundStanding] = []
    rules: list[RuleRecord] = []
    runs: int = 0
    seconds: float = 0.0
    gpus: bool = False

    @property
    def better(self) -> bool:
        """Whether a config has been shown to be better than the baseline."""
        if self.confirms:
            return any(each.confirmed for each in self.confirmations)
        return self.comparison is not None and self.comparison.call is Call.BETTER
