"""Many runs by one watch, child runs that are started once, and runs that do not succeed."""

import json
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject

from tests.e2e.conftest import RunScript
from tests.kube import Namespace, eventually, tasks

RUNNING = Path(__file__).parent / "flows" / "running.py"


def test_sixty_runs_are_followed_by_one_watch(run_script: RunScript, namespace: Namespace) -> None:
    done = run_script(RUNNING, "many", seconds=240)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["results"] == [n**2 for n in range(59)]
    assert told["error"] == "-1 is negative"
    assert told["watches"] == 1
    assert len(namespace.list("wfr")) == 60


def test_a_retried_parent_finds_its_children(run_script: RunScript, namespace: Namespace) -> None:
    done = run_script(RUNNING, "children")
    assert done.code == 0, done.err
    outputs = json.loads(done.out)
    [parent] = [run for run in namespace.list("wfr") if "parent" not in run["spec"]]
    name = parent["metadata"]["name"]

    def child(n: int, **own: object) -> dict[str, object]:
        metadata = {"customer": "c001", **({"own": "2"} if own.pop("own", None) else {})}
        return {"n": n, "metadata": metadata, "parent": name, "index": None, "key": None, **own}

    assert outputs["sync_parent"] == [
        child(1, index=0),
        child(2, key="two", own=True),
        child(3, index=1),
    ]
    assert outputs["async_parent"] == [
        child(1, index=0),
        child(2, key="two"),
        child(3, index=1),
        child(4, index=2),
    ]
    assert {entry["attempt"] for entry in tasks(parent).values()} == {2}
    children = [run for run in namespace.list("wfr") if "parent" in run["spec"]]
    assert len(children) == 3 + 4, "each child once, although each parent was tried twice"
    for run in children:
        assert run["spec"]["parent"]["run"] == name
        [owner] = run["metadata"]["ownerReferences"]
        assert owner["uid"] == parent["metadata"]["uid"]


def test_another_workflow_in_the_place_of_a_child_is_noticed(run_script: RunScript) -> None:
    done = run_script(RUNNING, "fickle_parent")
    assert done.code == 0, done.err
    assert "non-determinism in task fickle" in done.out
    assert "'square'" in done.out
    assert "'told'" in done.out


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("cancelled", "True"),
        ("failed", "square ValueError -4 is negative True"),
    ],
)
def test_sync_and_async_raise_the_same(run_script: RunScript, what: str, line: str) -> None:
    done = run_script(RUNNING, what)
    assert done.out.splitlines() == [f"sync {line}", f"async {line}"], done.err


def test_runs_that_start_themselves_end_at_the_limit(
    run_script: RunScript, namespace: Namespace
) -> None:
    done = run_script(RUNNING.with_name("deep.py"))
    assert done.code == 0, done.err

    def refused() -> JsonObject | None:
        runs = namespace.list("wfr")
        ended = [each for each in runs if each.get("status", {}).get("phase") == "Failed"]
        return ended[0] if ended else None

    last = eventually(refused, 120, "a run below too many others")
    assert "17 runs are above this one, and at most 16 are allowed" in last["status"]["message"]
    depths = sorted(each["status"].get("depth", 0) for each in namespace.list("wfr"))
    assert depths == list(range(18))
