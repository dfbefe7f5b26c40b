"""The kinds podhatch uses, and where the API server serves them."""

from dataclasses import dataclass
from urllib.parse import quote

from podhatch.api.labels import GROUP, VERSION
from podhatch.api.model import JsonObject


@dataclass(frozen=True)
class Kind:
    """A kind; of one that has no namespaces, none is named."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """The `apiVersion` of an object of this kind."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, of all namespaces when None, or of an object in it."""
        root = "/apis" if self.group else "/api"
        where = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        parts = (self.plural, name, subresource)
        tail = "".join(f"/{quote(part, safe='')}" for part in parts if part)
        return f"{root}/{self.api_version}{where}{tail}"


WORKFLOW = Kind(GROUP, VERSION, "Workflow", "workflows")
WORKFLOW_RUN = Kind(GROUP, VERSION, "WorkflowRun", "workflowruns")
TASK_RESULT = Kind(GROUP, VERSION, "TaskResult", "taskresults")
WORKFLOW_EVENT = Kind(GROUP, VERSION, "WorkflowEvent", "workflowevents")
CRON_WORKFLOW = Kind(GROUP, VERSION, "CronWorkflow", "cronworkflows")
EVENT_FILTER = Kind(GROUP, VERSION, "EventFilter", "eventfilters")
RATE_LIMIT = Kind(GROUP, VERSION, "RateLimit", "ratelimits")
DURABLE_LOG = Kind(GROUP, VERSION, "DurableLog", "durablelogs")
JOB = Kind("batch", "v1", "Job", "jobs")
CRON_JOB = Kind("batch", "v1", "CronJob", "cronjobs")
POD = Kind("", "v1", "Pod", "pods")
NODE = Kind("", "v1", "Node", "nodes")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
EVENT = Kind("events.k8s.io", "v1", "Event", "events")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
SELF_SUBJECT_REVIEW = Kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")

KINDS = {
    (kind.api_version, kind.kind): kind
    for kind in (
        WORKFLOW,
        WORKFLOW_RUN,
        TASK_RESULT,
        WORKFLOW_EVENT,
        CRON_WORKFLOW,
        EVENT_FILTER,
        RATE_LIMIT,
        DURABLE_LOG,
        JOB,
        CRON_JOB,
        POD,
        CONFIG_MAP,
        CONTROLLER_REVISION,
        EVENT,
        SERVICE_ACCOUNT,
        ROLE_BINDING,
        LEASE,
    )
}


def kind_of(manifest: JsonObject) -> Kind:
    """Return the kind a manifest declares.

    Raises:
        ValueError: podhatch does not work with that kind.
    """
    key = (str(manifest.get("apiVersion", "")), str(manifest.get("kind", "")))
    kind = KINDS.get(key)
    if kind is None:
        raise ValueError(
            f"apiVersion {key[0]!r} and kind {key[1]!r}: not a kind podhatch works with"
        )
    return kind
