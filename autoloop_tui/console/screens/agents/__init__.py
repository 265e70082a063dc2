"""What each actor has done and spent."""
