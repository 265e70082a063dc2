"""Widgets for rounds and their runs."""
