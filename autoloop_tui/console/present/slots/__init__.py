"""Data for the Slots screen."""
