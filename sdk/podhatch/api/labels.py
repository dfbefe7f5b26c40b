"""API group and version, and the labels and annotations that podhatch sets on objects."""

from typing import Final, Literal

GROUP = "podhatch.dev"
VERSION = "v1alpha1"
API_VERSION: Final[Literal["podhatch.dev/v1alpha1"]] = "podhatch.dev/v1alpha1"

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY_VALUE = "podhatch"

RUN = f"{GROUP}/run"
TASK = f"{GROUP}/task"
ATTEMPT = f"{GROUP}/attempt"
WORKFLOW = f"{GROUP}/workflow"
REVISION = f"{GROUP}/revision"
"""On a Job: the ControllerRevision of the attempt."""
CONTENT_HASH = f"{GROUP}/content-hash"
"""On a Workflow: a hash of what the SDK applied last, to skip an unchanged one."""
WORKFLOW_GENERATION = f"{GROUP}/workflow-generation"
"""On a WorkflowRun: the generation of the Workflow that its creator applied before it."""

CLIENT = f"{GROUP}/client"
"""On a WorkflowRun: the process that created it, so that one watch covers all its runs."""
SEQUENCE = f"{GROUP}/sequence"
"""Annotation of a WorkflowRun: a number that puts runs of the same second in order of creation."""
REPLAY = f"{GROUP}/replay"
"""Annotation of a Job: the replay that it belongs to; absent before the first."""
WAITS_OVER = f"{GROUP}/waits-over"
"""Annotation of a durable task's Job: how many waits of its log were over when it was made."""
CRON = f"{GROUP}/cron"
"""On the Job of a tick: its CronWorkflow."""
DYNAMIC = f"{GROUP}/dynamic"
"""On a RateLimit that a dynamic key has made, and which goes when it is not used any more."""
MANAGED_BY_OPERATOR = f"{GROUP}/operator"
"""spec.managedBy of a tick's Job: the operator, not the Job controller, sets its status."""

PRIORITY_CLASSES = {1: "podhatch-low", 2: "podhatch-medium", 3: "podhatch-high"}

REPORT_ACCOUNT = "podhatch-report"
"""ServiceAccount, RoleBinding and ClusterRole of pods that write their own result."""
SPAWN_ACCOUNT = "podhatch-spawn"
"""ServiceAccount, RoleBinding and ClusterRole of pods that also start child runs."""
