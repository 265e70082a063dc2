"""A small real training with the same interface as LeRobot's trainer, and a demo project for it."""
