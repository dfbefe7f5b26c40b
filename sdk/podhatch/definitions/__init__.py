"""What users define: workflows, tasks and standalone tasks, and how they turn into objects.

Modules here import the standard library at their top and pydantic where it is needed: a pod that
runs a task imports the definitions too, and should not wait for what it does not use.
"""
