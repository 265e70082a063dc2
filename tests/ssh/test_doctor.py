"""The findings of `doctor` about hosts."""

from __future__ import annotations

import pytest
from autoloop.model import HostSpec
from autoloop.preflight.hosts import hosts

from tests.ssh.hosts import Lab
from tests.ssh.project import HostProject

pytestmark = pytest.mark.ssh


def test_each_host_is_looked_at_and_each_fault_is_one_line(project: HostProject, lab: Lab) -> None:
    lab.hosts["box1"].set_clock(600.0)
    lab.hosts["box2"].fill_disk()
    lab.hosts["box3"].refuse_keys()
    app = {"gpu_uuid": "GPU-1", "pid": "1", "used_gpu_memory": "9000", "process_name": "their.py"}
    lab.hosts["box1"].set_cards(apps=[app])
    wanted = [HostSpec(name="box1", gpus=[0, 1, 2]), *project.hosts()[1:]]
    found = {each.subject: each for each in hosts(project.spec([], device="cuda", hosts=wanted), 10_000_000)}
    levels = {subject: each.level for subject, each in found.items()}
    assert levels == {
        "code for hosts": "ok",
        "box1": "ok",
        "box1 clock": "warning",
        "box1 folder": "warning",
        "box1 GPU 0": "ok",
        "box1 GPU 1": "warning",
        "box1 GPU 2": "error",
        "box2": "ok",
        "box2 clock": "ok",
        "box2 folder": "error",
        "box2 GPU 0": "ok",
        "box2 GPU 1": "ok",
        "box3": "warning",
    }
    assert "600 s ahead" in found["box1 clock"].text
    assert "their.py" in found["box1 GPU 1"].text
    assert "No space left" in found["box2 folder"].text
    assert "refuses your key" in found["box3"].text
    assert "the loop continues without it" in found["box3"].text
    (alone,) = hosts(project.spec([], device="cuda", hosts=project.hosts()[2:]), 0)[1:]
    assert (alone.subject, alone.level) == ("box3", "error"), "there is no other place"
    assert all(each.advice for each in found.values() if each.level != "ok")
