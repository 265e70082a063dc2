"""Auto Loop's headless core: rounds of short training runs, judged by rules."""
