"""Widgets for the slots and what is next."""
