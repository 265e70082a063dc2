"""Widgets for comparing runs."""
