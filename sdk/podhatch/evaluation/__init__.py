"""Evaluates expressions and schemas of users in a process of its own, within the limits.

The operator and `hatchet.cel` start the same server, so an expression has the same result in both.
"""
