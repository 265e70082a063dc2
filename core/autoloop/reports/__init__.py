"""What people read afterwards: `autorun_summary.json`, a Markdown report and a page to share; all come from the store."""

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
