"""Group, version, and the labels and annotations podhatch puts on objects. Used everywhere."""

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
"""On a Job: the ControllerRevision the attempt was made from."""
CONTENT_HASH = f"{GROUP}/content-hash"
"""On a Workflow: hash of what the SDK applied last; an unchanged one is not applied again."""
WORKFLOW_GENERATION = f"{GROUP}/workflow-generation"
"""On a WorkflowRun: the generation of the Workflow that its creator had applied just before."""

CLIENT = f"{GROUP}/client"
"""On a WorkflowRun: the process that created it, so that one watch follows all of its runs."""
REPLAY = f"{GROUP}/replay"
"""Annotation of a Job: the replay of its run that it was made for; absent before the first."""
CRON = f"{GROUP}/cron"
"""On the Job of a tick: its CronWorkflow."""
MANAGED_BY_OPERATOR = f"{GROUP}/operator"
"""In a tick's Job, spec.managedBy: the Job controller starts no pod, the operator reports on it."""

PRIORITY_CLASSES = {1: "podhatch-low", 2: "podhatch-medium", 3: "podhatch-high"}

REPORT_ACCOUNT = "podhatch-report"
"""ServiceAccount of pods that write their own result; also its RoleBinding and ClusterRole."""
SPAWN_ACCOUNT = "podhatch-spawn"
"""ServiceAccount of pods that start child runs too; also its RoleBinding and ClusterRole."""
