"""Decisions about WorkflowEvents and EventFilters: which runs an event starts."""
