"""What `import podhatch` offers, and what it costs. The list is a promise to users."""

import subprocess
import sys
from pathlib import Path

import podhatch
import pytest

OLDER_NAMES = {"V1TaskStatus": "RunStatus"}
NAMES = [
    "RUN_START",
    "BulkCancelReplayOpts",
    "BulkPushEventOptions",
    "BulkPushEventWithMetadata",
    "BulkTriggerIdempotencyCollisionError",
    "CELEvaluationResult",
    "CELFailure",
    "CELSuccess",
    "ClientConfig",
    "ClusterUnreachable",
    "ConcurrencyExpression",
    "ConcurrencyLimitStrategy",
    "Condition",
    "Context",
    "CronWorkflows",
    "DefaultFilter",
    "Depends",
    "DesiredWorkerLabel",
    "DurableContext",
    "EmptyModel",
    "Event",
    "EvictionNotSupportedError",
    "EvictionPolicy",
    "FailedTaskRunExceptionGroup",
    "Hatchet",
    "HealthcheckConfig",
    "IdempotencyCollisionError",
    "IllegalTaskOutputError",
    "InvalidDependencyError",
    "InvalidRun",
    "LifespanSetupError",
    "LocalEvent",
    "LoopAlreadyRunningError",
    "NonDeterminismError",
    "NonRetryableException",
    "NotInstalled",
    "OrGroup",
    "ParentCondition",
    "Pod",
    "PodhatchError",
    "Priority",
    "PushEventOptions",
    "RateLimit",
    "RateLimitDuration",
    "RequestRefused",
    "RetryAfter",
    "RunCancelled",
    "RunDeleted",
    "RunFilter",
    "RunStatus",
    "ScheduleTriggerWorkflowOptions",
    "SleepCondition",
    "SleepResult",
    "Standalone",
    "StatusBasedIdempotencyConfig",
    "StickyStrategy",
    "TTLBasedIdempotencyConfig",
    "Task",
    "TaskDefaults",
    "TaskRunError",
    "TaskRunRef",
    "TriggerWorkflowOptions",
    "UserEventCondition",
    "V1Event",
    "V1Filter",
    "V1TaskEventType",
    "V1TaskStatus",
    "V1TaskSummary",
    "V1WorkflowRunDetails",
    "Worker",
    "WorkerContext",
    "WorkerLabelComparator",
    "WorkerStatus",
    "Workflow",
    "WorkflowRunRef",
    "WorkflowRunTriggerConfig",
    "WorkflowVersion",
    "is_in_hatchet_serialization_context",
    "or_",
    "remove_null_unicode_character",
]
DEFINITIONS = """
from podhatch import Context, EvictionPolicy, Hatchet, Pod, SleepCondition, TaskDefaults
from podhatch import UserEventCondition, or_

hatchet = Hatchet()
orders = hatchet.workflow("orders", input_validator=dict, version="1")

@orders.task(execution_timeout="1m", desired_worker_labels={"disk": "ssd"})
def charge(input: dict, ctx: Context) -> dict:
    return {}

@orders.task(
    parents=[charge], retries=2, backoff_factor=2, pod=Pod(limits={"memory": "1Gi"}),
    wait_for=[or_(SleepCondition("1h"), UserEventCondition("paid", "input.id == 7"))],
)
def pack(input: dict, ctx: Context) -> None: ...

@orders.on_failure_task()
def undo(input: dict, ctx: Context) -> None: ...

@hatchet.task()
async def ship(input, ctx):
    return 1

@orders.durable_task(eviction_policy=EvictionPolicy("1m"))
async def await_approval(input, ctx):
    await ctx.aio_sleep_for("1d")
"""
RUN = f"""
{DEFINITIONS}
from podhatch import PodhatchError
try:
    orders.run({{}})
except PodhatchError:
    pass
"""
PACKAGES = Path(podhatch.__file__).parent.parent
HEAVY = ("aiohttp", "asyncio", "kubernetes", "pydantic", "yaml")


def test_the_public_names_are_frozen() -> None:
    assert vars(podhatch)["__all__"] == sorted(NAMES)
    assert dir(podhatch) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_can_be_imported(name: str) -> None:
    found = getattr(podhatch, name)
    assert getattr(found, "__name__", name) == OLDER_NAMES.get(name, name)  # a constant has none


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Hatchery'"):
        getattr(podhatch, "Hatchery")  # noqa: B009


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import podhatch", []),
        (DEFINITIONS, []),
        (f"{DEFINITIONS}\norders.input_validator", []),
        ("from podhatch import EmptyModel", ["pydantic"]),
        (RUN, ["aiohttp", "asyncio", "kubernetes", "pydantic", "yaml"]),
    ],
    ids=["import", "define", "look", "model", "run"],
)
def test_only_what_is_used_is_loaded(tmp_path: Path, code: str, loaded: list[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-W", "error", script],
        env={"PODHATCH_IMAGE": "shop:1", "KUBECONFIG": "/nowhere", "PYTHONPATH": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == loaded
