"""The hooks of a project, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from autoloop.hooks.checking import kind, obstacle
from autoloop.hooks.health import Health
from autoloop.hooks.hook import EVENTS
from autoloop.hooks.service import Target, service_names

from autoloop_tui.cli.documents.plans import HooksDocument
from autoloop_tui.cli.output import printing

NONE = f"""No hooks. Example for autoloop.toml:

[hooks.phone]
service = "ntfy"
url = "https://ntfy.sh/${{NTFY_TOPIC}}"

Built-in services: {", ".join(service_names())}; `autoloop-tui hooks --show NAME` prints one. See docs/hooks.md."""


def text(
    targets: Mapping[str, Target], found: Mapping[str, Health], environment: Mapping[str, str], cells: int | None
) -> str:
    if not targets:
        return NONE
    rows = []
    for name, target in targets.items():
        health = found.get(name)
        events = "all" if set(target.hook.events) == set(EVENTS) else ", ".join(target.hook.events)
        sent = str(health.delivered) if health else ""
        rows.append(
            [name, kind(target), printing.printable(target.hook.target), events, sent, _state(target, health, environment)]
        )
    lines = [printing.table(["hook", "kind", "calls", "events", "sent", "state"], rows, texts=(2, 3), cells=cells)]
    lines += [printing.printable(each.words) for each in found.values() if each.error is not None]
    return "\n".join(lines)


def _state(target: Target, health: Health | None, environment: Mapping[str, str]) -> str:
    if why := obstacle(target, environment):
        return printing.printable(why)
    if health is None or health.tried_at is None:
        return "not called yet"
    return "fails" if health.error is not None else "works"


def document(targets: Mapping[str, Target], found: Mapping[str, Health], environment: Mapping[str, str]) -> HooksDocument:
    return {
        "hooks": [
            {
                "name": name,
                "kind": kind(target),
                "calls": target.hook.target,
                "events": target.hook.events,
                "obstacle": obstacle(target, environment),
                "health": found.get(name),
            }
            for name, target in targets.items()
        ]
    }
