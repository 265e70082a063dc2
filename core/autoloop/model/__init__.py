"""The nouns of a loop and their states: frozen values, no I/O.

Everything here can be written to JSON by msgspec and read back equal. Times are Unix seconds (float), durations seconds,
steps are optimiser steps of the trainer.
"""

from autoloop.model.attempt import Attempt, Cause, ExitRecord
from autoloop.model.edits import Change, Config
from autoloop.model.errors import UserError
from autoloop.model.event import Event
from autoloop.model.evidence import Evidence, Observation
from autoloop.model.loop import Loop, LoopSpec, LoopState, Round, RoundState, Slot, WandbSpec
from autoloop.model.metrics import MetricSummary, Series, Summary
from autoloop.model.proposal import LiveContext, Proposal, ProposalStatus
from autoloop.model.run import Run, RunState

__all__ = [
    "Attempt",
    "Cause",
    "Change",
    "Config",
    "Event",
    "Evidence",
    "ExitRecord",
    "LiveContext",
    "Loop",
    "LoopSpec",
    "LoopState",
    "MetricSummary",
    "Observation",
    "Proposal",
    "ProposalStatus",
    "Round",
    "RoundState",
    "Run",
    "RunState",
    "Series",
    "Slot",
    "Summary",
    "UserError",
    "WandbSpec",
]
