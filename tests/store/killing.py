"""Processes that write to a store and are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import autoloop
from autoloop.model import Loop, LoopSpec, LoopState
from autoloop.store import Store

from tests.support.databases import assert_intact

CORE = str(Path(autoloop.__file__).parents[1])

WRITER = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
import msgspec
from autoloop.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    while True:
        with store.transaction():  # two rows that always say the same
            loop = store.loop(1)
            store.put_loop(msgspec.structs.replace(loop, winner=str(int(loop.winner or 0) + 1)))
            store.put_loop(msgspec.structs.replace(store.loop(2), winner=str(int(loop.winner or 0) + 1)))
            store.add_event(1, "note", "x" * 3000)
"""


def killed_writers(folder: Path, seed: int, times: int) -> None:
    chance = random.Random(seed)
    with Store.open(folder, create=True) as store:
        for number in (1, 2):
            spec = LoopSpec(configs=[])
            store.put_loop(
                Loop(id=number, name=f"l{number}", state=LoopState.ACTIVE, spec=spec, output_dir="/o", created_at=1.0)
            )
    before = 0
    for _ in range(times):
        argv = [sys.executable, "-c", WRITER, str(folder), CORE]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
        with Store.open(folder) as store:
            one, two = store.loop(1).winner or "0", store.loop(2).winner or "0"
            assert one == two
            assert int(one) == len(store.events(1, limit=10**9)) >= before
            before = int(one)
            assert_intact(store)
    assert before
