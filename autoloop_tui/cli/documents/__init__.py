"""The output of `--json`: the type of each answer, from which its JSON Schema is generated, and its version."""
