"""Check W&B's mode, key and server, as far as possible before a run starts."""

from __future__ import annotations

from collections.abc import Mapping

from autoloop.model import LoopSpec
from autoloop.preflight.finding import Finding, error, ok
from autoloop.wandb_cloud import service
from autoloop.wandb_cloud.key import find_key

SERVER = "W&B server"


def wandb(spec: LoopSpec, environment: Mapping[str, str]) -> list[Finding]:
    if not spec.wandb.online:
        return [ok("W&B", "offline: recorded in each run's output directory; `wandb sync` uploads it later")]
    found = []
    for flag, value in (("--wandb-entity", spec.wandb.entity), ("--wandb-project", spec.wandb.project)):
        if not value:
            advice = f"give {flag}, or set it in autoloop.toml under [wandb]"
            found.append(error("W&B", f"online, but {flag.removeprefix('--wandb-')} is not given", advice))
    if not found:
        found.append(ok("W&B", f"online, {spec.wandb.entity}/{spec.wandb.project}"))
    key = find_key(environment)
    if key is None:
        return [*found, error("W&B key", "there is none", "set WANDB_API_KEY or run `wandb login`")]
    if problem := service.key_problem(key.key):
        text = f"the one from {key.source} is not valid: {problem}"
        return [*found, error("W&B key", text, "copy it again from your W&B settings")]
    answer = service.ask(environment)
    if answer.state == "away":
        return [*found, ok("W&B key", f"from {key.source}"), _away(answer)]
    if answer.state == "refused":
        text = f"{answer.server} rejects the one from {key.source}: {answer.detail}"
        return [
            *found,
            error(
                "W&B key",
                text,
                "run `wandb login --relogin`, or set WANDB_API_KEY; for your own server set WANDB_BASE_URL too",
            ),
        ]
    found += [ok("W&B key", f"from {key.source}, accepted"), ok(SERVER, f"{answer.server} answers")]
    if answer.entities and spec.wandb.entity and spec.wandb.entity not in answer.entities:
        text = f"the key's owner does not belong to {spec.wandb.entity}, only to {', '.join(answer.entities)}"
        found.append(error("W&B entity", text, "fix --wandb-entity"))
    return found


def _away(answer: service.Answer) -> Finding:
    advice = "check the network and WANDB_BASE_URL; or omit --wandb-online and upload later with `wandb sync`"
    return error(SERVER, f"{answer.server} cannot be reached: {answer.detail}", advice)
