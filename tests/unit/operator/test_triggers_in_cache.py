"""Crons, their ticks and their runs are found together; a tick is never taken for an attempt."""

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import CRON_JOB, CRON_WORKFLOW, JOB, WORKFLOW, WORKFLOW_RUN, Kind
from podhatch.core.common.observed import ObservedCron
from podhatch_operator.cache.cache import Cache
from podhatch_operator.controllers.controller import owned_by
from podhatch_operator.controllers.cron import CronController
from podhatch_operator.controllers.reconciler import WATCH_LIST, all_keys
from podhatch_operator.controllers.run import RunController
from podhatch_operator.keys import Key, run_key

from tests.unit.operator.objects import (
    NAMESPACE,
    child,
    cron,
    cron_job,
    run,
    run_of_tick,
    tick,
    workflow,
)

NIGHTLY = Key("CronWorkflow", NAMESPACE, "nightly")


def cache_of(*objects: tuple[Kind, JsonObject]) -> Cache:
    cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
    for kind, raw in objects:
        cache.apply(kind, raw)
    return cache


def test_a_cron_is_observed_with_its_ticks_and_their_runs() -> None:
    cache = cache_of(
        (CRON_WORKFLOW, cron()),
        (CRON_JOB, cron_job()),
        *((JOB, tick(f"nightly-{number}")) for number in (1, 2, 3)),
        (JOB, tick("hourly-1", of="hourly")),
        (WORKFLOW_RUN, run_of_tick("nightly-1", phase="Failed")),
        (WORKFLOW_RUN, run_of_tick("nightly-2")),
        (WORKFLOW_RUN, run_of_tick("nightly-0")),
        (WORKFLOW_RUN, run_of_tick("nightly-old", phase="Succeeded")),
        (WORKFLOW_RUN, run(name="by-hand")),
    )
    observed = CronController.observe(cache, NAMESPACE, "nightly")
    assert observed.cron is not None
    assert observed.cron_job is not None
    assert sorted(observed.ticks) == ["nightly-1", "nightly-2", "nightly-3"]
    assert sorted(observed.runs) == ["nightly-0", "nightly-1", "nightly-2"]
    assert observed.runs["nightly-1"]["status"]["phase"] == "Failed"


def test_a_cronjob_of_another_cron_of_that_name_is_not_the_crons() -> None:
    cache = cache_of((CRON_JOB, cron_job(owner="uid-of-an-earlier-one")))
    assert CronController.observe(cache, NAMESPACE, "nightly").cron_job is None
    cache.apply(CRON_WORKFLOW, cron())
    assert CronController.observe(cache, NAMESPACE, "nightly").cron_job is None


def test_a_run_is_followed_although_cron_and_tick_are_gone() -> None:
    cache = cache_of((WORKFLOW_RUN, run_of_tick("nightly-1")))
    observed = CronController.observe(cache, NAMESPACE, "nightly")
    assert (observed.cron, observed.ticks, list(observed.runs)) == (None, {}, ["nightly-1"])
    assert NIGHTLY in all_keys(cache)
    cache.apply(WORKFLOW_RUN, run_of_tick("nightly-1", 2, phase="Succeeded"))
    assert CronController.observe(cache, NAMESPACE, "nightly") == ObservedCron()
    assert all_keys(cache) == [run_key(NAMESPACE, "nightly-1")]


def test_a_tick_is_no_attempt_of_the_run_that_has_its_crons_name() -> None:
    cache = cache_of(
        (WORKFLOW_RUN, run(name="nightly")),
        (JOB, tick("nightly-1")),
        (JOB, child("Job", "attempt", of="nightly")),
    )
    observed = RunController.observe(cache, NAMESPACE, "nightly")
    assert observed is not None
    assert list(observed.jobs) == ["attempt"]
    assert list(CronController.observe(cache, NAMESPACE, "nightly").ticks) == ["nightly-1"]


def test_an_attempt_with_the_label_of_a_tick_stays_an_attempt() -> None:
    disguised = child("Job", "attempt")
    disguised["metadata"]["labels"] |= tick("x")["metadata"]["labels"]
    cache = cache_of((WORKFLOW_RUN, run()), (JOB, disguised))
    assert WATCH_LIST.keys(cache, JOB, disguised) == [run_key(NAMESPACE, "run")]
    assert CronController.observe(cache, NAMESPACE, "nightly").ticks == {}


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (CRON_JOB, cron_job(), [NIGHTLY]),
        (JOB, tick("nightly-1"), [NIGHTLY]),
        (CRON_WORKFLOW, cron(), [NIGHTLY]),
        (CRON_WORKFLOW, cron(workflow="flow"), [NIGHTLY, Key("Workflow", NAMESPACE, "flow")]),
        (WORKFLOW_RUN, run_of_tick("nightly-1"), [run_key(NAMESPACE, "nightly-1"), NIGHTLY]),
    ],
)
def test_what_belongs_to_a_cron_wakes_it(kind: Kind, raw: JsonObject, expected: list[Key]) -> None:
    cache = cache_of()
    assert set(WATCH_LIST.keys(cache, kind, raw)) == set(expected)
    assert set(WATCH_LIST.keys(cache, kind, raw, is_gone=True)) >= set(expected)


def test_a_workflow_finds_the_crons_it_owns() -> None:
    cache = cache_of(
        (WORKFLOW, workflow()),
        (CRON_WORKFLOW, cron("by-hand")),
        (CRON_WORKFLOW, cron("of-flow", workflow="flow")),
        (CRON_WORKFLOW, cron("of-other", workflow="other")),
    )
    crons = cache.group(CRON_WORKFLOW, NAMESPACE, "flow")
    assert list(owned_by(workflow(), crons)) == ["of-flow"]
    anew = workflow()
    anew["metadata"]["uid"] = "uid-of-the-next"
    assert owned_by(anew, crons) == {}
