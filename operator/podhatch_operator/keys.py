"""The name of a piece of work: what the queue holds and the reconciler is called with."""

from typing import NamedTuple

from podhatch.cluster import (
    CRON_WORKFLOW,
    DURABLE_LOG,
    EVENT_FILTER,
    RATE_LIMIT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
)


class Key(NamedTuple):
    """One object to reconcile."""

    kind: str
    """The kind of the object."""
    namespace: str
    name: str


def run_key(namespace: str, name: str) -> Key:
    """Return the key of a run."""
    return Key(WORKFLOW_RUN.kind, namespace, name)


def workflow_key(namespace: str, name: str) -> Key:
    """Return the key of a workflow."""
    return Key(WORKFLOW.kind, namespace, name)


def event_key(namespace: str, name: str) -> Key:
    """Return the key of a workflow event."""
    return Key(WORKFLOW_EVENT.kind, namespace, name)


def filter_key(namespace: str, name: str) -> Key:
    """Return the key of an event filter."""
    return Key(EVENT_FILTER.kind, namespace, name)


def rate_limit_key(namespace: str, name: str) -> Key:
    """Return the key of a rate limit."""
    return Key(RATE_LIMIT.kind, namespace, name)


def durable_log_key(namespace: str, name: str) -> Key:
    """Return the key of a page of a durable task's log."""
    return Key(DURABLE_LOG.kind, namespace, name)


def cron_key(namespace: str, name: str) -> Key:
    """Return the key of a cron: of its CronWorkflow, its CronJob and the Jobs of its ticks."""
    return Key(CRON_WORKFLOW.kind, namespace, name)
