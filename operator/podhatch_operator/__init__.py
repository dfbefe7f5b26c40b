"""The podhatch operator: creates the Jobs of WorkflowRuns, and writes their status."""
