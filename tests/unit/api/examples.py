"""One object of each kind with every field set, for the tests of schemas and of the API server."""

from datetime import UTC, datetime

from podhatch.api.model import Condition, ObjectMeta
from podhatch.api.result import ResultError, TaskResult, TaskResultSpec
from podhatch.api.run import (
    TaskError,
    TaskStatus,
    WorkflowRun,
    WorkflowRunSpec,
    WorkflowRunStatus,
)
from podhatch.api.task import Container, DesiredWorkerLabel, EnvironmentVariable, TaskSpec
from podhatch.api.workflow import Source, Workflow, WorkflowSpec, WorkflowStatus

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


def condition(kind: str) -> Condition:
    return Condition(
        type=kind,
        status="True",
        reason="AllIsWell",
        message="Nothing to do.",
        last_transition_time=MOMENT,
        observed_generation=3,
    )


WORKFLOW = Workflow(
    metadata=ObjectMeta(name="full"),
    spec=WorkflowSpec(
        name="A Full Workflow",
        description="Every field is set.",
        version="7",
        image="example/orders:1",
        image_pull_policy="Never",
        source=Source(config_map="full-source-abc"),
        input_schema={"type": "object", "properties": {"id": {"type": "integer"}}},
        tasks=[
            TaskSpec(
                name="Charge.it_1",
                python="orders:charge",
                image="example/other:2",
                schedule_timeout_seconds=0.5,
                execution_timeout_seconds=1.25,
                cluster_access=False,
                run_as_user=0,
            ),
            TaskSpec(
                name="ship",
                parents=["Charge.it_1"],
                container=Container(
                    image="python:3.13-slim",
                    command=["sh", "-c"],
                    args=["true"],
                    env=[EnvironmentVariable(name="A", value="b")],
                    working_dir="/tmp",
                ),
                desired_worker_labels=[
                    DesiredWorkerLabel(
                        key="example.com/memory",
                        value="64",
                        comparator="GreaterThan",
                        required=True,
                        weight=7,
                    )
                ],
            ),
        ],
    ),
    status=WorkflowStatus(observed_generation=3, conditions=[condition("Valid")]),
)

RUN = WorkflowRun(
    metadata=ObjectMeta(name="full-1"),
    spec=WorkflowRunSpec(
        workflow="full",
        input={"id": 7, "deep": {"list": [1, "two", None, {"three": 3.5}]}},
        additional_metadata={"customer": "7"},
    ),
    status=WorkflowRunStatus(
        observed_generation=1,
        phase="Failed",
        message="task ship failed",
        progress="2/2",
        revision="full-5d9c7",
        started_at=MOMENT,
        finished_at=MOMENT,
        conditions=[condition("Accepted"), condition("Failed")],
        tasks=[
            TaskStatus(name="Charge.it_1", state="Succeeded", attempt=1, output='{"paid":true}'),
            TaskStatus(
                name="ship",
                state="Failed",
                reason="TaskFailed",
                message="it raised ValueError",
                attempt=2,
                job="full-1-ship-abcdef-2",
                node="node-1",
                queued_at=MOMENT,
                started_at=MOMENT,
                finished_at=MOMENT,
                exit_code=1,
                output_ref="full-1-ship-abcdef-2",
                error=TaskError(type="ValueError", message="no", traceback="Traceback ..."),
            ),
        ],
    ),
)

RESULT = TaskResult(
    metadata=ObjectMeta(name="full-1-ship-abcdef-2"),
    spec=TaskResultSpec(
        run="full-1",
        task="ship",
        attempt=2,
        outcome="Failed",
        output='"\\u00e9"',
        error=ResultError(type="ValueError", message="no", traceback="Traceback ..."),
        started_at=MOMENT,
        finished_at=MOMENT,
    ),
)

ALL = (WORKFLOW, RUN, RESULT)
