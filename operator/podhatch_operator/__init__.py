"""The podhatch operator: turns WorkflowRun objects into Jobs, and what happens to them into status."""
