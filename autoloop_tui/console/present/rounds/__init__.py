"""Data for the Rounds screen."""
