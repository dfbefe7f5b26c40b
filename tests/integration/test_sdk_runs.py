"""Runs of the SDK against the real API server: many by one watch, children, schedules.

The workflows are not there, so an operator leaves the runs alone, and a function here ends them.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from podhatch import (
    Context,
    Hatchet,
    IdempotencyCollisionError,
    NonDeterminismError,
    RunCancelled,
    Standalone,
    StatusBasedIdempotencyConfig,
    TaskRunRef,
)
from podhatch.client import background_loop
from podhatch.client.runs import execution
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster
from podhatch.task import entered

from tests.kube import KUBECONFIG, OPERATOR_NAMESPACE, Namespace, kubectl, user_environment

COUNT = 40
Far = Standalone[dict[str, int], int]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def hatchet(namespace: Namespace) -> Iterator[Hatchet]:
    yield Hatchet(namespace.name, kubeconfig=str(KUBECONFIG))
    background_loop.shut_down()


@pytest.fixture
def far(hatchet: Hatchet) -> Far:
    return far_of(hatchet)


def far_of(hatchet: Hatchet) -> Far:
    return hatchet.stubs.task(name="far", input_validator=dict[str, int], output_validator=int)


@pytest.fixture
def in_task(namespace: Namespace, tmp_path: Path) -> Iterator[Hatchet]:
    """The SDK with the operator's token, which may create the children of any task."""
    kubeconfig = user_environment(namespace.name, tmp_path)["KUBECONFIG"]
    token = kubectl("-n", OPERATOR_NAMESPACE, "create", "token", "podhatch").strip()
    config = ("--kubeconfig", kubeconfig, "config")
    kubectl(*config, "set-credentials", "operator", f"--token={token}")
    kubectl(*config, "set-context", "--current", "--user=operator")
    yield Hatchet(namespace.name, kubeconfig=kubeconfig)
    background_loop.shut_down()


def requests(far: Far) -> Counter[str]:
    """Return a count of the session's requests from now on, by their verb."""
    verbs: Counter[str] = Counter()

    def heard(verb: str, status: int, seconds: float) -> None:
        verbs[verb] += 1

    async def listen(target: Target) -> None:
        session = await session_of(target)
        assert isinstance(session.cluster, Cluster)
        session.cluster.on_request = heard

    background_loop.wait(listen(far.target))
    return verbs


async def end(references: list[TaskRunRef[dict[str, int], int]]) -> None:
    """Write the runs' ends, as their operator would."""
    cluster = await Cluster.connect(kubeconfig=str(KUBECONFIG))
    for number, reference in enumerate(references):
        task = {"name": "far", "state": "Succeeded", "output": str(number)}
        status = {"phase": "Succeeded", "tasks": [task]}
        while True:
            run = await cluster.get(WORKFLOW_RUN, str(reference.namespace), str(reference))
            try:
                await cluster.replace_status({**run, "status": status})
                break
            except ApiError as error:
                if error.reason != "Conflict":  # an operator was faster
                    raise
    await cluster.close()


def test_one_watch_follows_many_runs(far: Far) -> None:
    items = [far.create_bulk_run_item({"n": number}) for number in range(COUNT)]
    references = far.run_many_no_wait(items)
    verbs = requests(far)
    ending = background_loop.get().submit(end(references))

    async def results() -> list[int]:
        return await asyncio.gather(*(each.aio_result() for each in references))

    assert asyncio.run(results()) == list(range(COUNT))
    ending.result()
    assert verbs["watch"] == 1
    assert verbs["get"] < execution.PARALLEL  # a run that is older than the watch is looked at


def test_child_is_created_once_and_goes_with_its_parent(
    far: Far, in_task: Hatchet, namespace: Namespace
) -> None:
    parent = namespace.get("wfr", str(far.run_no_wait({"n": 0})))

    def attempt(number: int) -> Context:
        return Context(
            workflow_run_id=parent["metadata"]["name"],
            run_uid=parent["metadata"]["uid"],
            task_run_id=f"job-{number}",
            workflow_name="far",
            task_name="far",
        )

    names: set[str] = set()
    for number in (1, 2):
        with entered(attempt(number)):
            names.add(str(far_of(in_task).run_no_wait({"n": 1})))
    [name] = names
    with entered(attempt(3)), pytest.raises(NonDeterminismError, match="another input"):
        far_of(in_task).run_no_wait({"n": 2})
    other = in_task.stubs.workflow(name="other")
    with entered(attempt(3)), pytest.raises(NonDeterminismError):
        other.run_no_wait()
    child = namespace.get("wfr", name)
    assert child["spec"]["input"] == {"n": 1}
    assert child["spec"]["parent"]["job"] == "job-1"
    namespace.kubectl("delete", "wfr", parent["metadata"]["name"])
    namespace.kubectl("wait", "--for=delete", f"wfr/{name}", "--timeout=60s")


def test_schedule_waits_for_its_time(far: Far, namespace: Namespace) -> None:
    at = datetime(2099, 1, 1, tzinfo=UTC)
    version = far.schedule(at, {"n": 1}, starting_deadline="1h")
    run = namespace.get("wfr", version.scheduled_workflows[0].id)
    assert run["spec"]["startAt"] == "2099-01-01T00:00:00.000000Z"
    assert run["spec"]["startingDeadlineSeconds"] == 3600


async def test_of_many_creators_at_once_one_gets_the_key(namespace: Namespace) -> None:
    """Schedules hold keys, and start no pods. Each creator has a connection of its own."""

    def creator() -> Standalone[dict[str, str], None]:
        hatchet = Hatchet(namespace.name, kubeconfig=str(KUBECONFIG))

        @hatchet.task(
            "book",
            input_validator=dict[str, str],
            image="none",
            idempotency=StatusBasedIdempotencyConfig("input.room", "1d"),
        )
        def book(input: dict[str, str], ctx: Context) -> None: ...

        return book

    creators = [creator() for _ in range(20)]
    run_at = datetime.now(UTC) + timedelta(days=1)
    hatchet = Hatchet(namespace.name, kubeconfig=str(KUBECONFIG))
    await creators[0].aio_schedule(run_at, {"room": "first"})
    names: list[str] = []
    for _ in range(3):
        ends = await asyncio.gather(
            *(each.aio_schedule(run_at, {"room": "a,b"}) for each in creators),
            return_exceptions=True,
        )
        [made] = [each for each in ends if not isinstance(each, BaseException)]
        names.append(made.scheduled_workflows[0].id)
        collisions = [each for each in ends if isinstance(each, IdempotencyCollisionError)]
        assert {each.existing_run_external_id for each in collisions} == {names[-1]}
        assert len(collisions) == 19
        await hatchet.runs.aio_cancel(names[-1])
        with pytest.raises(RunCancelled):
            await collisions[0].ref.aio_result()
    assert len(set(names)) == 3
    background_loop.shut_down()
