"""The screen of the slots and what comes next."""
