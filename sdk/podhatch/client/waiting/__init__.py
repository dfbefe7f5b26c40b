"""Waits for runs to end: all that one process awaits in a namespace by one watch."""
