"""The engine's main loop, its process, its lock, and waiting while the store cannot be written."""
