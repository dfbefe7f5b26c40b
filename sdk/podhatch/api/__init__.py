"""The objects podhatch keeps in the cluster, and the words both sides of a pod agree on.

Imports nothing on purpose: the runner takes `podhatch.api.pod` without paying for pydantic.
"""
