"""The finish page."""
