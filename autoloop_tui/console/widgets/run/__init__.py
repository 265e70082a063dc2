"""Widgets for one run."""
