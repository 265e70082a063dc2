"""The command line: every action of the console is a command here. Exit codes: 0 done, 1 failed, 2 wrong call,
130 stopped."""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError

from autoloop.model import UserError
from autoloop_tui import commands_loops, commands_proposals, commands_run

app = App(
    name="autoloop-tui",
    help="Rounds of short training runs on one GPU box: queue, watch, judge by rules, approve, go on.",
    help_format="plaintext",
)
for module in (commands_run, commands_loops, commands_proposals):
    module.register(app)


def main(tokens: list[str] | None = None) -> None:
    """Entry point. A person's mistake is one sentence on stderr, never a traceback."""
    try:
        code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (UserError, CycloptsError) as error:
        print(f"autoloop-tui: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `… | head`
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
