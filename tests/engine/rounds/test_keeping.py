"""`[keep]` with `when = "each round"`: the engine moves checkpoints to the trash after each round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoloop.keeping import Trash
from autoloop.model import Loop, LoopState

from tests.engine.project import EngineProject
from tests.engine.rounds.test_then import BASELINE, BETTER, preset, seeded

PATTERN = 'checkpoints = ["checkpoints/[0-9l]*"]\n'


def loop_of(project: EngineProject, keep: str, losses: list[float] | None = None, **changes: Any) -> Loop:
    """Create a loop of two configs with four seeds each, which leave a checkpoint; the first config is worse."""
    path = Path(preset(project))
    path.write_text(PATTERN + path.read_text())
    (project.folder / "autoloop.toml").write_text(f"[keep]\n{keep}\n")
    other = BETTER if losses is None else losses
    configs = [*seeded(project, "base", BASELINE), *seeded(project, "new", other, lr=3.0)]
    return project.loop(configs, **{"preset": str(path), "steps": 20, "concurrency": 4, **changes})


def left(project: EngineProject, loop: Loop) -> set[str]:
    runs = project.runs(loop)
    return {run.name for run in runs if (Path(run.output_dir or "") / "checkpoints/last").exists()}


ALL = {f"{name},seed={seed}" for name in ("base", "new") for seed in range(4)}
NEW = {name for name in ALL if name.startswith("new")}


def test_a_round_that_ended_frees_what_is_shown_to_be_worse(project: EngineProject) -> None:
    loop = loop_of(project, 'checkpoints = "best 1 by l1_loss"\nwhen = "each round"')
    assert project.run(loop).state is LoopState.FINISHED
    assert left(project, loop) == NEW
    (told,) = [text for text in project.story(loop, "note") if text.startswith("[keep]")]
    assert told.startswith("[keep] moved 4 checkpoints (")
    assert "`autoloop-tui disk --undo` restores them within 7 days" in told
    back, problems = Trash(project.store.places.home).put_back()
    assert (len(back), problems) == (4, [])
    assert left(project, loop) == ALL


def test_by_hand_the_engine_moves_nothing(project: EngineProject) -> None:
    loop = loop_of(project, 'checkpoints = "best 1 by l1_loss"')
    project.run(loop)
    assert left(project, loop) == ALL


def test_the_run_that_then_extends_is_not_touched(project: EngineProject) -> None:
    loop = loop_of(project, 'checkpoints = "best 1 by l1_loss"\nwhen = "each round"', extend_winner=40)
    assert project.run(loop).state is LoopState.FINISHED
    assert project.named(loop, "new,seed=3").step == 40
    # The others are kept until the winner is known, and go when its extension is over.
    assert left(project, loop) == NEW


def test_what_cannot_be_done_is_an_event_and_stops_nothing(project: EngineProject) -> None:
    loop = loop_of(project, 'checkpoints = "best 1 by nothing"\nwhen = "each round"')
    assert project.run(loop).state is LoopState.FINISHED
    assert any("[keep] moved nothing" in text and "no run has the metric nothing" in text for text in project.story(loop))
    assert left(project, loop) == ALL
