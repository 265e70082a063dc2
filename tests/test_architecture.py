"""The invariants of docs/architecture.md, seen from outside: which modules a fresh process loads, what packages may use."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.project import LAUNCH, CommandProject, environment

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core/autoloop"
SCREEN = {"textual", "rich"}
HEAVY = {"torch", "wandb", "numpy", "plotext", "accelerate", "ot", "optuna", "mcp", "starlette"}
MODULES = sorted(
    str(path.relative_to(ROOT / "core").with_suffix("")).replace("/", ".").removesuffix(".__init__")
    for path in CORE.rglob("*.py")
    if "demo" not in path.parts
)

TELL_AT_END = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules, file=sys.stderr))
"""
TOP = {"autoloop_tui", "autoloop_tui.__main__"}


def loaded(
    code: str, *words: str, flags: tuple[str, ...] = (), folder: Path = ROOT, ends_with: int = 0, whole: bool = False
) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running `code`: top-level names, or `whole` ones."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", TELL_AT_END + code, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends_with, done.stderr
    names = done.stderr.rpartition("LOADED ")[2].split()
    return set(names) if whole else {name.partition(".")[0] for name in names}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandProject]:
    """A project with an ended loop."""
    project = CommandProject(tmp_path_factory.mktemp("architecture"))
    project.config()
    done = project.call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui")
    assert done.returncode == 0, done.stderr
    yield project
    project.close()


def test_no_module_of_the_core_loads_a_screen_or_a_heavy_package() -> None:
    code = "import importlib; [importlib.import_module(name) for name in sys.argv[1:]]"
    assert not loaded(code, *MODULES) & (SCREEN | HEAVY)


def test_the_demo_project_can_be_written_without_its_training_packages() -> None:
    assert not loaded("import autoloop.demo.project") & (SCREEN | HEAVY)


COMMAND_LINE = "from autoloop_tui.cli import main as cli; cli.main(sys.argv[1:])"
RUN = ["run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu"]
COMMANDS = {
    "looking": [
        [],
        ["status"],
        ["status", "--json"],
        ["runs"],
        ["proposals"],
        ["logs"],
        ["report"],
        RUN,
        [*RUN, "--json"],
        ["generate", "--base-cfg", "base.json", "--changes", "seed=7"],
    ],
    "a loop in the foreground": [[*RUN, "--exec", "--no-ui"]],
    "a loop in the background": [[*RUN, "--exec", "--detach"], ["wait"]],
}
"""Commands that draw no screen. `--help` and `--version` are missing: the command line's library writes them with Rich."""

ONE_AFTER_THE_OTHER = """
import json
from autoloop_tui.cli import main as cli
for words in json.loads(sys.argv[1]):
    try:
        cli.main(words)
    except SystemExit as ended:
        assert not ended.code, (words, ended.code)
    print("AFTER", json.dumps([words, *{name.partition(".")[0] for name in sys.modules}]), file=sys.stderr)
"""


@pytest.mark.parametrize("names", COMMANDS)
def test_a_command_without_a_screen_loads_none(project: CommandProject, names: str) -> None:
    """Several commands run in one process, which is checked after each, because starting the program takes longest."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys" + ONE_AFTER_THE_OTHER, json.dumps(COMMANDS[names])],
        cwd=project.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = [json.loads(line.removeprefix("AFTER ")) for line in done.stderr.splitlines() if line.startswith("AFTER ")]
    assert [words for words, *_ in after] == COMMANDS[names]
    for words, *loaded in after:
        assert {"autoloop", "cyclopts"} <= {*loaded}
        assert not {*loaded} & (SCREEN | HEAVY), words


STARTED = "from autoloop_tui.__main__ import main; main()"
PACKAGES = {"cyclopts", "attr", "re2", "tomlkit", "ruamel", "psutil", "pynvml", "watchfiles", "asyncio", "email", "socket"}
OURS = (
    "autoloop_tui.cli.parser",
    "autoloop.configs",
    "autoloop.engine.driver.engine",
    "autoloop.metric_readers",
    "autoloop.reports.markdown",
    "autoloop.rules",
    "autoloop.settings",
    "autoloop.trainers",
    "autoloop.variants",
    "autoloop.verdicts",
)
"""Modules that are slow to load and of no use to commands that only read or decide. A package includes its modules."""


@pytest.mark.parametrize("line", ["status", "status --json", "runs --json", "approve 1"])
def test_a_command_that_is_given_often_loads_little(project: CommandProject, line: str) -> None:
    """bench/commands.py measures the time; this test keeps its causes away."""
    ends_with = 2 if line == "approve 1" else 0  # the loop has no proposal
    names = loaded(STARTED, *line.split(), folder=project.folder, ends_with=ends_with, whole=True)
    assert {"autoloop.store", "autoloop_tui.cli.quick"} <= names
    assert not {name.partition(".")[0] for name in names} & (PACKAGES | SCREEN | HEAVY)
    meant = "autoloop.verdicts" if line == "status" else "nothing"  # `status` needs it to word the result
    assert [name for name in names if name.startswith(OURS) and not name.startswith(meant)] == []


def test_the_version_is_told_without_the_program(tmp_path: Path) -> None:
    names = loaded(STARTED, "--version", folder=tmp_path, whole=True)
    assert {name for name in names if name.startswith(("autoloop", "msgspec"))} == {"autoloop", *TOP}


PLACES = """
import atexit
elsewhere = ("autoloop.runners.slurm", "autoloop.runners.ssh", "autoloop.runners.background", "autoloop_tui.console.remote")
atexit.register(lambda: print("LOADED", *(name for name in sys.modules if name.startswith(elsewhere)), file=sys.stderr))
"""


@pytest.mark.parametrize("words", [["status"], [*RUN, "--exec", "--no-ui", "--steps", "3"]], ids=lambda words: words[0])
def test_whoever_uses_this_machine_only_loads_no_other_place(project: CommandProject, words: list[str]) -> None:
    """Except that a run's output may have stayed on a host, which is always checked."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys{PLACES}{COMMAND_LINE}", *words],
        cwd=project.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.rpartition("LOADED")[2].split())
    assert loaded <= {"autoloop.runners.ssh", "autoloop.runners.ssh.left"}


WHERE = ["--entity", "e", "--project", "p"]


@pytest.mark.parametrize(
    ("words", "ends_with"),
    [(["analyze-offline", "--rules"], 0), (["analyze-wandb", *WHERE], 2), (["fetch-config", "x", *WHERE], 2)],
)
def test_looking_at_runs_from_outside_loads_no_screen_and_no_wandb(
    project: CommandProject, words: list[str], ends_with: int
) -> None:
    code = "import os; os.environ |= {'WANDB_BASE_URL': 'http://127.0.0.1:1', 'WANDB_API_KEY': 'k' * 40}\n" + COMMAND_LINE
    names = loaded(code, *words, folder=project.folder, ends_with=ends_with)
    assert {"autoloop", "cyclopts"} <= names
    assert not names & (SCREEN | HEAVY)


def test_a_refusal_loads_no_screen(project: CommandProject) -> None:
    assert not loaded(COMMAND_LINE, "run", "--cfgs", "no.json", folder=project.folder, ends_with=2) & (SCREEN | HEAVY)


def test_the_supervisor_starts_on_the_standard_library_alone(tmp_path: Path) -> None:
    """Run as `python -I -S`: no site-packages, nothing from the environment."""
    supervisor = CORE / "runners/supervisor.py"
    names = loaded(f"import runpy; runpy.run_path({str(supervisor)!r})", flags=("-I", "-S"), folder=tmp_path)
    ours = {"bounded_log", "procfs", "records", "supervising"}
    assert ours <= names
    assert names - {"__main__", *ours} <= sys.stdlib_module_names


NOTHING_TO_READ = """
import asyncio, decimal, hashlib, importlib, importlib.resources, logging, netrc, os, sqlite3, tempfile, time, tomllib
import urllib.parse, uuid, msgspec, psutil, ruamel.yaml, tomlkit

class Forbidden(dict):
    def read(self, *_):
        raise AssertionError("reads the environment")

    __getitem__ = get = __iter__ = __contains__ = keys = values = items = read

def clock(*_):
    raise AssertionError("reads the clock")

real = os.environ
os.environ = os.environb = Forbidden()
os.getenv = os.environ.read
time.time = time.monotonic = time.time_ns = time.localtime = time.strftime = clock
try:
    for name in sys.argv[1:]:
        importlib.import_module(name)
finally:
    os.environ = real
"""
"""The first lines load third-party modules, which may read what they like."""


def test_no_module_reads_the_environment_or_the_clock_on_import() -> None:
    assert "autoloop" in loaded(NOTHING_TO_READ, *MODULES, "autoloop.demo.project")


@pytest.mark.parametrize("reading", ["os.environ.get('HOME')", "os.getenv('HOME')", "time.time()"])
def test_whoever_reads_them_would_be_caught(tmp_path: Path, reading: str) -> None:
    (tmp_path / "nosy.py").write_text(f"import os, time\n{reading}\n")
    loaded(NOTHING_TO_READ, "nosy", folder=tmp_path, ends_with=1)


FORBIDDEN = {
    "os",
    "pathlib",
    "io",
    "glob",
    "shutil",
    "tempfile",
    "mmap",
    "fcntl",
    "sqlite3",
    "subprocess",
    "signal",
    "threading",
    "multiprocessing",
    "asyncio",
    "socket",
    "urllib",
    "http",
    "time",
    "datetime",
    "random",
    "secrets",
}


@pytest.mark.parametrize("package", ["configs", "metrics", "verdicts", "rules"])
def test_a_pure_package_does_no_input_or_output(package: str) -> None:
    """No file, process, socket or clock: results are reproducible on old runs."""
    for path in (CORE / package).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in ("open", "input", "print", "__import__"), f"{path.name}:{node.lineno}"
                continue
            assert not {name.partition(".")[0] for name in names} & FORBIDDEN, f"{path.name}:{node.lineno}"


def test_a_key_means_one_thing_on_every_screen_pane_and_dialog() -> None:
    """Checks all bindings of the console against `meanings.py`."""
    import importlib

    from textual.binding import Binding
    from textual.dom import DOMNode

    from autoloop_tui.console.meanings import BY_KEY, DIGITS, MEANINGS

    for path in (ROOT / "autoloop_tui/console").rglob("*.py"):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found: set[tuple[str, str, str]] = set()
    kinds: list[type] = [DOMNode]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.startswith("autoloop_tui."):
            for binding in kind.__dict__.get("BINDINGS", ()):
                assert isinstance(binding, Binding), f"{kind.__name__}: {binding}"
                if binding.id is None and binding.key in DIGITS:
                    continue
                assert binding.id, f"{kind.__name__}: {binding.key} has no id, so it cannot be remapped"
                found |= {(binding.id, binding.id.partition(".")[2], key.strip()) for key in binding.key.split(",")}
    wrong = [
        f"{whole} on {key}, which means {BY_KEY[key].means if key in BY_KEY else 'nothing yet'}"
        for whole, name, key in sorted(found)
        if key not in BY_KEY or name not in BY_KEY[key].names.split()
    ]
    assert wrong == []
    assert sum(len(each.keys.split()) for each in MEANINGS) == len(BY_KEY)
    bound = {(name, key) for _, name, key in found}
    unused = [
        (key, name)
        for each in MEANINGS
        for name in each.names.split()
        for key in each.keys.split()
        if not any(other == name and theirs in each.keys.split() for other, theirs in bound)
    ]
    assert unused == []
