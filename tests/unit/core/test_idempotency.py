"""Idempotency keys: what an expression gives, which run holds a key, and the run of a tick."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from podhatch.api.limits import MAX_IDEMPOTENCY_KEY
from podhatch.api.model import JsonObject
from podhatch.core.common.idempotency import KeyedRuns, RunKey, holds_key
from podhatch.core.common.observed import ObservedCron
from podhatch.core.cron.plan import plan_cron
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Evaluation, Value

from tests.fakes.answers import answered
from tests.fakes.crons import cron, tick
from tests.fakes.objects import NOW, ago, run, task, workflow

KEY = RunKey("flow", "a")
HELD: JsonObject = {"key": "a", "fallbackTtlSeconds": 60}


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("a", ""),
        ("x" * MAX_IDEMPOTENCY_KEY, ""),
        (7, "gives 7, which is not a string: convert it with string(...)"),
        ("", "gives an empty string"),
        ("x" * 257, "gives a string of 257 characters, and at most 256 are allowed"),
    ],
    ids=["short", "longest", "number", "empty", "too long"],
)
def test_a_key_is_a_string_of_bounded_length(key: object, problem: str) -> None:
    given = Value.of(json.dumps({"id": key}).encode())
    values = (("additional_metadata", Value.of(b"{}")), ("input", given))
    answer = IN_PROCESS.get(Evaluation("IdempotencyKey", "input.id", values))
    assert (answer.value, answer.problems) == ((None, (problem,)) if problem else (key, ()))


@pytest.mark.parametrize(
    ("metadata", "seconds", "holds"),
    [
        ({}, 60, True),
        ({}, 61, False),
        ({"deletionTimestamp": ago(0)}, 0, False),
        ({"creationTimestamp": None}, 0, False),
    ],
)
def test_a_run_holds_its_key_for_a_time(metadata: JsonObject, seconds: float, holds: bool) -> None:
    raw = run(idempotency=HELD)
    raw["metadata"] |= {"creationTimestamp": ago(0), **metadata}
    assert holds_key(raw, NOW + timedelta(seconds=seconds)) is holds


def test_a_run_without_a_key_holds_none() -> None:
    assert not holds_key(run(), NOW)


def test_a_tick_whose_run_is_not_seen_yet_starts_no_other() -> None:
    flow = workflow(task("a"), idempotency={"keyExpression": "'a'", "fallbackTtlSeconds": 60})
    observed = ObservedCron(cron(), ticks={"n-1": tick("n-1")}, workflow=flow, confirmed=["n-1"])

    def made(*runs: JsonObject) -> list[JsonObject]:
        listed = replace(observed, keyed_runs={KEY: KeyedRuns(runs, NOW)})
        plan = answered(lambda known: plan_cron(replace(listed, answers=known), NOW))
        return [each for each in plan.create if each["kind"] == "WorkflowRun"]

    [created] = made()
    stored = {"uid": "u", "creationTimestamp": ago(0), **created["metadata"]}
    assert made({**created, "metadata": stored}) == []
