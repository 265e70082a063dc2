"""`agents`: what each actor has done and spent in a loop, and the hold on all agents."""

from __future__ import annotations

import time
from pathlib import Path

from autoloop.model import UserError
from autoloop.protocol import Agents
from autoloop.settings import load_settings
from autoloop.text.values import number

from autoloop_tui import client
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import AsJson, LoopName


def agents(*, hold: bool = False, release: bool = False, loop: LoopName = None, json: AsJson = False) -> int:
    """Show what each actor did and spent in a loop, agents first.

    Parameters
    ----------
    hold
        Block all requests from agents, and from commands without a terminal, until you release them; reading stays allowed.
    release
        Allow requests again; only a person at a terminal can do this.
    """
    if hold and release:
        raise UserError("Give --hold or --release, not both.")
    with client.opened(loop) as (store, found):
        if hold or release:
            return printing.print_answer(client.ask_or_do(store, found, Agents(held=hold)))
        from autoloop.engine.commands.accounts import accounts

        listed = accounts(store, found, load_settings(Path(found.spec.cwd)).agents, time.time())
        if json:
            print(printing.answer("agents", {"loop": found.name, "held": found.agents_held, "actors": listed}))
            return 0
        if found.agents_held:
            print(printing.printable(f"all agents are held ({found.agents_held.words}): `autoloop-tui agents --release`\n"))
        rows = [
            [
                printing.printable(each.actor),
                each.proposals,
                each.approved,
                each.rejected,
                each.decided,
                each.runs,
                number(each.gpu_hours),
                each.left,
                each.refused,
                time.strftime("%m-%d %H:%M", time.localtime(each.seen)) if each.seen else "",
            ]
            for each in listed
        ]
        heads = ["actor", "proposals", "approved", "rejected", "decided", "runs", "GPU h", "left", "refused", "last seen"]
        print(printing.table(heads, rows, texts=(0,), cells=printing.across()))
    return 0
