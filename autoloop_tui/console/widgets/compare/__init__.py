"""Widgets for runs side by side."""
