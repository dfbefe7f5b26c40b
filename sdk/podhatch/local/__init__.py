"""Runs workflows without a cluster: the operator's decisions, carried out in this process.

`run_local` and `podhatch.testing` enter by `podhatch.local.session`.
"""
