"""The cluster, as the operator and the SDK's client reach it: a few verbs over one connection.

Raw JSON objects in and out. It imports aiohttp, so the SDK imports it only when something runs.
"""

from podhatch.cluster.client import Cluster
from podhatch.cluster.connection import Connection
from podhatch.cluster.errors import ApiError, ClusterUnreachable, NamespaceTerminating
from podhatch.cluster.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    CRON_JOB,
    CRON_WORKFLOW,
    DURABLE_LOG,
    EVENT,
    EVENT_FILTER,
    JOB,
    KINDS,
    LEASE,
    NODE,
    POD,
    RATE_LIMIT,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
    kind_of,
)
from podhatch.cluster.protocol import ClusterApi, LogLine, WatchEvent

__all__ = [
    "CONFIG_MAP",
    "CONTROLLER_REVISION",
    "CRON_JOB",
    "CRON_WORKFLOW",
    "DURABLE_LOG",
    "EVENT",
    "EVENT_FILTER",
    "JOB",
    "KINDS",
    "LEASE",
    "NODE",
    "POD",
    "RATE_LIMIT",
    "ROLE_BINDING",
    "SERVICE_ACCOUNT",
    "TASK_RESULT",
    "WORKFLOW",
    "WORKFLOW_EVENT",
    "WORKFLOW_RUN",
    "ApiError",
    "Cluster",
    "ClusterApi",
    "ClusterUnreachable",
    "Connection",
    "Kind",
    "LogLine",
    "NamespaceTerminating",
    "WatchEvent",
    "kind_of",
]
