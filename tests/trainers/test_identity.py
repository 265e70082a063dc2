"""What distinguishes two trainers that received the same config."""

from __future__ import annotations

import msgspec
from autoloop import profiles
from autoloop.trainers import Preset, load_preset, trainer_identity
from autoloop.variants.policy import launch_policy

PRESET = Preset(name="mine", argv=("{python}", "{script}", "{config}"), script="train.py")
CONFIG = {"lr": 0.1}


def changed(**values: object) -> Preset:
    return msgspec.structs.replace(PRESET, **values)


def test_presets_that_call_another_command_are_other_trainers() -> None:
    same = [changed(name="other", success="done", stop=()), changed(title="t")]
    others = [changed(argv=("{python}", "{script}")), changed(flags={"a": "1"}), changed(env={"A": "1"})]
    hashes = [launch_policy(each).hash(CONFIG) for each in (PRESET, *same, *others)]
    assert len(set(hashes[:3])) == 1
    assert len(set(hashes[2:])) == 4


def test_an_identity_holds_whatever_the_command_is_and_whatever_the_preset_is_called() -> None:
    named = changed(identity="lab")
    assert trainer_identity(named, None) == ["trainer:lab"]
    assert trainer_identity(changed(identity="lab", name="renamed", argv=("x", "{config}")), "train.py") == ["trainer:lab"]
    assert trainer_identity(named, "other.py") not in (["trainer:lab"], trainer_identity(PRESET, "train.py"))


def test_the_default_preset_adds_nothing_so_that_stores_of_version_0_1_0_know_its_trainings() -> None:
    default = load_preset(profiles.default_preset())
    assert trainer_identity(default, None) == trainer_identity(default, default.script) == []
    assert trainer_identity(default, "other.py") != []
    assert trainer_identity(msgspec.structs.replace(PRESET, name=default.name), None) != [], "a name decides nothing"
