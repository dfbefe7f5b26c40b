"""Decisions about pods: a task's pod template, and what a pod's status means."""
