"""Generate the page on JSON answers from their schemas: `python -m docs.make_json_page`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoloop_tui.cli.documents.answers import ANSWERS, mark
from autoloop_tui.cli.documents.json_schema import schema

PAGE = Path(__file__).with_name("json.md")

HEAD = """\
# JSON answers

Every command that takes `--json` prints one object. Its field `schema` contains the name and version of the answer, as in
`status/1`. The version increases when a field is removed or changes its type or meaning, but not when a field is added.
`autoloop-tui schema COMMAND` prints the JSON Schema (draft 2020-12) of a command's answer, and `autoloop-tui schema` lists
all schemas.

JSON has no NaN or infinity: a number that is not finite is null. Times are Unix timestamps in seconds, durations are in
seconds, sizes in bytes. `analyze-offline` without `--rules` prints an object whose keys are output directories, as earlier
versions did, without a field `schema`.

`runs --json` writes one run at a time: if its exit code is not 0, the output may be truncated and not valid JSON.

`python -m docs.make_json_page` generates this page; a test checks that it is current.
"""


def page() -> str:
    lines = [HEAD, "| schema | printed by | |", "|---|---|---|"]
    for name, answer in ANSWERS.items():
        forms = ", ".join(f"`{form}`" for form in answer.commands)
        lines.append(f"| [{mark(name)}](#{mark(name).replace('/', '')}) | {forms} | {answer.line} |")
    shared: dict[str, dict[str, Any]] = {}
    for name in ANSWERS:
        found = schema(name)
        lines += ["", f"## {mark(name)}", "", *_fields(found)]
        shared.update(found["$defs"])
    lines += ["", "## Parts", ""]
    for name, part in sorted(shared.items()):
        lines += [f"### {name}", "", *_fields(part), ""]
    return "\n".join(lines).rstrip() + "\n"


def _fields(part: dict[str, Any]) -> list[str]:
    said = [part["description"], ""] if part.get("description") else []
    if "enum" in part:
        return [*said, "One of " + ", ".join(f"`{each}`" for each in part["enum"]) + "."]
    if "properties" not in part:
        return [*said, _type(part)]
    required = part.get("required", ())
    rows = ["| field | type | |", "|---|---|---|"]
    for field, given in part["properties"].items():
        text = " ".join(given.get("description", "").split()).replace("|", "\\|")
        absent = "" if field in required else "may be absent; " if text else "may be absent"
        rows.append(f"| `{field}` | {_type(given)} | {absent}{text} |")
    return [*said, *rows]


def _type(given: dict[str, Any]) -> str:
    """Return a type as text, with links to the parts of this page."""
    if "const" in given:
        return f"`{given['const']}`"
    if "enum" in given:
        return " or ".join(f"`{each}`" for each in given["enum"])
    if "$ref" in given:
        name = given["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in given:
        kinds = [_type(each) for each in given["anyOf"]]
        return " or ".join(dict.fromkeys(kind for each in kinds for kind in each.split(" or ")))
    kind = given.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        parts = given.get("prefixItems")
        if parts:
            return f"{len(parts)} × {_type(parts[0])}"
        return f"list of {_type(given['items'])}" if given.get("items") else "list"
    if kind == "object" and isinstance(given.get("additionalProperties"), dict):
        return f"object of {_type(given['additionalProperties'])}"
    return str(kind)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
