"""Durable tasks whose pods die: around each write to the log, or deleted between two of them."""

from functools import partial

from podhatch.api import labels
from podhatch.api.model import JsonObject

from tests.e2e.conftest import StartDurable
from tests.e2e.durable_runs import children_of, entry_of, output_of, parked, push
from tests.kube import Namespace, eventually

NOW = ("--grace-period=0", "--force", "--wait=false")


def test_a_pod_that_dies_around_a_write_costs_nothing_but_an_attempt(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [whole] = start_durable("program", {"seconds": 0.1})
    expected = output_of(namespace, whole)
    writes = expected.pop("writes")
    assert writes >= 6
    children = len(children_of(namespace, whole))
    assert children == 2
    points = [(number, when) for number in range(1, writes + 1) for when in ("before", "after")]
    deaths = [
        *([(1, number, when)] for number, when in points),
        *([(1, 2, "after"), (2, 1, when)] for when in ("before", "after")),
    ]
    runs = start_durable("program", *({"seconds": 0.1, "deaths": each} for each in deaths))
    died = 0
    for run, each in zip(runs, deaths, strict=True):
        output = output_of(namespace, run, seconds=300)
        del output["writes"]
        assert output == expected, f"{run} died at {each}"
        assert len(children_of(namespace, run)) == children, f"{run} died at {each}"
        died += entry_of(namespace, run).get("retries", 0)
    assert died >= len(points), "the pods did not die"


def pod_of(namespace: Namespace, run: str, invocation: int) -> JsonObject | None:
    """Return the pod of an invocation of a run's durable task."""
    selector = f"{labels.RUN}={run},{labels.ATTEMPT}={invocation}"
    found = namespace.list("pods", selector)
    return found[0] if found else None


def standing(namespace: Namespace, run: str, invocation: int, calls: int) -> str | None:
    """Return the name of the pod if it runs, has the log, and so many calls are over."""
    pod = pod_of(namespace, run, invocation)
    if pod is None or pod["status"]["phase"] != "Running":
        return None
    name: str = pod["metadata"]["name"]
    pages = namespace.list("dlog", f"{labels.RUN}={run}")
    if not pages:
        return name if (invocation, calls) == (1, 0) else None
    [page] = pages
    made = page["spec"]["calls"]
    waits: list[JsonObject] = page.get("status", {}).get("waits", [])
    over = [each for each in waits if "overAt" in each]
    ended = len(page["spec"].get("values", [])) + len(over)
    is_there = page["spec"]["invocation"] == invocation and len(made) == ended == calls
    return name if is_there else None


def test_a_pod_that_is_deleted_between_two_writes_costs_a_disruption_and_no_retry(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [whole] = start_durable("steps")
    expected = output_of(namespace, whole)
    children = len(children_of(namespace, whole))
    assert children == 3
    stops = [*([place] for place in (0, 1, 2, 3, 5, 6)), [1, 1], [2, 5], [0, 6, 3]]
    runs = start_durable("steps", *({"stops": each} for each in stops))
    for run, places in zip(runs, stops, strict=True):
        for invocation in range(1, len(places) + 1):
            calls = max(places[:invocation])
            look = partial(standing, namespace, run, invocation, calls)
            pod = eventually(look, 180, f"invocation {invocation} of {run} to stand at {places}")
            namespace.kubectl("delete", "pod", pod, *NOW)
    for run, places in zip(runs, stops, strict=True):
        assert output_of(namespace, run, seconds=180) == expected, f"{run} was killed at {places}"
        assert len(children_of(namespace, run)) == children, f"{run} was killed at {places}"
        entry = entry_of(namespace, run)
        assert entry["disruptions"] == len(places)
        assert entry["attempt"] == len(places) + 1
        assert "retries" not in entry
        assert "resumes" not in entry


def test_a_pod_that_is_deleted_while_its_task_waits_costs_no_retry(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("stay", {"key": "paid"})
    eventually(lambda: any(log["spec"]["calls"] for log in namespace.list("dlog")), 60, "the call")
    pod = eventually(lambda: pod_of(namespace, run, 1), 5, "the pod")
    namespace.kubectl("delete", "pod", pod["metadata"]["name"])
    parked(namespace, run)
    push(namespace, "e1", "paid", n=1)
    assert output_of(namespace, run)["payload"] == {"n": 1}
    entry = entry_of(namespace, run)
    assert entry["resumes"] == 1, "it was evicted when it was asked to stop"
    assert "retries" not in entry
    assert "disruptions" not in entry
