"""Durable tasks: which waits of their logs are over."""
