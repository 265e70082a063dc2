"""The log of all slots."""
