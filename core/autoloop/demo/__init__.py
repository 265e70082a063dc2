"""A small real training that answers to the same contract as LeRobot's trainer, and the project that shows it off."""
