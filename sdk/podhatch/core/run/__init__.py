"""Decisions about WorkflowRuns: what to start next, and what the status says."""
