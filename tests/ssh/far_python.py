"""`python3` of a test host, whose clock may differ from ours by the seconds in the file `clock` beside this one.

Standard library only. It accepts -c, -m, a script or standard input, after the options that our commands use.
"""

import os
import sys
import time

REAL = sys.executable


def shift(seconds: float) -> None:
    real, real_ns, local, utc, formatted = time.time, time.time_ns, time.localtime, time.gmtime, time.strftime
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)
    time.localtime = lambda at=None: local(time.time() if at is None else at)
    time.gmtime = lambda at=None: utc(time.time() if at is None else at)
    time.strftime = lambda form, at=None: formatted(form, time.localtime() if at is None else at)


def main(words: "list[str]") -> None:
    with open(os.path.join(os.path.dirname(__file__), "clock"), encoding="ascii") as file:
        seconds = float(file.read())
    if not seconds:
        os.execv(REAL, ["python3", *words])
    shift(seconds)
    sys.executable = os.path.join(os.path.dirname(__file__), "bin", "python3")
    isolated = False
    while words and words[0].startswith("-") and words[0] not in ("-c", "-m", "-"):
        isolated = isolated or "I" in words[0]
        del words[0]
    if not isolated:
        sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]
    if words[:1] == ["-m"]:
        import runpy

        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    if words[:1] == ["-c"]:
        name, text, sys.argv = "<string>", words[1], ["-c", *words[2:]]
    elif words[:1] in ([], ["-"]):
        name, text, sys.argv = "<stdin>", sys.stdin.read(), ["-", *words[1:]]
    else:
        name, sys.argv = words[0], words
        if not isolated:
            sys.path.insert(0, os.path.dirname(os.path.abspath(name)))
        with open(name, encoding="utf-8") as file:
            text = file.read()
    module = type(sys)("__main__")
    module.__dict__["__builtins__"] = __builtins__
    module.__dict__["__file__"] = name
    sys.modules["__main__"] = module
    exec(compile(text, name, "exec"), module.__dict__)


if __name__ == "__main__":
    main(sys.argv[1:])
