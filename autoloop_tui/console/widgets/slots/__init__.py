"""Widgets of the Slots screen."""
