"""What decides whether a queued run or task may start: limits that runs have in common."""
