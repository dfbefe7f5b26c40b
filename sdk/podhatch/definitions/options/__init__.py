"""The options of workflows, tasks, pods and runs, and their checks."""
