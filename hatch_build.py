"""Build hooks: the description for a package index, and the compiled part of the readers.

An index has neither the pictures of the repository nor the files next to the README, so text between the marks
`<!-- repository -->` is removed, and other relative links are replaced by their text.

The compiled part is optional. Without a C compiler or Python's headers, the wheel is platform-independent.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ONLY_HERE = re.compile(r"<!-- repository -->.*?<!-- /repository -->\n*", re.DOTALL)
RELATIVE_LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?://)[^)\n]+\)")


def for_an_index(readme: str) -> str:
    return RELATIVE_LINK.sub(r"\1", ONLY_HERE.sub("", readme))


class Description(MetadataHookInterface):
    """Sets the description; called by the build backend for every kind of distribution."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_an_index(text)}


# ------------------------------------------------------------------------------------------------ compiled readers

SOURCE = Path("core/autoloop/metric_readers/_native.c")
BUILT = "_native.abi3.so"
"""Works with the CPython that it was built with and later ones. It cannot support older ones, because headers newer than
3.11 use functions that 3.11 lacks, regardless of the requested limited API."""


class CompiledReaders(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the readers into the wheel, or next to their source for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable":
            compiled_to((root / SOURCE).with_name(BUILT), root)
            return
        self._folder = tempfile.TemporaryDirectory()
        built = Path(self._folder.name, BUILT)
        if compiled_to(built, root):
            build_data["force_include"][str(built)] = f"autoloop/metric_readers/{BUILT}"
            build_data["pure_python"] = False
            build_data["tag"] = f"cp3{sys.version_info.minor}-abi3-{platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._folder.cleanup()


def compiled_to(place: Path, root: Path) -> bool:
    """Compile the readers to `place`; False if that failed. Then any older file there is removed, if permissions allow."""
    try:
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".compiled-") as folder:
            made = Path(folder, BUILT)
            if supported() and any(_compiled(compiler, made, root) for compiler in compilers()):
                made.replace(place)
                return True
        place.unlink(missing_ok=True)
    except OSError:
        pass
    return False


def _compiled(compiler: list[str], made: Path, root: Path) -> bool:
    include = sysconfig.get_paths()["include"]
    said = f"-DSOURCE_SUM={zlib.crc32((root / SOURCE).read_bytes())}"
    words = ["-O2", "-fPIC", "-shared", "-s", f"-I{include}", said, "-o", str(made), str(SOURCE)]
    try:
        done = subprocess.run([*compiler, *words], cwd=root, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0 and made.is_file()


def supported() -> bool:
    """Whether this Python has the limited API, on a system that Auto Loop supports."""
    own = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    return own and sys.platform == "linux"


def compilers() -> Iterator[list[str]]:
    names = [os.environ["CC"]] if os.environ.get("CC") else [sysconfig.get_config_var("CC"), "cc"]
    for name in filter(None, names):
        with suppress(ValueError):  # an unclosed quotation mark
            yield shlex.split(name)


def platform() -> str:
    """The platform tag of a wheel compiled on this machine."""
    return re.sub(r"\W", "_", sysconfig.get_platform())
