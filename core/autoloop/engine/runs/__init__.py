"""One run at a time: its attempts, their execution and outcome, and what watches over them."""
