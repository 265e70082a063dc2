"""A loop, its rounds, its slots, and what its user asked for."""

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
    """Ended before its time, by a user or a halt; `autoloop-tui resume` continues it."""


class RoundState(StrEnum):
    RUNNING = "running"
    DECIDING = "deciding"
    """All its runs ended; the proposals made from it wait for a decision."""
    DONE = "done"


class WandbSpec(msgspec.Struct, frozen=True, kw_only=True):
    online: bool = False
    entity: str | None = None
    project: str | None = None
    later: bool = False
    """Online was asked for and the server did not answer: recorded offline, and the report says how to upload it."""


class ApprovalMode(StrEnum):
    AUTO = "auto"
    """Proposals are approved as soon as they are made."""
    MANUAL = "manual"
    """Only a user approves."""
    AFTER = "after"
    """A user has a while to decide; what is pending then is approved."""


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
    """What a user asked for with `autoloop-tui run`. Paths are absolute (stored, they are relative to the project). Never
    holds a secret."""

    configs: list[str]
    steps: int = 2000
    log_freq: int = 50
    eval_freq: int = 200
    device: str = "cuda"
    gpus: list[int] = []
    gpus_per_run: int = 1
    allow_busy: bool = False
    """Start on a GPU although someone else is using it."""
    concurrency: int = 1
    slurm: SlurmSpec | None = None
    """Runs are handed to Slurm; with `gpus` also to those of this machine."""
    hosts: list[HostSpec] = []
    """The hosts that take runs; with `gpus` also this machine."""
    extra: list[str] = []
    wandb: WandbSpec = WandbSpec()
    formal: bool = False
    """Refuses what would make its results worth less: the CPU, and W&B offline."""
    rounds: int = 1
    variants_per_run: int = 2
    decide: bool = False
    """Rules propose."""
    search: Search | None = None
    """What is searched when no rule proposes anything, or instead of rules without `decide`."""
    approve: ApprovalPolicy = AUTO
    grace: float = 10.0
    """Seconds from a user's last decision to the automatic start of the next round: it can be undone until then."""
    until: str | None = None
    rules: str | None = None
    methods: list[str] | None = None
    """The methods whose metrics and rules apply, by its configs. None before it is planned, and in stores of 0.1.0, where
    all methods applied to every loop."""
    named_metrics: list[str] = []
    """The metrics that `--until` and the rules look at, in this order."""
    live: bool = False
    """Whether the rule book's live rules watch the runs while they train."""
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
    """Axes of a grid over each config (`lr=1e-3,3e-3`), as they were typed; before a loop with a `search` is planned, those
    of its space."""
    seeds: str | None = None
    """The seeds of each config: how many, or which."""
    halve: HalveSpec | None = None
    extend_winner: int | None = None
    """Steps in all of the long training (`--then extend=…`) of the config that is better than the baseline."""
    confirm: bool = False
    """Whether what looks better than the baseline is run again with fresh seeds before it is called better (`--replicates
    auto`); not in loops of earlier versions."""
    zip: bool = False
    """The values of the axes go together one by one, in place of every combination."""
    max_hours: float | None = None
    """Hours after which nothing starts any more and, once the running runs have ended, the loop stops."""
    max_runs: int | None = None
    """How many runs it may start in all."""
    quiet_hours: str | None = None
    """Hours of the day (`22:00-07:00`, local time) in which no new run starts; running ones go on."""

    @property
    def proposes(self) -> bool:
        """Whether anything but users makes proposals from a round."""
        return self.decide or self.search is not None

    @property
    def confirms(self) -> bool:
        """Whether rounds may follow that confirm what an earlier one found."""
        return self.confirm and self.proposes and self.rounds > 1

    @property
    def on_gpus(self) -> bool:
        """Whether its runs train on GPUs, here or elsewhere."""
        return self.device != "cpu" and bool(self.gpus or self.slurm or self.hosts)

    @property
    def elsewhere(self) -> bool:
        """Whether all its runs are at other places than this machine."""
        return bool(self.slurm or self.hosts) and not self.gpus

    @property
    def apart(self) -> bool:
        """Whether all its runs are on hosts, which have training environments of their own."""
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
        """Whether it stands better than another by the same metric."""
        return self.value > other.value if self.highest else self.value < other.value


class AgentsHeld(msgspec.Struct, frozen=True, kw_only=True):
    """All agents are held: by whom, in words, and since when."""

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
    """Who gave the command that made it; None in stores of earlier versions."""
    ended_at: float | None = None
    end: LoopEnd | None = None
    """How it ended; known before that if all that is left is a run that was extended."""
    paused: bool = False
    agents_held: AgentsHeld | None = None
    """Set while agents may look and ask for nothing."""
    waits_for: str | None = None
    """Why no run is started now although some are queued: what is lacking, in words."""
    held: bool = False
    """The automatic start of the next round is held by a user."""
    deadline: float | None = None
    """When its --max-hours are over; a resume may move it."""
    max_runs: int | None = None
    """Its --max-runs as they stand now."""
    resumed_at: float | None = None
    """When it was last resumed after it had stopped: failures before that no longer count."""
    slot_waits: dict[int, str] = {}
    """What a free slot waits for before a queued run may start there, by the slot's index."""
    unreachable: dict[str, str] = {}
    """Of the places that do not answer, since when, in words."""
    winner: str | None = None
    """The run that meets `--until`."""
    winner_seeds: int = 0
    """On how many fresh seeds the mean of the winner's config meets `--until` too; 0 if it was not confirmed."""
    best: BestRun | None = None
    """Of a loop that its engine has brought to an end; looking through all runs of a large one takes seconds."""
    outcome: Outcome | None = None
    """Of a loop that has finished; None if no run of its first config tells how it stands in a metric."""

    @property
    def reason(self) -> str | None:
        """Why it ended, in words."""
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
    """When the next round starts automatically, once all is decided: `grace` after the last decision of a user."""
    start_asked: bool = False
    """A user wants the next round now; kept, so that an engine that dies after it has said yes keeps its word."""
