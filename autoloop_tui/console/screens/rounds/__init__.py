"""The Rounds screen: rounds and their runs."""
