"""Widgets for the slots and what comes next."""
