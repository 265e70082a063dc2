"""Data for the Compare screen."""
