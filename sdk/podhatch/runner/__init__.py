"""What runs inside a Python task's pod: `python -m podhatch.runner`.

Standard library only, so that the user's code starts at once. Modules are imported when needed:
what only a failure, a zip or an async function needs, others do not wait for.
"""
