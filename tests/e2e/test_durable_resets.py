"""A reset of a durable task: what starts over, what stays, and what becomes of a pod that runs."""

import re
import shlex
from pathlib import Path

from podhatch.api import labels
from podhatch.api.crds import REPOSITORY
from podhatch.api.model import JsonObject

from tests.e2e.conftest import RunScript
from tests.e2e.shipped import event
from tests.kube import Namespace, eventually, tasks

SCRIPT = Path(__file__).parent / "flows" / "resets.py"


def call(run_script: RunScript, *arguments: str) -> str:
    done = run_script(SCRIPT, *arguments)
    assert done.code == 0, done.err
    return done.out.strip()


def test_a_reset_starts_the_task_and_what_depends_on_it_over(
    namespace: Namespace, run_script: RunScript
) -> None:
    run = call(run_script, "start")

    def entries() -> dict[str, JsonObject]:
        return tasks(namespace.get("wfr", run))

    def nodes() -> list[int]:
        logs = namespace.list("dlog", f"{labels.RUN}={run}")
        return [each["node"] for log in logs for each in log["spec"].get("calls", [])]

    def jobs_of_ask() -> list[str]:
        found = namespace.list("jobs", f"{labels.RUN}={run},{labels.TASK}=ask")
        return [each["metadata"]["name"] for each in found]

    eventually(lambda: nodes() == [1, 2], 60, "the task to wait")
    eventually(lambda: entries()["beside"]["state"] == "Succeeded", 60, "the other task to end")
    beside = entries()["beside"]
    [first] = jobs_of_ask()
    call(run_script, run, "2")
    eventually(lambda: entries()["ask"]["attempt"] == 2, 30, "the task to start over")
    eventually(lambda: first not in jobs_of_ask(), 40, "the pod of before to go")
    eventually(lambda: nodes() == [1, 2], 60, "the task to wait again")
    ask = entries()["ask"]
    assert [each["reason"] for each in ask["attempts"]] == ["Replayed"]
    assert not ask.keys() & {"retries", "disruptions", "resumes"}
    assert entries()["beside"] == beside
    namespace.apply(event("e1", "answer", payload={"n": 1}))
    done = tasks(namespace.wait(run, "Succeeded", 90))
    assert '"answer":{"n":1}' in done["ask"]["output"].replace(" ", "")
    assert done["beside"] == beside
    assert done["after"]["attempt"] == 1

    call(run_script, run, "2")
    eventually(lambda: entries()["ask"]["attempt"] == 3, 30, "the task to start over")
    eventually(lambda: nodes() == [1, 2], 60, "the task to wait once more")
    assert entries()["after"]["state"] == "Pending"
    namespace.apply(event("e2", "answer", payload={"n": 2}))
    again = tasks(namespace.wait(run, "Succeeded", 90))
    assert '"n":2' in again["after"]["output"].replace(" ", "")
    assert again["after"]["attempt"] == 2
    assert again["beside"] == beside

    asked = namespace.get("wfr", run)["spec"]["replay"]["count"] + 1
    namespace.kubectl(*documented_replay(run, asked))
    eventually(lambda: entries()["beside"]["attempt"] == 2, 30, "all tasks to start over")
    everything = tasks(namespace.wait(run, "Succeeded", 90))
    assert [everything[name]["attempt"] for name in ("ask", "after")] == [4, 3]


def documented_replay(run: str, count: int) -> list[str]:
    """Return what the documentation says for a replay of all tasks after any other request."""
    page = (REPOSITORY / "docs" / "concepts.md").read_text()
    [command] = re.findall(r"^    kubectl (patch wfr NAME .*/replay.*{\"count\":2}.*)$", page, re.M)
    return shlex.split(command.replace("NAME", run).replace('"count":2', f'"count":{count}'))
