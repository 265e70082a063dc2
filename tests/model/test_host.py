"""Hosts in autoloop.toml, and a loop's slots on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.engine.planning.checks import check_hosts
from autoloop.model import HostSpec, LoopSpec, SlurmSpec, UserError
from autoloop.settings import load_settings

BOX = HostSpec(name="box", gpus=[0, 1, 2])


def spec(*hosts: HostSpec, **changes: object) -> LoopSpec:
    return LoopSpec(configs=[], hosts=list(hosts), **changes)  # type: ignore[arg-type]


def labels(given: LoopSpec) -> list[str]:
    assert [slot.index for slot in given.slots] == list(range(len(given.slots)))
    return [slot.label for slot in given.slots]


def test_slots_of_hosts_stand_between_those_of_this_machine_and_slurm() -> None:
    assert labels(spec(BOX)) == ["box:gpu0", "box:gpu1", "box:gpu2"]
    both = spec(BOX, HostSpec(name="b2", gpus=[3, 4], max=1), gpus=[0], slurm=SlurmSpec(max_jobs=1))
    assert labels(both) == ["gpu 0", "box:gpu0", "box:gpu1", "box:gpu2", "b2:gpu3", "slurm 1/1"]
    assert labels(spec(BOX, gpus_per_run=2)) == ["box:gpu0,1"]
    assert labels(spec(BOX, HostSpec(name="b2", max=2), device="cpu")) == ["box:cpu0", "b2:cpu0", "b2:cpu1"]
    assert labels(spec()) == ["cpu 0"]


def test_settings_name_hosts_and_an_address_is_no_option_of_ssh(tmp_path: Path) -> None:
    file = tmp_path / "autoloop.toml"
    file.write_text('[[host]]\nname = "box"\naddress = "ann@10.0.0.2"\ngpus = [0]\ndata = {"data/a" = "/mnt/a"}\n')
    (host,) = load_settings(tmp_path).host
    assert (host.destination, host.data, BOX.destination) == ("ann@10.0.0.2", {"data/a": "/mnt/a"}, "box")
    for line in ('name = "-oProxyCommand=x"', 'name = "b"\naddress = "-oProxyCommand=x"', 'name = "a b"', "gpus = [0]"):
        file.write_text(f"[[host]]\n{line}\n")
        with pytest.raises(UserError, match=r"autoloop\.toml"):
            load_settings(tmp_path)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (spec(BOX, BOX), "two hosts have it"),
        (spec(HostSpec(name="slurm", gpus=[0])), "is reserved"),
        (spec(HostSpec(name="a", gpus=[0, 0])), "a GPU twice"),
        (spec(HostSpec(name="a")), "names 0 GPUs, but a run needs 1"),
    ],
)
def test_hosts_that_cannot_be_used_are_refused(given: LoopSpec, why: str) -> None:
    with pytest.raises(UserError, match=why):
        check_hosts(given)
