"""Data for the screen about the slots and what comes next."""
