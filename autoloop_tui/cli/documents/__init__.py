"""What `--json` prints: the type of each answer, from which its JSON Schema is made, and its version."""
