"""The podhatch operator: turns WorkflowRuns into Jobs, and what happens to them into status."""
