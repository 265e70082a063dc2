"""The engine itself: its loop, its process, its lock, and how it waits out a store that cannot be written."""
