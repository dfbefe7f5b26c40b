"""The command line on a user's own code: run, logs, cancel, replay, and the exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Podhatch
from tests.kube import REPOSITORY, Namespace, eventually, tasks

FLOWS = REPOSITORY / "tests" / "e2e" / "flows"


def is_running(namespace: Namespace, run: str, task: str) -> bool:
    return tasks(namespace.get("wfr", run)).get(task, {}).get("state") == "Running"


def test_run_publishes_waits_and_prints_outputs(podhatch: Podhatch, namespace: Namespace) -> None:
    done = podhatch(
        *("run", "shop:orders", "-i", '{"id": 1}', "-p", "id=7", "-p", "note=42"),
        *("-m", "team=a", "--priority", "3", "--wait"),
        folder=FLOWS,
    )
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"charge": {"id": 7, "note": "42"}, "ship": "shipped"}
    [run] = namespace.list("wfr")
    assert run["spec"]["additionalMetadata"] == {"team": "a"}
    assert run["spec"]["priority"] == 3
    published = {workflow["metadata"]["name"] for workflow in namespace.list("wf")}
    assert {"flaky", "slow", "broken", "parent"} < published

    listed = podhatch("list", "--workflow", "Shop Orders", "-s", "succeeded", "-m", "team=a")
    assert run["metadata"]["name"] in listed.out
    assert podhatch("list", "-m", "team=b").out == ""
    assert podhatch("list", "-o", "name").out == (
        f"workflowrun.podhatch.dev/{run['metadata']['name']}\n"
    )


def test_logs_follow_a_run_through_its_retry(podhatch: Podhatch) -> None:
    name = podhatch("run", f"{FLOWS / 'shop.py'}:flaky").out.strip()
    followed = podhatch("logs", "-f", name)
    assert followed.code == 0, followed.err
    lines = followed.out.splitlines()
    assert lines[0] == "flaky | this is attempt 1"
    assert "flaky | ValueError: not yet" in lines
    assert lines[-1] == "flaky#2 | this is attempt 2"

    again = podhatch("logs", "@latest", "--chunks", "--task", "flaky")
    assert again.out.splitlines()[:2] == ["flaky | this is attempt 1", "flaky | a chunk"]
    wrong = podhatch("logs", name, "-t", "flakky")
    assert (wrong.code, wrong.err) == (
        5,
        f"error: run {name} has no task flakky; did you mean flaky?\n",
    )


def test_exit_codes_tell_failed_from_cancelled(podhatch: Podhatch, namespace: Namespace) -> None:
    failed = podhatch("run", "shop:broken", "--wait", folder=FLOWS)
    assert (failed.code, failed.out) == (1, "")
    assert "is Failed: task broken: RuntimeError: no luck" in failed.err
    assert "Traceback" not in failed.err

    name = podhatch("run", "slow").out.strip()
    eventually(lambda: is_running(namespace, name, "slow"), 60, "the task to run")
    assert podhatch("cancel", name).out == f"run {name} cancelled\n"
    assert podhatch("watch", name).code == 4


def test_replay_starts_over_what_failed(podhatch: Podhatch, namespace: Namespace) -> None:
    podhatch("run", "shop:broken", "--wait", folder=FLOWS)
    replayed = podhatch("replay", "@latest", "--failed-only", "--watch")
    assert replayed.code == 1
    [run] = namespace.list("wfr")
    assert run["spec"]["replay"] == {"count": 1, "failedOnly": True}
    assert run["status"]["replays"] == 1


def test_get_shows_child_runs(podhatch: Podhatch, namespace: Namespace) -> None:
    done = podhatch("run", "shop:parent", "--watch", folder=FLOWS)
    assert done.code == 0, done.out
    [child] = [run for run in namespace.list("wfr") if run["spec"]["workflow"] == "flaky"]
    parent = next(run for run in namespace.list("wfr") if run["spec"]["workflow"] == "parent")
    shown = podhatch("get", parent["metadata"]["name"])
    table = shown.out.partition("Child runs:")[2].splitlines()
    assert child["metadata"]["name"] in table[2]
    assert "Succeeded" in table[2]


def test_typos_name_the_nearest(podhatch: Podhatch, namespace: Namespace) -> None:
    assert podhatch("deploy", "shop:hatchet", folder=FLOWS).code == 0
    where = f"in namespace {namespace.name}"
    for arguments, sentence in (
        (("run", "flakky"), f"there is no Workflow flakky {where}; did you mean flaky?"),
        (("run", "shop:flakky"), "shop has nothing named flakky; did you mean flaky?"),
        (("run", "nowhere:x"), f"there is no module nowhere in {FLOWS} or on Python's path"),
        (("run", "shop.py:Order"), "shop.py:Order is neither a workflow nor a task"),
    ):
        done = podhatch(*arguments, folder=FLOWS)
        assert (done.code, done.out) == (5, ""), arguments
        assert done.err.startswith(f"error: {sentence}")
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_runs_and_workflows(
    podhatch: Podhatch,
    podhatch_environment: dict[str, str],
    namespace: Namespace,
    shell: str,
) -> None:
    podhatch("deploy", "shop:hatchet", folder=FLOWS)
    words = "podhatch run fl"
    variables = {
        "_PODHATCH_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("podhatch")],
        env={**podhatch_environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "flaky" in done.stdout
    assert "slow" not in done.stdout
