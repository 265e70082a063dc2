"""`hooks`: list the commands and webhooks called on events, with their status, or test one."""

from __future__ import annotations

import os
import socket
import time
import uuid
from pathlib import Path
from typing import Annotated

from autoloop.hooks.service import Target, service_text, target
from autoloop.model import HookEvent, Message, UserError
from autoloop.settings import FILE, load_settings
from autoloop.text.suggest import did_you_mean
from cyclopts import Parameter

from autoloop_tui.cli.output import hooks as output
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import AsJson, LoopName


def hooks(
    *,
    test: Annotated[str | None, Parameter(name="--test")] = None,
    show: Annotated[str | None, Parameter(name="--show")] = None,
    loop: LoopName = None,
    json: AsJson = False,
) -> int:
    """List the hooks in autoloop.toml: commands and webhooks called on loop events.

    Shows whether each can work here and how its last messages went (docs/hooks.md).

    Parameters
    ----------
    test
        Send one test message to this hook and print the response; exit code 1 if it failed.
    show
        Print a built-in service file as a starting point: dingtalk, feishu, ntfy or slack.
    """
    if show is not None:
        print(service_text(show), end="")
        return 0
    project = Path.cwd()
    settings = load_settings(project)
    targets = {name: target(hook, project) for name, hook in settings.hooks.items()}
    if test is not None:
        return _test(test, targets, project)
    from autoloop.engine.planning.variant_policies import store_of
    from autoloop.hooks.health import healths

    found = {}
    with store_of(project) as store:
        if store is not None:
            found = healths(store.deliveries(store.find_loop(loop).id))
    if json:
        print(printing.answer("hooks", output.document(targets, found, os.environ)))
    else:
        print(output.text(targets, found, os.environ, printing.across()))
    return 0


def _test(name: str, targets: dict[str, Target], project: Path) -> int:
    from autoloop.hooks.calling import call
    from autoloop.hooks.request import document

    if name not in targets:
        known = f"{FILE} has {', '.join(targets)}" if targets else f"{FILE} has no [hooks]"
        raise UserError(f'There is no hook "{name}"; {did_you_mean(name, list(targets), f"{known}.")}')
    text = "test message from a hook; no event occurred"
    message = Message(id=uuid.uuid4().hex, event=HookEvent.TEST, at=time.time(), text=text, next="autoloop-tui hooks")
    began = time.monotonic()
    told = document(message, "test", None, project.name, socket.gethostname())
    reply = call(targets[name], told, os.environ, project)
    took = f" after {time.monotonic() - began:.1f} s"
    print(printing.printable(f"hook {name}: {'delivered' if reply.ok else 'failed'}{took}: {reply.text}"))
    return 0 if reply.ok else 1
