"""What every part of the engine shares: its context and the kinds of events."""
