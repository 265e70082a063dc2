"""Data for the screen about rounds and their runs."""
