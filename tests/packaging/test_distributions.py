"""The distributions: the wheel, the sdist, and what an installation adds to the import path."""

from __future__ import annotations

import email
import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from autoloop.metric_readers import native

import hatch_build
from docs.make_licences_page import PAGE, page
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=4 * PATIENCE)


def build(source: Path, out: Path, *kinds: str) -> None:
    done = run(sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", out, source, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(sdist, wheel) of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out, "--sdist", "--wheel")
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel and only the packages that it depends on."""
    home = tmp_path_factory.mktemp("environment")
    assert run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home).returncode == 0
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    done = run(*pip, built[1], cwd=home)
    assert done.returncode == 0, done.stderr
    # Dependencies are imported from the tests' own environment; its .pth files (of an editable install) are not followed.
    packages = next(Path(place) for place in sys.path if (Path(place) / "msgspec").is_dir())
    next(home.glob("lib/python*/site-packages")).joinpath("packages.pth").write_text(f"{packages}\n")
    return home / "bin"


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def test_the_description_has_only_what_an_index_can_show(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        parsed = email.message_from_bytes(archive.read(metadata))
    assert parsed["Description-Content-Type"] == "text/markdown"
    text = parsed.get_payload()
    assert isinstance(text, str)
    assert text.startswith("# Auto Loop\n")
    assert "## Two commands" in text
    assert not re.search(r"!\[|<img|<!--", text)
    assert not [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")]


def test_the_wheel_holds_the_two_packages_with_their_data_and_the_licence(built: tuple[Path, Path]) -> None:
    names = contents(built[1])
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"autoloop", "autoloop_tui"}
    assert {"autoloop/py.typed", "autoloop_tui/py.typed", "autoloop_tui/themes/dark.toml"} <= set(names)
    assert {name.split("/")[-1] for name in names if "/recipes/" in name and name.endswith(".toml")} >= {"pi-unlock.toml"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sdist_builds_the_same_wheel_and_holds_the_tests(built: tuple[Path, Path], tmp_path: Path) -> None:
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert (unpacked / "tests").is_dir()
    assert (unpacked / "README.zh-CN.md").is_file()
    out = tmp_path / "out"
    out.mkdir()
    build(unpacked, out, "--wheel")
    assert contents(next(out.glob("*.whl"))) == contents(wheel)


def test_without_a_c_compiler_the_wheel_is_one_for_any_machine(
    built: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(wheel: Path) -> list[str]:
        return [name for name in contents(wheel) if name.endswith((".so", ".c"))]

    if native.compiled is not None:
        assert compiled(built[1]) == ["autoloop/metric_readers/_native.abi3.so"]
        assert re.search(rf"-cp3{sys.version_info.minor}-abi3-linux_\w+\.whl$", built[1].name)
    monkeypatch.setenv("CC", "/nonexistent/cc")
    build(ROOT, tmp_path, "--wheel")
    (pure,) = tmp_path.glob("*-py3-none-any.whl")
    assert compiled(pure) == []
    assert contents(pure).keys() >= {"autoloop/metric_readers/native.py"}


@pytest.mark.skipif(native.compiled is None, reason="There was no C compiler when this checkout was installed.")
def test_whatever_a_compiler_does_the_build_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / hatch_build.BUILT
    for bad in ("true", "cc 'unclosed", " ", str(tmp_path)):
        assert hatch_build.compiled_to(place, ROOT)
        monkeypatch.setenv("CC", bad)
        assert not hatch_build.compiled_to(place, ROOT)
        assert list(tmp_path.iterdir()) == []
        monkeypatch.delenv("CC")
    assert not hatch_build.compiled_to(Path("/proc/none.so"), ROOT)  # a folder in which this user may not write


@pytest.mark.skipif(native.compiled is None, reason="There was no C compiler when this checkout was installed.")
def test_what_was_built_for_a_newer_python_is_refused_in_words(tmp_path: Path) -> None:
    source, place = tmp_path / hatch_build.SOURCE, tmp_path / hatch_build.BUILT
    source.parent.mkdir(parents=True)
    newer = "#include <Python.h>\n#undef PY_VERSION_HEX\n#define PY_VERSION_HEX 0x03630000"
    source.write_text((ROOT / hatch_build.SOURCE).read_text(encoding="utf-8").replace("#include <Python.h>", newer))
    assert hatch_build.compiled_to(place, tmp_path)
    done = run(sys.executable, "-c", "import _native", cwd=tmp_path)
    assert done.stderr.endswith("ImportError: built for a newer Python\n")


def test_an_installed_wheel_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    for words in (["--version"], ["themes"], ["demo", "--help"]):
        done = run(installed / "autoloop-tui", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_the_licences_of_all_dependencies_are_listed() -> None:
    # Another Python may need fewer packages than the page lists.
    missing = set(page().splitlines()) - set(PAGE.read_text(encoding="utf-8").splitlines())
    assert not missing, "python -m docs.make_licences_page writes it anew"
    assert "not stated" not in page()


@pytest.mark.parametrize("name", ["tests", "bench", "docs", "core", "recipes"])
def test_no_installation_puts_other_names_on_the_import_path(name: str, installed: Path, tmp_path: Path) -> None:
    for python in (installed / "python", sys.executable):  # with the wheel, and with this checkout (editable)
        assert run(python, "-c", "import autoloop, autoloop_tui", cwd=tmp_path).returncode == 0
        done = run(python, "-c", f"import {name}", cwd=tmp_path)
        assert "ModuleNotFoundError" in done.stderr
