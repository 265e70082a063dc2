"""Starting, watching and stopping the process of an attempt. `supervisor` runs beside it, `local` is its client."""
