"""The launch preset of a resumable test trainer: `resuming_trainer.py`, called as LeRobot is."""

from __future__ import annotations

import json
from pathlib import Path

PRESET = f"""
name = "resuming"
title = "the trainer of the tests that can be resumed"
argv = ["{{python}}", "-I", "-S", {json.dumps(str(Path(__file__).with_name("resuming_trainer.py")))}]
override_style = "dashed-eq"
success = "End of training"
stop = [["INT", 0.3], ["TERM", 0.3], ["KILL", 0]]
straggler_grace = 0.5

[flags]
config_path = "{{config}}"
steps = "{{steps}}"
output_dir = "{{output_dir}}"

[resume]
checkpoint = "{{output_dir}}/checkpoints/last"
without = ["output_dir"]

[resume.flags]
config_path = "{{output_dir}}/checkpoints/last/pretrained_model/train_config.json"
resume = "true"
steps = "{{steps}}"
"""
