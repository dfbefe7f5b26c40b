"""What a definition says reaches the pods: the contract's first program, defaults, stubs."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.conftest import RunScript
from tests.kube import Namespace, eventually, tasks

FLOWS = Path(__file__).parent / "flows"

FIRST_PROGRAM = """
from podhatch import Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class MyInput(BaseModel):
    name: str


workflow = hatchet.workflow("my-workflow", input_type=MyInput)

@workflow.task()
def greet(input, ctx):
    return f"Hello, {input.name}!"

result = workflow.run(MyInput(name="World"))

print(result)
"""


def test_the_first_program_runs_as_it_stands(run_script: RunScript, tmp_path: Path) -> None:
    script = tmp_path / "source" / "first.py"
    script.parent.mkdir()
    script.write_text(FIRST_PROGRAM)
    done = run_script(script)
    assert done.out.strip() == str({"greet": "Hello, World!"}), done.err


def waits(namespace: Namespace) -> bool:
    return any(
        "there is no Workflow 'parcels-2nd-edition-" in run.get("status", {}).get("message", "")
        for run in namespace.list("wfr")
    )


def test_defaults_shared_tasks_and_stubs_work_in_a_cluster(
    run_script: RunScript, namespace: Namespace
) -> None:
    with ThreadPoolExecutor() as pool:
        started = pool.submit(run_script, FLOWS / "stubs.py")
        eventually(lambda: waits(namespace), 30, "the stub's run to wait for its workflow")
        done = run_script(FLOWS / "definitions.py")
        by_stub = started.result()
    assert done.code == 0, done.err
    outputs, weighed = done.out.splitlines()
    assert json.loads(outputs) == {
        "weigh": 2.5,
        "told": {
            "metadata": {"team": "post", "customer": "c001"},
            "priority": 3,
            "attempts": 2,
        },
    }
    assert weighed == "4.0"
    [spec] = [
        workflow["spec"]
        for workflow in namespace.list("workflows")
        if workflow["spec"].get("name", "").startswith("Parcels")
    ]
    assert spec["description"] == "What does it cost to send a parcel?"
    assert spec["version"] == "2.1"
    assert spec["tasks"][-1]["executionTimeoutSeconds"] == 50

    assert by_stub.code == 0, by_stub.err
    assert by_stub.out.split() == ["3.5", "7.0"]
    [run] = [run for run in namespace.list("wfr") if run["spec"]["input"] == {"kilos": 3.5}]
    told = json.loads(tasks(run)["told"]["output"])
    assert told["metadata"] == {"team": "post", "customer": "anybody"}
