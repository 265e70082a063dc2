"""What happens during a round and from one round to the next: judging, proposals, live rules, reports."""
