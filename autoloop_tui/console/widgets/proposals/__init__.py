"""Widgets for proposals."""
