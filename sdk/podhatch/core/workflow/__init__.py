"""Decisions about Workflows: whether runs of it can start, and its pinned revisions."""
