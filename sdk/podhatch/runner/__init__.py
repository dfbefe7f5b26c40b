"""What runs inside a Python task's pod: `python -m podhatch.runner`.

`assignment` is what to run, `loader` finds the function, `call` calls it, `attempt` settles how it
ended, and `report` is what leaves the pod. Every millisecond here delays every task: modules and
classes that are slow to import are avoided, and what only a failure, a zip or an async function
needs is imported there.
"""
