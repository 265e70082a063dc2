"""Problems that the engine detects on its own: a trainer on the wrong device, and one that does not end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autoloop.gpus import Gpu, GpuReport
from autoloop.model import RunState
from autoloop.protocol import Stop

from tests.engine.project import PRESET, EngineProject

ON_A_GPU: dict[str, Any] = {"device": "cuda", "gpus": [0], "machine": GpuReport(gpus=(Gpu(index=0, name="GPU 0"),))}
WARNING = "WARNING:lerobot.configs.policies:Device 'cuda' is not available. Switching to 'cpu'."
WATCHFUL = """
[console]
end = "End of training"
[[failures]]
pattern = "Device 'cuda' is not available\\\\. Switching to 'cpu'"
cause = "gpu-absent"
device = "cuda"
"""


@pytest.fixture
def preset(project: EngineProject) -> str:
    path = project.folder / "watchful.toml"
    path.write_text("finish_grace = 0.2\n" + PRESET + WATCHFUL)  # tables come last
    return str(path)


def test_a_run_that_falls_back_to_the_cpu_is_stopped_and_has_failed(project: EngineProject, preset: str) -> None:
    loop = project.loop([project.config("slow", says=WARNING, hang=True)], preset=preset, **ON_A_GPU)
    project.run(loop)
    run = project.named(loop, "slow")
    assert (run.state, run.reason) == (RunState.FAILED, "the GPU could not be used")
    assert any("Switching to 'cpu'" in text for text in project.story(loop, "run stopping"))
    log = Path(project.store.attempts(run.id)[0].directory) / "log.txt"
    assert "End of training" not in log.read_text()


def test_on_the_cpu_the_same_line_means_nothing(project: EngineProject, preset: str) -> None:
    loop = project.loop([project.config("slow", says=WARNING)], preset=preset)
    project.run(loop)
    assert project.named(loop, "slow").state is RunState.FINISHED


def test_a_training_that_is_complete_does_not_hold_its_slot_and_has_finished(project: EngineProject, preset: str) -> None:
    configs = [project.config("stays", stay=True), project.config("next")]
    loop = project.loop(configs, preset=preset)
    project.run(loop)
    stays = project.named(loop, "stays")
    assert stays.state is RunState.FINISHED
    assert stays.reason == "its training was complete, but its process did not exit within 0.2 s"
    assert stays.summary.metrics
    assert project.named(loop, "next").state is RunState.FINISHED


def test_a_person_who_stops_such_a_run_has_stopped_it(project: EngineProject) -> None:
    patient = project.folder / "patient.toml"
    patient.write_text(PRESET + WATCHFUL.replace("0.2", "600"))
    loop = project.loop([project.config("stays", stay=True)], preset=str(patient))
    with project.driven(loop) as driven:
        run = project.named(loop, "stays")
        driven.until(lambda: project.store.attempts(run.id), "its start")
        log = Path(project.store.attempts(run.id)[0].directory) / "log.txt"
        driven.until(lambda: log.exists() and "End of training" in log.read_text(), "the end of its training")
        driven.done(Stop(run=run.id))
        driven.end()
    assert project.named(loop, "stays").state is RunState.STOPPED
