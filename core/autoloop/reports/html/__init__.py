"""The report as one self-contained HTML page: no network access, no third-party code, readable without its script."""

from autoloop.reports.html.page import SIGN, render_page

__all__ = ["SIGN", "render_page"]
