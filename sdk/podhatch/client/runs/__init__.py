"""Runs: found, created, awaited, cancelled and replayed."""
