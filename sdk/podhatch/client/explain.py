"""Errors of the API server as sentences for the user."""

from collections.abc import Generator
from contextlib import contextmanager

from podhatch.api.labels import REPORT_ACCOUNT
from podhatch.cluster import ApiError
from podhatch.errors import NotInstalled, RequestRefused

SPAWNING = ("WorkflowRun", "WorkflowEvent", "TaskResult")
"""Kinds that a pod with the access `spawn` may use."""
SPAWN_ADVICE = (
    'set cluster_access="spawn" on the task that starts runs or pushes events '
    "(clusterAccess: spawn in YAML)"
)

NO_ACCESS = f"the task's pod has no access to the cluster: {SPAWN_ADVICE}"


def only_reports(subject: str) -> str:
    """Return why a pod with the access `report` may not touch an object."""
    return f"{subject}: the task's pod may only report its own result: {SPAWN_ADVICE}"


@contextmanager
def explained(kind: str, namespace: str, name: str = "") -> Generator[None]:
    """Raise errors of the API server about an object, or a list, as errors that say what to do.

    Raises:
        NotInstalled: The cluster does not know the kind.
        RequestRefused: Anything else.
    """
    try:
        yield
    except ApiError as error:
        subject = f"{kind} {name!r}" if name else f"the list of {kind} objects"
        subject += f" in namespace {namespace!r}"
        if f":{REPORT_ACCOUNT}" in error.message and kind in SPAWNING:
            raise RequestRefused(only_reports(subject)) from None
        if error.status != 404:
            raise RequestRefused(f"the API server refused {subject}: {error.message}") from None
        if error.message.startswith("namespaces "):
            raise RequestRefused(
                f"{subject}: there is no such namespace; create it, or name another"
            ) from None
        if name and error.is_missing(name):
            raise RequestRefused(f"there is no {subject}") from None
        raise NotInstalled(
            f"{subject}: podhatch is not installed in this cluster, which does not know the kind; "
            "install its chart: helm install podhatch charts/podhatch"
        ) from None
