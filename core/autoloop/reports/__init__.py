"""The reports of a loop, generated from the store: `autorun_summary.json`, a Markdown report and an HTML report.

Names are imported on first use: `status` needs only a few lines of a loop's result, without the report renderers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoloop.lazy import loading

if TYPE_CHECKING:
    from autoloop.reports.markdown import MarkdownReport, render, write_markdown
    from autoloop.reports.result import result_lines, then_line, then_proposal
    from autoloop.reports.rule_records import loop_records, other_records, project_records
    from autoloop.reports.summary_json import write_runs, write_summary

__all__ = [
    "MarkdownReport",
    "loop_records",
    "other_records",
    "project_records",
    "render",
    "result_lines",
    "then_line",
    "then_proposal",
    "write_markdown",
    "write_runs",
    "write_summary",
]

_HOMES = {
    "MarkdownReport": "markdown",
    "loop_records": "rule_records",
    "other_records": "rule_records",
    "project_records": "rule_records",
    "render": "markdown",
    "result_lines": "result",
    "then_line": "result",
    "then_proposal": "result",
    "write_markdown": "markdown",
    "write_runs": "summary_json",
    "write_summary": "summary_json",
}

__getattr__ = loading(__name__, _HOMES)
