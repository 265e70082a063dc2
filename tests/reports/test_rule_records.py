"""A rule's record over all loops of a project: the outcomes of its proposals, without reading ended loops again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.model import (
    Actor,
    Loop,
    LoopSpec,
    LoopState,
    Outcome,
    Proposal,
    ProposalStatus,
    Round,
    RoundState,
    RuleRecord,
    Standing,
)
from autoloop.reports import project_records
from autoloop.store import Store
from autoloop.verdicts.distributions import wilson
from autoloop.verdicts.wording import record_document, record_text

from tests.support.calls import calls_of
from tests.verdicts.test_judge import L1, seeds

RULE = Actor.rule("more-lr")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path, create=True) as opened:
        yield opened


def loop(store: Store, number: int, *, state: LoopState = LoopState.ACTIVE, rules: list[RuleRecord] | None = None) -> Loop:
    """Add a loop; `rules`: the records that an engine stored at its end."""
    base = Standing(run="b", value=1.0, runs=1)
    kept = Outcome(metric=L1, statistic="tail mean", highest=False, baseline=base, first=base, rules=rules or [])
    made = Loop(
        id=number,
        name=f"loop_{number}",
        state=state,
        spec=LoopSpec(configs=[]),
        output_dir="",
        created_at=1.0,
        outcome=kept if rules is not None else None,
    )
    store.put_loop(made)
    store.put_round(Round(loop=number, number=1, state=RoundState.DONE, started_at=1.0))
    return made


def proposal(store: Store, number: int, of: int = 1, **given: Any) -> None:
    fields: dict[str, Any] = {"base_run": "base0", "author": RULE, "reason": "r", "edits": [], "round": 1}
    store.put_proposal(Proposal(id=number, loop=of, **(fields | given)))


def test_proposals_count_as_they_were_decided_and_as_their_variants_turned_out(store: Store) -> None:
    mine = loop(store, 1)
    store.put_round(Round(loop=1, number=2, state=RoundState.DONE, started_at=1.0))
    for run in [
        *seeds("base", 0.5),
        *seeds("better", 0.4, round=2),
        *seeds("worse", 0.6, round=2),
        *seeds("same", 0.5, round=2),
    ]:
        store.put_run(run)
    for number, made in enumerate(("better0", "worse0", "same0"), 1):
        proposal(store, number, run=made, status=ProposalStatus.LAUNCHED)
    proposal(store, 4, status=ProposalStatus.REJECTED)
    proposal(store, 5)
    proposal(store, 6, author=Actor.person("ada"), run="better1", status=ProposalStatus.LAUNCHED)
    (record,) = project_records(store, mine, default_book()).values()
    assert (record.rule, record.proposed, record.approved, record.rejected, record.ran) == ("more-lr", 5, 3, 1, 3)
    assert (record.better, record.worse) == (1, 1)
    assert record.no_difference + record.undecided == 1


def test_the_records_of_all_loops_are_one(store: Store) -> None:
    kept = RuleRecord(rule="more-lr", proposed=4, approved=3, rejected=1, ran=3, better=2, worse=1)
    loop(store, 1, state=LoopState.FINISHED, rules=[kept])
    proposal(store, 1)  # the stored record of an ended loop counts, and its rows are not read again
    loop(store, 2, state=LoopState.STOPPED)  # it ended without an outcome, so its proposals are counted
    proposal(store, 2, of=2, run="gone", status=ProposalStatus.LAUNCHED)
    mine = loop(store, 3)
    proposal(store, 3, of=3)
    proposal(store, 4, of=3, author=Actor.rule("other"))
    records = project_records(store, mine, default_book())
    more = records["more-lr"]
    assert (more.proposed, more.approved, more.ran, more.better, more.undecided) == (6, 4, 4, 2, 1)
    assert records["other"] == RuleRecord(rule="other", proposed=1)
    assert project_records(store, None, default_book())["more-lr"].proposed == 6


def test_a_project_without_a_proposal_has_no_record(store: Store) -> None:
    assert project_records(store, loop(store, 1), default_book()) == {}


def test_of_a_thousand_loops_no_run_and_no_proposal_of_an_ended_one_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.transaction():
        for number in range(1, 1002):
            loop(store, number, state=LoopState.FINISHED, rules=[RuleRecord(rule="more-lr", proposed=2, ran=1, better=1)])
            proposal(store, number, of=number)
    runs, proposals = calls_of(monkeypatch, Store, "runs"), calls_of(monkeypatch, Store, "proposals")
    mine = loop(store, 2000)
    (record,) = project_records(store, mine, default_book()).values()
    assert (record.proposed, record.better) == (2002, 1001)
    assert (len(runs), len(proposals)) == (0, 1)


def test_a_record_is_told_with_the_interval_of_its_share() -> None:
    record = RuleRecord(rule="a", proposed=9, approved=8, rejected=1, ran=7, better=3, worse=1, no_difference=1)
    low, high = wilson(3, 7)
    assert (round(low, 3), round(high, 3)) == (0.158, 0.75)  # Wilson 1927: 0.158 to 0.750
    said = "helped 3 of 7 (95 %: 16–75 %), hurt 1, no difference 1, not enough runs 2 (this project)"
    assert record_text(record) == said
    assert record_text(RuleRecord(rule="a", proposed=1)) == "fired 1 time, none of its proposals has run (this project)"
    assert record_text(None) == "has not fired in this project"
    found = record_document(record)
    assert found is not None
    assert (found["fired"], found["helped"], found["not_enough_runs"]) == (9, 3, 2)
    assert found["interval95"] == (low, high)
