"""One object of each kind with every field set, for the tests of schemas and of the API server."""

from datetime import UTC, datetime

from podhatch.api import condition as conditions
from podhatch.api.concurrency import ConcurrencyClaim, ConcurrencyLimit
from podhatch.api.cron import CronWorkflow, CronWorkflowSpec, CronWorkflowStatus
from podhatch.api.durable_log import (
    DurableCall,
    DurableLog,
    DurableLogSpec,
    DurableLogStatus,
    DurableValue,
    DurableWait,
    MetCondition,
)
from podhatch.api.event import (
    AnsweredWorkflow,
    EventSource,
    KeyCollision,
    TriggeredRun,
    WorkflowEvent,
    WorkflowEventSpec,
    WorkflowEventStatus,
)
from podhatch.api.event_filter import EventFilter, EventFilterSpec, FilterRule
from podhatch.api.idempotency import Idempotency, IdempotencyClaim
from podhatch.api.model import CheckedStatus, ObjectMeta, StatusCondition
from podhatch.api.pod_settings import NamedObject, PodSettings, Resources
from podhatch.api.rate_limit import (
    RateLimit,
    RateLimitClaim,
    RateLimitGrant,
    RateLimitSpec,
    RateLimitStatus,
    TaskRateLimit,
)
from podhatch.api.result import ResultError, TaskResult, TaskResultSpec
from podhatch.api.run import (
    ParentReference,
    Replay,
    Trigger,
    TriggeringEvent,
    TriggeringTick,
    WorkflowRun,
    WorkflowRunSpec,
    WorkflowRunStatus,
)
from podhatch.api.task import (
    Container,
    DurableSettings,
    EnvironmentVariable,
    HookSpec,
    NodeLabel,
    TaskSpec,
)
from podhatch.api.task_status import AttemptRecord, TaskError, TaskStatus
from podhatch.api.workflow import PausePolicy, Source, Workflow, WorkflowSpec

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
SECOND = MOMENT.replace(microsecond=0)


def condition(kind: str) -> StatusCondition:
    return StatusCondition(
        type=kind,
        status="True",
        reason="AllIsWell",
        message="Nothing to do.",
        last_transition_time=SECOND,
        observed_generation=3,
    )


POD = PodSettings(
    resources=Resources(requests={"cpu": "100m"}, limits={"memory": "1Gi"}),
    node_selector={"disk": "ssd"},
    tolerations=[{"key": "gpu", "operator": "Exists"}],
    service_account_name="orders",
    env=[{"name": "A", "value": "b"}],
    env_from=[{"secretRef": {"name": "keys"}}],
    volumes=[{"name": "scratch", "emptyDir": {}}],
    volume_mounts=[{"name": "scratch", "mountPath": "/scratch"}],
    image_pull_secrets=[NamedObject(name="registry")],
    job_labels={"kueue.x-k8s.io/queue-name": "team"},
    suspend=True,
    pod_template={"spec": {"priorityClassName": "high"}},
)
CONTAINER = Container(
    image="python:3.13-slim",
    command=["sh", "-c"],
    args=["true"],
    env=[EnvironmentVariable(name="A", value="b")],
    working_dir="/tmp",
)
CONDITIONS = [
    conditions.Condition(
        readable_data_key="paid",
        event=conditions.EventCondition(
            key="paid",
            expression="input.amount > 0",
            scope="customer-7",
            from_people=True,
            consider_events_since=conditions.RUN_START,
        ),
    ),
    conditions.Condition(sleep_seconds=1.5),
    conditions.Condition(
        parent=conditions.ParentOutputCondition(name="Charge.it_1", expression="output.paid")
    ),
    conditions.Condition(
        any_of=[
            conditions.LeafCondition(
                readable_data_key="either",
                event=conditions.EventCondition(
                    key="shipped",
                    expression="true",
                    scope="customer-7",
                    from_people=True,
                    consider_events_since="2026-03-04T05:06:07Z",
                ),
            ),
            conditions.LeafCondition(sleep_seconds=60),
            conditions.LeafCondition(
                parent=conditions.ParentOutputCondition(name="Charge.it_1", expression="true")
            ),
        ]
    ),
]


LIMITS = [
    ConcurrencyLimit(
        expression="input.carrier",
        max_runs="input.size",
        limit_strategy="CANCEL_NEWEST",
        name="carrier",
    ),
    ConcurrencyLimit(max_runs=7),
]
RATES = [
    TaskRateLimit(dynamic_key="input.carrier", units="input.n", limit="input.most", duration="DAY"),
    TaskRateLimit(static_key="api", units=2),
]


def hook(name: str, **code: object) -> HookSpec:
    return HookSpec.model_validate(
        {
            "name": name,
            "schedule_timeout_seconds": 5,
            "execution_timeout_seconds": 6,
            "max_extension_seconds": 7,
            "cluster_access": "none",
            "run_as_user": 0,
            "retries": 1,
            "backoff_factor": 2,
            "backoff_max_seconds": 60,
            "backoff_jitter": 0.5,
            "concurrency": LIMITS,
            "rate_limits": RATES,
            "pod": POD,
            **code,
        }
    )


FUNCTION = {
    "python": "orders:hook",
    "image": "example/other:2",
    "cluster_access": "spawn",
    "durable": DurableSettings(eviction_ttl_seconds=60),
}


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
                max_extension_seconds=3600,
                cluster_access="spawn",
                run_as_user=0,
                retries=3,
                backoff_factor=2.5,
                backoff_max_seconds=60,
                backoff_jitter=0.5,
                concurrency=LIMITS,
                rate_limits=RATES,
                durable=DurableSettings(eviction_ttl_seconds=60),
                pod=POD,
            ),
            TaskSpec(
                name="ship",
                parents=["Charge.it_1"],
                container=CONTAINER,
                wait_for=CONDITIONS,
                skip_if=CONDITIONS,
                cancel_if=CONDITIONS,
                desired_worker_labels=[
                    NodeLabel(
                        key="example.com/memory",
                        value="64",
                        comparator="GreaterThan",
                        required=True,
                        weight=7,
                    )
                ],
            ),
        ],
        on_failure_task=hook("mend", **FUNCTION),
        on_success_task=hook("tell", **FUNCTION),
        on_events=["order:*"],
        default_filters=[
            FilterRule(expression="input.amount > payload.floor", scope="eu", payload={"floor": 7})
        ],
        on_crons=["30 4 * * MON"],
        cron_input={"id": 7},
        default_additional_metadata={"team": "shop"},
        default_priority=2,
        concurrency=LIMITS,
        lifespan="orders:lifespan",
        pod=POD,
        paused=True,
        pause_policy=PausePolicy(queue_ttl_seconds=60, cron_runs="Drop", scheduled_runs="Drop"),
        sticky="Soft",
        ttl_seconds_after_finished=60,
        idempotency=Idempotency(key_expression="input.id", ttl_seconds=60),
    ),
    status=CheckedStatus(observed_generation=3, conditions=[condition("Valid")]),
)

CONTAINER_HOOKS = Workflow(
    metadata=ObjectMeta(name="hooks"),
    spec=WorkflowSpec(
        tasks=[TaskSpec(name="a", python="orders:a")],
        on_failure_task=hook("mend", container=CONTAINER),
        on_success_task=hook("tell", container=CONTAINER),
        idempotency=Idempotency(key_expression="input.id", fallback_ttl_seconds=60),
    ),
)

RUN = WorkflowRun(
    metadata=ObjectMeta(name="full-1"),
    spec=WorkflowRunSpec(
        workflow="full",
        input={"id": 7, "deep": {"list": [1, "two", None, {"three": 3.5}]}},
        additional_metadata={"customer": "7"},
        priority=3,
        start_at=MOMENT,
        starting_deadline_seconds=60,
        idempotency=IdempotencyClaim(key="7", ttl_seconds=60),
        parent=ParentReference(run="fan-out-1", task="spread", job="fan-out-1-spread-1", index=0),
        trigger=Trigger(
            event=TriggeringEvent(id="paid-1", key="paid", filter_payload={"floor": 7}),
            cron=TriggeringTick(
                cron="nightly", job="nightly-29000000", job_uid="uid-3", scheduled_at=MOMENT
            ),
        ),
        desired_state="Cancelled",
        replay=Replay(count=2, failed_only=True, task="a"),
    ),
    status=WorkflowRunStatus(
        observed_generation=1,
        phase="Failed",
        message="task ship failed",
        progress="2/2",
        revision="full-5d9c7",
        node="node-1",
        replays=1,
        depth=2,
        started_at=MOMENT,
        start_delay_seconds=1.5,
        finished_at=MOMENT,
        conditions=[condition("Accepted"), condition("Failed")],
        concurrency=[
            ConcurrencyClaim(
                task="ship",
                limit="name/carrier",
                key="north",
                max_runs=2,
                strategy="CANCEL_NEWEST",
                held=True,
                parked=True,
                resumes=True,
                since=MOMENT,
                sequence=7,
                priority=3,
                ahead=2,
            )
        ],
        rate_limits=[
            RateLimitClaim(
                task="ship", job="ship-1", limit="api", units=2, since=MOMENT, priority=3
            )
        ],
        tasks=[
            TaskStatus(name="Charge.it_1", state="Succeeded", attempt=1, output='{"paid":true}'),
            TaskStatus(
                name="ship",
                state="Failed",
                reason="TaskFailed",
                message="it raised ValueError",
                attempt=2,
                retries=1,
                disruptions=1,
                resumes=1,
                waits_over=2,
                evicted_at=MOMENT,
                idle_resumes=1,
                next_attempt_at=MOMENT,
                met=["paid"],
                attempts=[
                    AttemptRecord(
                        attempt=1,
                        reason="OOMKilled",
                        message="the container used more memory than its limit",
                        node="node-1",
                        started_at=MOMENT,
                        finished_at=MOMENT,
                        exit_code=137,
                    )
                ],
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
        extended_seconds=30.5,
        waits_over=2,
        retryable=False,
        retry_after_seconds=1.5,
        output='"\\u00e9"',
        error=ResultError(type="ValueError", message="no", traceback="Traceback ..."),
        started_at=MOMENT,
        finished_at=MOMENT,
    ),
)

KEYED_CHILD = WorkflowRun(
    metadata=ObjectMeta(name="full-2"),
    spec=WorkflowRunSpec(
        workflow="full",
        parent=ParentReference(run="fan-out-1", task="spread", job="fan-out-1-spread-1", key="k"),
        idempotency=IdempotencyClaim(key="7", fallback_ttl_seconds=60),
    ),
)

EVENT = WorkflowEvent(
    metadata=ObjectMeta(name="paid-1"),
    spec=WorkflowEventSpec(
        pushed_by=EventSource(user="alice@example.com", job="orders-1-ship-1"),
        key="paid",
        payload={"amount": 7},
        scope="customer-7",
        additional_metadata={"source": "till"},
        priority=3,
        seen_at=MOMENT,
        ttl_seconds=60,
    ),
    status=WorkflowEventStatus(
        handled_at=MOMENT,
        triggered_runs=[TriggeredRun(run="full-1", workflow="full", start="full-2")],
        collisions=[KeyCollision(workflow="full", key="7", held_by="full-3")],
        answered=[AnsweredWorkflow(workflow="full", filters=["strict"], pending=["full-2"])],
        first_version="7",
        message="a filter could not be asked",
    ),
)

CRON = CronWorkflow(
    metadata=ObjectMeta(name="nightly"),
    spec=CronWorkflowSpec(
        workflow="full",
        name="Nightly",
        schedule="30 4 * * *",
        time_zone="Europe/Paris",
        suspend=True,
        concurrency_policy="Forbid",
        starting_deadline_seconds=60,
        input={"id": 7},
        additional_metadata={"customer": "7"},
        priority=1,
        successful_runs_history_limit=5,
        failed_runs_history_limit=5,
    ),
    status=CronWorkflowStatus(
        observed_generation=3,
        conditions=[condition("Valid")],
        last_tick_at=SECOND,
        last_run="nightly-29000000",
        next_run_times=[SECOND],
    ),
)

FILTER = EventFilter(
    metadata=ObjectMeta(name="large"),
    spec=EventFilterSpec(
        workflow="full", expression="input.amount > 7", scope="eu", payload={"floor": 7}
    ),
    status=CheckedStatus(observed_generation=3, conditions=[condition("Valid")]),
)

RATE_LIMIT = RateLimit(
    metadata=ObjectMeta(name="large"),
    spec=RateLimitSpec(key="large", limit=10, duration="HOUR"),
    status=RateLimitStatus(
        observed_generation=3,
        conditions=[condition("Valid")],
        used=3,
        left=7,
        window_start=SECOND,
        refills_at=SECOND,
        grants=[RateLimitGrant(run="large", job="large-a-1", units=3)],
    ),
)

DURABLE_LOG = DurableLog(
    metadata=ObjectMeta(name="full-1-approve-abcdef-log-1"),
    spec=DurableLogSpec(
        run="full-1",
        task="approve",
        page=1,
        invocation=2,
        branch=3,
        closed=True,
        cancelled=[2],
        calls=[
            DurableCall(
                node=7,
                branch=3,
                kind="WaitFor",
                key="0123abcd",
                label="approval",
                at=MOMENT,
                delivered=[5, 4],
                wait_for=CONDITIONS,
            ),
            DurableCall(node=8, branch=3, kind="Run", key="4567", at=MOMENT, child="child-1"),
        ],
        values=[DurableValue(node=6, branch=2, value='{"paid":true}', at=MOMENT)],
    ),
    status=DurableLogStatus(
        observed_generation=3,
        conditions=[condition("Valid")],
        waits=[
            DurableWait(
                node=7,
                branch=3,
                since=MOMENT,
                met=[MetCondition(key="paid", at=MOMENT, value='{"amount":7}')],
                over_at=MOMENT,
                error="the payload is too large",
            )
        ],
        waiting="sleeps until tomorrow",
        next_at=MOMENT,
    ),
)

ALL = (
    *(WORKFLOW, CONTAINER_HOOKS, RUN, KEYED_CHILD, RESULT, EVENT, CRON, FILTER, RATE_LIMIT),
    DURABLE_LOG,
)
