"""The W&B service: is there a key, what does it hold. Nothing here is needed for a run that is offline."""
