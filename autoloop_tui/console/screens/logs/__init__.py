"""The logs of all slots."""
