"""The contents of charts of runs, and the facts shown with them."""
