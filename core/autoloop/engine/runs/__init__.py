"""One run at a time: its attempts, their execution, monitoring and outcome."""
