"""Slots shows a failing hook, both while the loop runs and after it has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.model import Delivery, HookEvent, LoopEnd, LoopEndKind, LoopState, Message, RunState
from autoloop.model.transitions import delivery_failed, delivery_made, delivery_tried

from tests.console.projects import NOW, RecordedProject, painted
from tests.console.waiting import until


@pytest.mark.parametrize("ended", [False, True])
async def test_a_failing_hook_is_named_with_what_came_back(tmp_path: Path, ended: bool) -> None:
    project = RecordedProject(tmp_path, slots=1)
    project.run("base", RunState.FINISHED if ended else RunState.RUNNING)
    if ended:
        end = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="its round has finished")
        project.change_loop(state=LoopState.FINISHED, end=end, ended_at=NOW)
    message = Message(id="1", event=HookEvent.RUN_FAILED, at=NOW, text="x")
    delivery = delivery_tried(Delivery(id=1, loop=project.loop.id, hook="phone", message=message), NOW, NOW)
    project.store.put_delivery(delivery_failed(delivery, "HTTP 500: \x1b[31mbad", None))
    app = project.app()
    with project.engine():
        async with app.run_test(size=(120, 40)) as pilot:

            def foot() -> str:
                return "\n".join(painted(app.screen.query_one("#next")))

            await until(pilot, lambda: "hook phone fails: HTTP 500: " in foot())
            assert "1 message given up" in foot()
            assert "\x1b" not in foot()
            message = Message(id="2", event=HookEvent.LOOP_ENDED, at=NOW, text="y")
            again = Delivery(id=2, loop=project.loop.id, hook="phone", message=message)
            project.store.put_delivery(delivery_made(delivery_tried(again, NOW + 1, NOW + 1)))
            await until(pilot, lambda: "hook phone" not in foot())
