"""A loop, its rounds, its slots, and its specification."""

import time
from enum import StrEnum

import msgspec

from autoloop.model.ends import LoopEnd
from autoloop.model.host import HostSpec
from autoloop.model.outcome import Outcome
from autoloop.model.search import Search
from autoloop.model.sender import Sender
from autoloop.model.slot import Slot
from autoloop.model.slurm import SLURM, SlurmSpec


class LoopState(StrEnum):
    ACTIVE = "active"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Ended early, by a user or a halt; `autoloop-tui resume` continues it."""


class RoundState(StrEnum):
    RUNNING = "running"
    DECIDING = "deciding"
    """All its runs have ended; its proposals wait for a decision."""
    DONE = "done"


class WandbSpec(msgspec.Struct, frozen=True, kw_only=True):
    online: bool = False
    entity: str | None = None
    project: str | None = None
    later: bool = False
    """Online was requested but the server did not answer: recorded offline, with upload instructions in the report."""


class ApprovalMode(StrEnum):
    AUTO = "auto"
    """Proposals are approved as soon as they are made."""
    MANUAL = "manual"
    """Only a user approves."""
    AFTER = "after"
    """A user has some time to decide; after that, pending proposals are approved."""


class ApprovalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Who approves proposals. As text: `auto`, `manual`, `after:600`."""

    mode: ApprovalMode = ApprovalMode.AUTO
    after: float | None = None
    """Seconds that a user has to decide; only for AFTER."""

    def __str__(self) -> str:
        return self.mode.value if self.after is None else f"{self.mode.value}:{self.after:g}"


class HalveSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`--halve`: at `step` the worse half of a round's configs is stopped, by `metric` (None: the first key metric)."""

    step: int
    """0: not known yet (`--halve auto`)."""
    metric: str | None = None


AUTO = ApprovalPolicy()


class LoopSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The specification given to `autoloop-tui run`. Paths are absolute (stored relative to the project). Contains no
    secrets."""

    configs: list[str]
    steps: int = 2000
    log_freq: int = 50
    eval_freq: int = 200
    device: str = "cuda"
    gpus: list[int] = []
    gpus_per_run: int = 1
    allow_busy: bool = False
    """Start on a GPU even if someone else is using it."""
    concurrency: int = 1
    slurm: SlurmSpec | None = None
    """Submit runs to Slurm; with `gpus`, also use those of this machine."""
    hosts: list[HostSpec] = []
    """Hosts for runs; with `gpus`, also this machine."""
    extra: list[str] = []
    wandb: WandbSpec = WandbSpec()
    formal: bool = False
    """Require GPUs and W&B online."""
    rounds: int = 1
    variants_per_run: int = 2
    decide: bool = False
    """Rules propose."""
    search: Search | None = None
    """The search used when no rule proposes anything, or instead of rules without `decide`."""
    approve: ApprovalPolicy = AUTO
    grace: float = 10.0
    """Seconds from a user's last decision to the automatic start of the next round; decisions can be undone until then."""
    until: str | None = None
    rules: str | None = None
    methods: list[str] | None = None
    """The methods whose metrics and rules apply, determined by its configs. None before planning, and in stores of 0.1.0,
    where all methods applied to every loop."""
    named_metrics: list[str] = []
    """The metrics used by `--until` and the rules, in this order."""
    live: bool = False
    """Whether the rule book's live rules are active."""
    preset: str = "plain"
    python: str = ""
    train_script: str | None = None
    cwd: str = ""
    retries: int = 0
    name: str | None = None
    output_root: str = ""
    summary_out: str = ""
    markdown_out: str = ""
    inherit_dataset_from: str | None = None
    grid: list[str] = []
    """Grid axes for each config (`lr=1e-3,3e-3`), as typed; before a loop with a `search` is planned, the axes of its
    space."""
    seeds: str | None = None
    """The seeds of each config: a count, or a list."""
    halve: HalveSpec | None = None
    extend_winner: int | None = None
    """Total steps of the long training (`--then extend=…`) of the config that is better than the baseline."""
    confirm: bool = False
    """Whether configs that look better than the baseline are confirmed on fresh seeds first (`--replicates auto`); false in
    loops of earlier versions."""
    zip: bool = False
    """Pair the values of the axes one to one instead of combining them."""
    max_hours: float | None = None
    """Hours after which no run starts; once active runs have ended, the loop stops."""
    max_runs: int | None = None
    """Maximum number of runs in total."""
    quiet_hours: str | None = None
    """Hours of the day (`22:00-07:00`, local time) in which no new run starts; active runs continue."""

    @property
    def proposes(self) -> bool:
        """Whether rules or a search propose from a round."""
        return self.decide or self.search is not None

    @property
    def confirms(self) -> bool:
        """Whether later rounds may confirm the findings of earlier ones."""
        return self.confirm and self.proposes and self.rounds > 1

    @property
    def on_gpus(self) -> bool:
        """Whether its runs train on GPUs, here or elsewhere."""
        return self.device != "cpu" and bool(self.gpus or self.slurm or self.hosts)

    @property
    def elsewhere(self) -> bool:
        """Whether none of its runs use this machine."""
        return bool(self.slurm or self.hosts) and not self.gpus

    @property
    def apart(self) -> bool:
        """Whether all its runs are on hosts, which have their own training environments."""
        return self.elsewhere and self.slurm is None

    @property
    def slots(self) -> list[Slot]:
        slots = self._local_slots()
        cpu = self.device == "cpu"
        for host in self.hosts:
            groups = host.groups(self.gpus_per_run, cpu=cpu)
            slots += [Slot(index=len(slots) + i, gpus=each, place=host.name, number=i) for i, each in enumerate(groups)]
        jobs = self.slurm.max_jobs if self.slurm else 0
        return [*slots, *(Slot(index=len(slots) + i, place=SLURM, number=i + 1, of=jobs) for i in range(jobs))]

    def _local_slots(self) -> list[Slot]:
        if self.device == "cpu" or not self.gpus:
            return [] if self.elsewhere else [Slot(index=i) for i in range(self.concurrency)]
        firsts = range(0, len(self.gpus), self.gpus_per_run)
        groups = [tuple(self.gpus[first : first + self.gpus_per_run]) for first in firsts]
        return [Slot(index=i, gpus=group) for i, group in enumerate(groups[: self.concurrency])]


class BestRun(msgspec.Struct, frozen=True, kw_only=True):
    """The run of a loop with the highest or lowest last value of a metric."""

    metric: str
    highest: bool
    value: float
    run: str

    @property
    def word(self) -> str:
        return "highest" if self.highest else "lowest"

    def beats(self, other: "BestRun") -> bool:
        """Whether it ranks better than another by the same metric."""
        return self.value > other.value if self.highest else self.value < other.value


class AgentsHeld(msgspec.Struct, frozen=True, kw_only=True):
    """A hold of all agents: who set it, as text, and when."""

    by: str
    at: float

    @property
    def words(self) -> str:
        """`by ada, since 14:02`."""
        return f"by {self.by}, since {time.strftime('%H:%M', time.localtime(self.at))}"


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    """`loop_<unix time>`, also the folder name under the output root."""
    state: LoopState
    spec: LoopSpec
    output_dir: str
    created_at: float
    started_by: Sender | None = None
    """Who created it; None in stores of earlier versions."""
    ended_at: float | None = None
    end: LoopEnd | None = None
    """How it ended; set earlier if only an extended run is left."""
    paused: bool = False
    agents_held: AgentsHeld | None = None
    """Set while agents may only read."""
    waits_for: str | None = None
    """Why no queued run is started now: the missing resource, as text."""
    held: bool = False
    """Whether a user holds the automatic start of the next round."""
    deadline: float | None = None
    """When its --max-hours end; a resume can move it."""
    max_runs: int | None = None
    """Its current --max-runs."""
    resumed_at: float | None = None
    """When it was last resumed after it had stopped: failures before that no longer count."""
    slot_waits: dict[int, str] = {}
    """What each free slot is waiting for, by slot index."""
    unreachable: dict[str, str] = {}
    """Unreachable places, and since when, as text."""
    winner: str | None = None
    """The run that meets `--until`."""
    winner_seeds: int = 0
    """Number of fresh seeds on which the winner's config is confirmed, by their mean; 0 if it is not confirmed."""
    best: BestRun | None = None
    """Set by the engine at the end of the loop, because computing it for a large loop takes seconds."""
    outcome: Outcome | None = None
    """The outcome of a finished loop; None if no run of its first config has a metric to compare."""

    @property
    def reason(self) -> str | None:
        """Why it ended, as text."""
        return self.end.text if self.end else None


class Round(msgspec.Struct, frozen=True, kw_only=True):
    loop: int
    number: int
    state: RoundState
    started_at: float
    ended_at: float | None = None
    decide_by: float | None = None
    """When pending proposals are approved without a user (`--approve after:…`)."""
    start_at: float | None = None
    """When the next round starts automatically, once everything is decided: `grace` after a user's last decision."""
    start_asked: bool = False
    """A user requested the next round now; stored, so that it survives a crash of the engine."""
