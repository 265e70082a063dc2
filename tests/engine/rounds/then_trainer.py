"""A trainer for tests of `--then`: `then_trainer.py --config=FILE --output_dir=DIR [--steps=N] [--resume=true]`.

Standard library only. It logs one row per step, each with the loss that the config has for its seed, and leaves a
checkpoint at its end. Without --steps it uses `max_steps` of its config. `at`: what happens if its target is a given number
of steps.
"""

import json
import os
import sys


def main(words: list[str]) -> int:
    flags = dict(word.removeprefix("--").split("=", 1) for word in words)
    with open(flags["config"], encoding="utf-8") as file:
        config = json.load(file)
    output, steps, start = flags["output_dir"], int(flags.get("steps") or config["max_steps"]), 0
    last = f"{output}/checkpoints/last"
    if flags.get("resume") == "true":
        with open(f"{last}/step", encoding="utf-8") as file:
            start = int(file.read())
    elif os.path.exists(output):
        print(f"FileExistsError: Output directory {output} already exists", flush=True)
        return 3
    files = f"{output}/wandb/latest-run/files"
    os.makedirs(files, exist_ok=True)
    loss = config["loss"][config["seed"]]
    with open(f"{files}/wandb-history.jsonl", "a", encoding="utf-8", buffering=1) as file:
        for step in range(start + 1, steps + 1):
            file.write(json.dumps({"_step": step, "train/l1_loss": loss}) + "\n")
    if code := config.get("at", {}).get(str(steps), {}).get("code"):
        print('Traceback (most recent call last):\n  File "train.py", line 1, in main\nValueError: asked for', flush=True)
        return int(code)
    os.makedirs(last, exist_ok=True)
    with open(f"{last}/step", "w", encoding="utf-8") as file:
        file.write(str(steps))
    print("End of training", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
