"""The command line: every action of the console is also a command.

Exit codes: 0 done, 1 failed, 2 usage error, 130 stopped.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from autoloop.model import UserError

from autoloop_tui.cli import catalogue, quick
from autoloop_tui.cli.output import printing


def main(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and exit. User errors are one sentence on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Flush every line, in files and pipes too. A terminal that cannot show a character shows "?".
            stream.reconfigure(line_buffering=True, errors="replace")
    code = _run(tokens)
    try:
        sys.stdout.flush()
    except OSError:  # the reader has gone; otherwise Python would print an error and change the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(tokens: Sequence[str] | None) -> int:
    try:
        for word in (os.getcwd(), *(sys.argv[1:] if tokens is None else tokens)):
            if word != printing.encodable(word):
                raise UserError(f"{word} is not UTF-8 text, which the records need; rename it.")
        words = sys.argv[1:] if tokens is None else tokens
        if words and not words[0].startswith("-") and words[0] not in (*catalogue.COMMANDS, catalogue.SERVING):
            raise UserError(f"There is no command {words[0]}; {_nearest_command(words[0])}")
        if (called := quick.call(words)) is not None:
            return called()
        from autoloop_tui.cli import parser

        return parser.run(words)
    except UserError as error:
        code = _fail(str(error), 2)
        if error.example:
            from autoloop import secrets

            lines = error.example.splitlines()
            print("\n".join(["", *(printing.printable(secrets.mask(line)) for line in lines)]), file=sys.stderr)
        return code
    except BrokenPipeError:  # `… | head`
        return 0
    except OSError as error:
        return _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)
    except KeyboardInterrupt:
        return 130


def _fail(sentence: str, code: int) -> int:
    from autoloop import secrets

    printing.complain(f"autoloop-tui: {secrets.mask(printing.printable(' '.join(sentence.split())))}")
    return code


def _nearest_command(word: str) -> str:
    meant = catalogue.suggestion(word)
    return f"did you mean `autoloop-tui {meant}`?" if meant else "`autoloop-tui --help` lists them."


if __name__ == "__main__":
    main()
