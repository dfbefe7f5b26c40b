"""A real Kubernetes cluster for tests and the demo, on any machine with Python.

Called as `python -m tests.cluster`; the tests import single modules of it.
"""
