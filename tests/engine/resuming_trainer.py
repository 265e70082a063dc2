"""A trainer for tests that can be resumed: `resuming_trainer.py --config_path=FILE --steps=N --output_dir=DIR …`.

Standard library only. It writes one row of history per step and leaves a checkpoint every `save_freq` steps (default 10)
and at its end, in LeRobot's layout. `--resume=true` continues from it, with the config and the directory named in it.
In its config, `at` sets what happens if its target is a given number of steps:
    gate    path of a file that must exist before it ends
    code    exit code, after a traceback
    stops_at    the step after which this happens (default: the last)
    only_while    path of a file: without it, none of this happens
"""

import json
import os
import sys
import time


def main(words: list) -> int:
    flags = dict(word.removeprefix("--").split("=", 1) for word in words)
    with open(flags.pop("config_path"), encoding="utf-8") as file:
        config = json.load(file)
    config |= flags
    output = config["output_dir"]
    start = 0
    if config.get("resume") == "true":
        with open(f"{output}/checkpoints/last/step", encoding="utf-8") as file:
            start = int(file.read())
    elif os.path.exists(output):
        print(f"FileExistsError: Output directory {output} already exists", flush=True)
        return 3
    files = f"{output}/wandb/latest-run/files"
    os.makedirs(files, exist_ok=True)
    steps = int(config["steps"])
    asked = config.get("at", {}).get(str(steps), {})
    if "only_while" in asked and not os.path.exists(asked["only_while"]):
        asked = {}
    with open(f"{files}/wandb-history.jsonl", "a", encoding="utf-8", buffering=1) as file:
        for step in range(start + 1, int(asked.get("stops_at", steps)) + 1):
            file.write(json.dumps({"_step": step, "train/l1_loss": 1 / step}) + "\n")
            if config.get("save_checkpoint", True) and (step % config.get("save_freq", 10) == 0 or step == steps):
                save(output, step, config)
    while asked.get("gate") and not os.path.exists(asked["gate"]):
        time.sleep(0.01)
    if "code" in asked:
        print('Traceback (most recent call last):\n  File "train.py", line 1, in main\nValueError: asked for', flush=True)
        return int(asked["code"])
    print("End of training", flush=True)
    return 0


def save(output: str, step: int, config: dict) -> None:
    folder = f"{output}/checkpoints/{step:06d}"
    os.makedirs(f"{folder}/pretrained_model")
    with open(f"{folder}/step", "w", encoding="utf-8") as file:
        file.write(str(step))
    with open(f"{folder}/pretrained_model/train_config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    if os.path.islink(f"{output}/checkpoints/last"):
        os.unlink(f"{output}/checkpoints/last")
    os.symlink(f"{step:06d}", f"{output}/checkpoints/last")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
