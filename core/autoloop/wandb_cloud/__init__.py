"""Access to the W&B service: the key, the server, and the runs of a project. Offline runs need nothing from here."""
