"""Rate limits in the operator: who starts, who waits and why, and when they go on."""

import contextlib

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.names import rate_limit_name
from podhatch.cluster import RATE_LIMIT, WORKFLOW_RUN, ApiError
from podhatch_operator.keys import run_key
from podhatch_operator.metrics import AdmissionCollector
from podhatch_operator.queue.workers import RetryLater
from prometheus_client import CollectorRegistry

from tests.unit.operator.manifests import API, python
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator
from tests.unit.operator.test_concurrency import Team

STATIC = {"staticKey": "api"}


class Limited(Team):
    """Users who deploy tasks with rate limits."""

    async def deploy_task(self, *limits: JsonObject, **spec: object) -> None:
        await self.deploy(tasks=[{**python("a"), "rateLimits": list(limits), **spec}])

    async def put(self, units: int, key: str = "api", duration: str = "MINUTE") -> None:
        await self.operator.user_creates(
            {
                "apiVersion": API,
                "kind": RATE_LIMIT.kind,
                "metadata": {"name": rate_limit_name(key), "namespace": NAMESPACE},
                "spec": {"key": key, "limit": units, "duration": duration},
            }
        )
        await self.settle()

    async def settle(self) -> None:
        """As before; what the API server refuses is left for later."""
        if not self.operator.cluster.refusals:
            await super().settle()
            return
        queue = self.operator.queue
        while len(queue):
            key = await queue.get()
            assert key is not None
            with contextlib.suppress(RetryLater):
                await self.operator.reconciler.reconcile(key)
            queue.done(key)

    def counted(self, name: str) -> float | None:
        """Return the value of a metric."""
        registry, cache = CollectorRegistry(), self.operator.cache
        registry.register(AdmissionCollector(cache.admission, cache.rate_limits))
        return registry.get_sample_value(f"podhatch_rate_limit_{name}")

    def limits(self) -> dict[str, JsonObject]:
        found = self.operator.cluster.objects(RATE_LIMIT.kind)
        return {each["spec"]["key"]: each for each in found}

    def task(self, run: str) -> JsonObject:
        [entry] = self.status(run)["tasks"]
        return entry


@pytest.fixture
def team(operator: Operator) -> Limited:
    return Limited(operator)


async def test_attempts_start_as_long_as_there_are_units(team: Limited) -> None:
    await team.put(2)
    await team.deploy_task(STATIC)
    await team.start("one", "two", "three")
    assert team.runs() == ["one", "two"]
    waiting = team.task("three")
    assert (waiting["state"], waiting["reason"]) == ("Queued", "RateLimit")
    assert waiting["message"].startswith("needs 1 unit of 'api': 0 of 2 are left until ")
    status = team.limits()["api"]["status"]
    assert (status["used"], status["left"], "grants" in status) == (2, 0, False)


async def test_who_waits_goes_on_when_the_window_ends(team: Limited) -> None:
    await team.put(1)
    await team.deploy_task(STATIC)
    await team.start("one", "two")
    assert team.runs() == ["one"]
    team.operator.timers.pass_time(61)
    await team.settle()
    assert team.runs() == ["one", "two"]
    assert "rateLimits" not in team.status("two")


async def test_a_task_says_that_its_static_key_is_unknown(team: Limited) -> None:
    await team.deploy_task(STATIC)
    await team.start("one")
    assert "there is no RateLimit api for the key 'api'" in team.task("one")["message"]
    await team.put(1)
    assert team.runs() == ["one"]


async def test_a_task_says_which_of_its_limits_is_short(team: Limited) -> None:
    await team.put(5)
    await team.put(1, "mail")
    await team.deploy_task(STATIC, {"staticKey": "mail"})
    await team.start("one", "two")
    assert team.task("two")["message"].startswith("needs 1 unit of 'mail': 0 of 1 are left until ")


async def test_a_task_says_that_others_are_first(team: Limited) -> None:
    await team.put(5)
    await team.deploy_task({**STATIC, "units": "input.n"})
    for run, units in (("one", 3), ("two", 4), ("three", 1)):
        await team.start(run, input={"n": units})
    assert team.runs() == ["one"]
    told = "needs 1 unit of 'api': it waits for its turn; 1 is ahead"
    assert team.task("three")["message"] == told


async def test_a_dynamic_key_makes_its_limit(team: Limited) -> None:
    await team.deploy_task({"dynamicKey": "input.tenant", "units": "input.cost", "limit": 5})
    await team.start("one", input={"tenant": "acme", "cost": 4})
    await team.start("two", input={"tenant": "acme", "cost": 2})
    await team.start("three", input={"tenant": "zenith", "cost": 2})
    assert team.runs() == ["one", "three"]
    assert {key: each["status"]["left"] for key, each in team.limits().items()} == {
        "acme": 1,
        "zenith": 3,
    }


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        ({"dynamicKey": "input.n", "limit": 1}, "dynamicKey"),
        ({"dynamicKey": "input.none", "limit": 1}, "dynamicKey"),
        ({"dynamicKey": "''", "limit": 1}, "dynamicKey"),
        ({"dynamicKey": "'a'", "limit": "input.n - 100"}, "limit"),
        ({"staticKey": "api", "units": "'many'"}, "units"),
    ],
)
async def test_an_expression_without_a_fitting_result_fails_its_task_alone(
    team: Limited, limit: JsonObject, field: str
) -> None:
    await team.put(9)
    await team.deploy_task(limit)
    await team.start("bad", input={"n": 7})
    entry = team.task("bad")
    assert (entry["state"], entry["reason"]) == ("Failed", "ExpressionFailed")
    assert entry["message"].startswith(f"spec.tasks[a].rateLimits[0].{field}: ")


async def test_an_invalid_expression_makes_the_workflow_invalid(team: Limited) -> None:
    await team.deploy_task({"dynamicKey": "((", "limit": 1})
    await team.start("one")
    assert "spec.tasks[a].rateLimits[0].dynamicKey: " in team.status("one")["message"]


async def test_who_waits_too_long_is_cancelled(team: Limited) -> None:
    await team.put(0)
    await team.deploy_task(STATIC, scheduleTimeoutSeconds=30)
    await team.start("one")
    team.operator.timers.pass_time(31)
    await team.settle()
    entry = team.task("one")
    assert (entry["state"], entry["reason"]) == ("Cancelled", "ScheduleTimedOut")
    assert "1 unit of 'api'" in entry["message"]


async def test_a_task_says_how_many_are_ahead(team: Limited) -> None:
    await team.put(1)
    await team.deploy_task(STATIC)
    await team.start("one", "two", "three", "four")
    assert team.task("two")["message"].endswith(" UTC")
    assert team.task("three")["message"].endswith(" UTC; 1 is ahead")
    assert team.task("four")["message"].endswith(" UTC; 2 are ahead")


async def test_several_limits_grant_their_units_together(team: Limited) -> None:
    await team.put(2)
    await team.put(1, "mail")
    await team.deploy_task(STATIC, {"staticKey": "mail"})
    await team.start("one", "two")
    assert team.runs() == ["one"]
    assert {key: each["status"]["left"] for key, each in team.limits().items()} == {
        "api": 1,
        "mail": 0,
    }
    team.operator.timers.pass_time(61)
    await team.settle()
    assert team.runs() == ["one", "two"]


async def test_a_cancelled_task_makes_way_for_those_behind_it(team: Limited) -> None:
    await team.put(3, duration="HOUR")
    await team.deploy_task({"staticKey": "api", "units": "input.units"})
    await team.start("one", "large", input={"units": 2})
    await team.start("small", input={"units": 1})
    assert team.runs() == ["one"]
    run = {"desiredState": "Cancelled"}
    cluster = team.operator.cluster
    team.operator.see(await cluster.merge_patch(WORKFLOW_RUN, NAMESPACE, "large", {"spec": run}))
    await team.settle()
    assert team.runs() == ["one", "small"]


async def test_an_attempt_that_is_refused_keeps_its_units(team: Limited) -> None:
    await team.put(2, duration="HOUR")
    await team.deploy_task(STATIC)
    refusals = team.operator.cluster.refusals
    refusals["create Job"] = ApiError(403, "Forbidden", "exceeded quota")
    await team.start("one", "two")
    assert team.task("one")["reason"] == "Refused"
    assert [each["job"] for each in team.limits()["api"]["status"]["grants"]] == [
        each["job"] for run in ("one", "two") for each in team.status(run)["rateLimits"]
    ]
    refusals.clear()
    for name in ("one", "two"):
        team.operator.queue.add(run_key(NAMESPACE, name))
    await team.settle()
    assert team.runs() == ["one", "two"]
    assert team.limits()["api"]["status"]["used"] == 2


async def test_grants_and_waits_are_counted(team: Limited) -> None:
    await team.put(2)
    await team.deploy_task(STATIC)
    await team.start("one", "two", "three")
    assert [team.counted(each) for each in ("waiting", "grants_total", "waits_total")] == [1, 2, 1]
    team.operator.timers.pass_time(61)
    await team.settle()
    assert [team.counted(each) for each in ("waiting", "grants_total", "waits_total")] == [0, 3, 1]
