"""Runs expressions and schemas that users wrote in processes of their own, within limits."""
