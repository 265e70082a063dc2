"""From one round to the next: judging, proposals, live rules, reports."""
