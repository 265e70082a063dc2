"""The data types of a loop and their states: frozen, without I/O.

Every type round-trips through JSON with msgspec. Times are Unix seconds (float), durations seconds,
steps are optimiser steps of the trainer.

These modules do not use `from __future__ import annotations`: msgspec would have to compile each annotation from text, which
took 8 ms of every command.
"""

from autoloop.model.actor import DEFAULT_RULE, POLICY, REPLICATES, THEN, Actor, ActorKind
from autoloop.model.attempt import Attempt, Cause, ExitRecord
from autoloop.model.delivery import Delivery, DeliveryState, HookEvent, Message
from autoloop.model.edits import Change, Config
from autoloop.model.ends import (
    LOOP_STOP,
    LapseKind,
    LoopEnd,
    LoopEndKind,
    Requeue,
    RequeueKind,
    StopCause,
    StopKind,
    Taken,
    TakenKind,
)
from autoloop.model.errors import UserError
from autoloop.model.event import Event, EventKind
from autoloop.model.evidence import Evidence, Observation
from autoloop.model.expectation import Expectation
from autoloop.model.gpu_use import GpuUse
from autoloop.model.host import HostSpec
from autoloop.model.loop import (
    AgentsHeld,
    ApprovalMode,
    ApprovalPolicy,
    BestRun,
    HalveSpec,
    Loop,
    LoopSpec,
    LoopState,
    Round,
    RoundState,
    WandbSpec,
)
from autoloop.model.metrics import MetricSummary, Series, Summary
from autoloop.model.note import LONGEST_NOTE, Note, NoteTarget
from autoloop.model.outcome import Call, Comparison, Confirmation, Outcome, RoundStanding, RuleRecord, Standing
from autoloop.model.proposal import LiveContext, Proposal, ProposalStatus, Repeats
from autoloop.model.run import Halved, Run, RunState, Unjudged
from autoloop.model.search import Axis, Sampler, Search
from autoloop.model.sender import Sender
from autoloop.model.slot import LOCAL, Slot
from autoloop.model.slurm import SLURM, SlurmSpec

__all__ = [
    "DEFAULT_RULE",
    "LOCAL",
    "LONGEST_NOTE",
    "LOOP_STOP",
    "POLICY",
    "REPLICATES",
    "SLURM",
    "THEN",
    "Actor",
    "ActorKind",
    "AgentsHeld",
    "ApprovalMode",
    "ApprovalPolicy",
    "Attempt",
    "Axis",
    "BestRun",
    "Call",
    "Cause",
    "Change",
    "Comparison",
    "Config",
    "Confirmation",
    "Delivery",
    "DeliveryState",
    "Event",
    "EventKind",
    "Evidence",
    "ExitRecord",
    "Expectation",
    "GpuUse",
    "HalveSpec",
    "Halved",
    "HookEvent",
    "HostSpec",
    "LapseKind",
    "LiveContext",
    "Loop",
    "LoopEnd",
    "LoopEndKind",
    "LoopSpec",
    "LoopState",
    "Message",
    "MetricSummary",
    "Note",
    "NoteTarget",
    "Observation",
    "Outcome",
    "Proposal",
    "ProposalStatus",
    "Repeats",
    "Requeue",
    "RequeueKind",
    "Round",
    "RoundStanding",
    "RoundState",
    "RuleRecord",
    "Run",
    "RunState",
    "Sampler",
    "Search",
    "Sender",
    "Series",
    "Slot",
    "SlurmSpec",
    "Standing",
    "StopCause",
    "StopKind",
    "Summary",
    "Taken",
    "TakenKind",
    "Unjudged",
    "UserError",
    "WandbSpec",
]
