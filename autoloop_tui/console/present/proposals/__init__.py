"""Data for the screen about proposals."""
