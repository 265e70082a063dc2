"""A past loop on the screens of the console."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import EventKind, LoopEnd, LoopEndKind, LoopState, RunState

from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.replay_app import ReplayApp
from autoloop_tui.console.replaying import ReplayFeed
from tests.console.app.driving import drive, hints, top
from tests.console.pictures import text
from tests.console.projects import NOW, RecordedProject
from tests.console.waiting import settle


async def test_a_replay_steps_through_events_on_the_same_screens_and_sends_nothing(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=1)
    project.run("first")
    project.store.add_event(project.loop.id, EventKind.LOOP_ENDED, "over")
    ended = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all 3 rounds are done")
    project.change_loop(state=LoopState.FINISHED, ended_at=NOW - 200, end=ended)
    feed = ReplayFeed(project.folder, speed=60)
    feed.playing = False
    feed.go(NOW - 450)
    async with drive(ReplayApp(project.folder, feed, preferences=Preferences()), (120, 40)) as pilot:
        app = pilot.app
        assert "replay" in top(app)
        assert "paused" in top(app)
        view = feed.view
        assert view is not None
        (run,) = view.snapshot.runs
        assert (run.state, run.step, view.orphaned) == (RunState.RUNNING, 100, False)
        assert {series.steps[-1] for series in feed.read(run).values()} == {100}
        assert "50%" in text(app).replace(" ", "")
        await pilot.press("right_square_bracket")
        await settle(pilot)
        assert feed.at == feed.past.end
        assert "finished" in top(app)
        await pilot.press("left_square_bracket")
        await settle(pilot)
        assert feed.at == feed.past.begin
        await pilot.press("right_curly_bracket")
        assert feed.speed == 300
        await pilot.press("left_curly_bracket", "left_curly_bracket", "P")
        assert (feed.speed, feed.playing) == (10, True)
        await pilot.press("Q")
        assert "replay: no commands are sent" in hints(app)
        assert project.commands() == []
