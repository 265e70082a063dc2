"""Generate the page on dependencies and their licences from the installed packages: `python -m docs.make_licences_page`."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).with_name("licences.md")
NAME = "autoloop-tui"
EXTRAS = ("", "wandb", "train", "search", "agents")
"""The extras that users install; "" is the package without extras."""

HEAD = """\
# Licences of dependencies

Auto Loop is under the Apache License 2.0. It contains no code of other projects; `pip` installs these packages beside it,
each under its own licence. The column *with* shows the smallest install that includes a package.

A CUDA build of torch also installs NVIDIA's libraries (`nvidia-*`), which are under NVIDIA's own terms.

`python -m docs.make_licences_page` generates this page from the packages' metadata; a test checks that it is current.

| package | licence | with |
|---|---|---|
"""

UNSTATED = {"mpmath": "BSD", "google-re2": "BSD-3-Clause"}
"""Licences that a package's files state but its metadata does not."""

SHORT = (
    (r"apache", "Apache-2.0"),
    (r"^mit\b|mit license", "MIT"),
    (r"bsd.3|3.clause|new bsd", "BSD-3-Clause"),
    (r"bsd.2|2.clause", "BSD-2-Clause"),
    (r"bsd", "BSD"),
    (r"mozilla|mpl", "MPL-2.0"),
    (r"isc", "ISC"),
    (r"python software foundation|psf", "PSF-2.0"),
)


def page() -> str:
    rows: dict[str, tuple[str, str]] = {}
    for extra in EXTRAS:
        for name in sorted(needed(extra)):
            rows.setdefault(name, (licence(distribution(name)), f"`{NAME}[{extra}]`" if extra else f"`{NAME}`"))
    return HEAD + "".join(f"| {name} | {of} | {brought} |\n" for name, (of, brought) in sorted(rows.items()))


def needed(extra: str) -> set[str]:
    """Return the packages that an install with this extra brings, as far as they are installed here, without ours."""
    found: set[str] = set()
    open_ = [(NAME, extra)]
    seen = set(open_)
    while open_:
        package, asked = open_.pop()
        for text in own(asked) if package == NAME else distribution(package).requires or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": asked}):
                continue
            name = canonicalize_name(requirement.name)
            try:
                distribution(name)
            except PackageNotFoundError:  # for another platform, or a CUDA build of torch
                continue
            found.add(name)
            for each in ("", *sorted(requirement.extras)):
                if (name, each) not in seen:
                    seen.add((name, each))
                    open_.append((name, each))
    return found - {NAME}


def own(extra: str) -> list[str]:
    """Return the requirements in pyproject.toml; the metadata of an editable install may be outdated."""
    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]


def licence(package: Distribution) -> str:
    """Return the short name of a licence: the metadata's expression, else a match in its text or classifiers."""
    stated = package.metadata.json
    if expression := stated.get("license_expression"):
        return str(expression)
    classifiers = [text.rpartition(" :: ")[2] for text in stated.get("classifier", ()) if text.startswith("License ::")]
    said = str(stated.get("license", "")).strip().partition("\n")[0]
    for text in (said, *classifiers):
        for pattern, short in SHORT:
            if re.search(pattern, text, re.IGNORECASE):
                return short
    return UNSTATED.get(canonicalize_name(package.metadata["Name"])) or said or "; ".join(classifiers) or "not stated"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
