"""The report as one HTML page to share: no network, no third-party code, readable without its script."""

from autoloop.reports.html.page import SIGN, render_page

__all__ = ["SIGN", "render_page"]
