"""Arguments that several commands share, each with its help defined once; `options.py` has the flags for starting runs.

Command modules that `quick.py` calls refer to them as `cli.parameters.X` without importing this module: annotations stay
strings until the parser evaluates them, and by then this module is loaded.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Many = Parameter(consume_multiple=True)

LoopName = Annotated[str | None, Parameter(name="--loop", help="Which loop (name or number); the newest by default.")]
AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON.")]
Proposals = Annotated[list[int] | None, Parameter(help="Proposal numbers.")]
AllPending = Annotated[bool, Parameter(name="--all", help="All pending proposals.")]
RunName = Annotated[str, Parameter(help="A run's id or name.")]
Edits = Annotated[list[str], Parameter(consume_multiple=True, help="Edits as path@op=value.")]
AllLoops = Annotated[bool, Parameter(name="--all")]
Follow = Annotated[bool, Parameter(name=["--follow", "-f"])]
