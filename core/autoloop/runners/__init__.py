"""Start, watch and stop the process of an attempt. `supervisor` runs beside that process, `local` is its client."""
