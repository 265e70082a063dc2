"""Which queued run may start in which free slot, and what it waits for."""
