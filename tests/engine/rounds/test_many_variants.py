"""A round of many runs: its configs are written together, and a stop does not wait for the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from autoloop.configs import Config
from autoloop.engine.rounds import variant_runs
from autoloop.engine.rounds.proposals import Proposals
from autoloop.files import write_all
from autoloop.model import EventKind, LoopState, ProposalStatus, RoundState, Run
from autoloop.protocol import Approve, Kill, Propose, Stop, Variant
from autoloop.store import Store

from tests.engine.project import EngineProject
from tests.support.senders import person


@pytest.mark.parametrize("request_", [Stop(), Kill()], ids=["stop", "kill"])
def test_a_stop_is_obeyed_while_a_round_is_being_made_and_nothing_of_that_is_left(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch, request_: Stop | Kill
) -> None:
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    batches: list[int] = []

    def write_and_ask(files: Sequence[tuple[Path, str]]) -> None:
        if not batches:
            with Store.open(project.folder) as store:
                store.send(loop.id, request_, person("ada"))
        batches.append(len(files))
        write_all(files)

    monkeypatch.setattr(variant_runs, "BATCH", 2)
    with project.driven(loop) as engine:
        (first,) = engine.waiting()
        for number in range(9):
            engine.done(Propose(run="a", variants=[Variant(edits=[f"lr={number + 7}"])]))
        monkeypatch.setattr(variant_runs, "write_all", write_and_ask)
        engine.done(Approve(proposals=[each.id for each in project.proposals(loop)]))
        assert engine.end().state is LoopState.STOPPED
    assert batches == [4], "two runs, each with its config and the copy for people"
    assert len(project.runs(loop)) == 1
    assert len(list((project.folder / ".autoloop/configs").iterdir())) == 1
    assert list((Path(loop.output_dir) / "variants").iterdir()) == []
    assert {each.status for each in project.proposals(loop)} == {ProposalStatus.APPROVED}
    assert project.store.last_round(loop.id).state is RoundState.DECIDING
    assert project.run(loop).state is LoopState.FINISHED
    assert len(project.runs(loop, 2)) == 10
    assert first.id == 1


@pytest.mark.parametrize("until", [None, "loss.last < -1"])
def test_a_stop_is_obeyed_while_a_round_is_judged_and_the_loop_is_judged_when_it_goes_on(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch, until: str | None
) -> None:
    configs = [project.config(name) for name in "abcdef"]
    loop = project.loop(configs, rounds=2, decide=True, approve="manual", until=until)
    looked_at: list[str] = []
    real = Proposals.base_config

    def look(proposals: Proposals, run: Run) -> Config:
        looked_at.append(run.name)
        if len(looked_at) == 2:
            with Store.open(project.folder) as store:
                store.send(loop.id, Stop(), person("ada"))
        return real(proposals, run)

    monkeypatch.setattr(Proposals, "base_config", look)
    assert project.run(loop).state is LoopState.STOPPED
    assert looked_at == ["a", "b"]
    assert project.store.last_round(loop.id).state is RoundState.RUNNING
    assert EventKind.ROUND_ENDED not in [event.kind for event in project.store.events(loop.id)]
    with project.driven(loop) as engine:
        engine.waiting()
    assert looked_at[2:8] == list("abcdef")
    assert [event.kind for event in project.store.events(loop.id)].count(EventKind.ROUND_ENDED) == 1


def test_files_that_are_written_together_are_all_there_and_whole(tmp_path: Path) -> None:
    files = [(tmp_path / f"{number % 3}/{number}.json", str(number) * 999) for number in range(100)]
    write_all(files)
    assert all(path.read_text() == text for path, text in files)
    assert sum(1 for path in tmp_path.rglob("*") if path.is_file()) == 100


def test_one_of_many_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_all([(tmp_path / "a", "a"), (tmp_path / "taken", "b"), (tmp_path / "c", "c")])
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_where_no_thread_can_be_had_they_are_written_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    write_all([(tmp_path / "a", "a"), (tmp_path / "b", "b")])
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]
