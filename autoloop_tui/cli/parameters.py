"""Arguments that several commands take, each with its help once; `options.py` has those of a launch.

A module of a command that `quick.py` binds names them `cli.parameters.X` and does not import this one: annotations are text
until the parser reads them, and then it is loaded.
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
