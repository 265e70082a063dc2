"""Growing logs: reading their end, searching them, and making their text safe to display."""
