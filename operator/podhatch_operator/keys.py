"""The name of a piece of work: what the queue holds and the reconciler is called with."""

from typing import NamedTuple

from podhatch.cluster import WORKFLOW_RUN


class Key(NamedTuple):
    """One object to reconcile."""

    kind: str
    """The kind of the object."""
    namespace: str
    name: str


def run_key(namespace: str, name: str) -> Key:
    """Return the key of a run."""
    return Key(WORKFLOW_RUN.kind, namespace, name)
