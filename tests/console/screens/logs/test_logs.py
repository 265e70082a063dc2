"""The logs of all slots, merged."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import RunState

from autoloop_tui.console.screens.logs.screen import LogsScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.widgets.merged_tail import MergedTail
from tests.console.projects import RecordedProject, painted
from tests.console.running import on_top, run_app
from tests.console.waiting import settle


async def test_each_letter_is_named_in_as_many_rows_as_it_takes(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=8)
    for n in range(8):
        project.run(f"act_reg_040_r2_{n}", RunState.RUNNING, log="x\n", slot=n, config={"seed": n})
    app = project.app()
    async with run_app(app, (80, 24), engine=project) as pilot:
        await pilot.press("I")
        await settle(pilot)
        shown = " ".join(painted(on_top(app, LogsScreen).query_one("#logs-runs")))
        assert all(f"{letter} act_reg_040_r2_{n}" in shown for n, letter in enumerate("abcdefgh"))
        await pilot.resize_terminal(40, 24)
        await settle(pilot)
        assert painted(on_top(app, LogsScreen).query_one("#logs-runs"))[2].rstrip().endswith("3 more")
    project.close()


async def test_logs_of_ended_runs_are_not_followed(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    project.run("base", log="one\ntwo\n")
    app = project.app()
    async with run_app(app, (100, 20)) as pilot:
        await pilot.press("I")
        await settle(pilot)
        heading = painted(on_top(app, LogsScreen).query_one(MergedTail))[0]
        assert "2 lines" in heading
        assert "following" not in heading
    project.close()


async def test_lines_of_all_slots_stand_in_time_with_the_letters_of_their_runs(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=3)
    logs = ["03:00:01 one\n03:00:04 four\n", "03:00:02 two\neval_l1: 0.3 at step 2\n", "03:00:03 three\n"]
    runs = [project.run(f"run_{n}", RunState.RUNNING, log=log, slot=n, config={"seed": n}) for n, log in enumerate(logs)]
    app = project.app()
    async with run_app(app, (100, 20), engine=project) as pilot:
        await pilot.press("I")
        await settle(pilot)
        screen = on_top(app, LogsScreen)
        pane = screen.query_one(MergedTail)
        rows = [row.rstrip() for row in painted(pane)]
        assert "logs of all slots by time" in rows[0]
        assert rows[1:6] == [
            " a 03:00:01 one",
            " b 03:00:02 two",
            "●b eval_l1: 0.3 at step 2",
            " c 03:00:03 three",
            " a 03:00:04 four",
        ]
        assert [part.style for part in pane.render_line(2)][1] == pane.look("bold chart-2")
        assert "b run_1" in painted(screen.query_one("#logs-runs"))[0]
        attempt = app.feed.view and app.feed.view.log_path(runs[2])
        assert attempt
        with attempt.open("a") as file:
            file.write("03:00:05 five\n")
        screen.tick()
        assert painted(pane)[6].rstrip() == " c 03:00:05 five"
        await pilot.press("slash", *"two", "enter")
        await settle(pilot)
        assert "/two  1 of 1" in painted(pane)[0]
        await pilot.press("escape", "escape")
        await settle(pilot)
        on_top(app, SlotsScreen)
    project.close()
