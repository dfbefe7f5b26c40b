"""The same workflows in pods, threads and child processes: outputs, states and errors agree."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import RunScript

FLOWS = Path(__file__).parent / "flows" / "same.py"


def test_a_run_is_the_same_with_and_without_a_cluster(run_script: RunScript) -> None:
    cluster = _outcomes(run_script, "cluster")
    assert _outcomes(run_script, "threads") == cluster
    assert _outcomes(run_script, "processes") == cluster
    assert {name: outcome["phase"] for name, outcome in cluster.items()} == {
        "fan": "Succeeded",
        "choice": "Succeeded",
        "cancelling": "Cancelled",
        "failing": "Failed",
        "large": "Succeeded",
        "parent": "Succeeded",
    }


def _outcomes(run_script: RunScript, how: str) -> dict[str, Any]:
    done = run_script(FLOWS, how)
    assert done.code == 0, done.err
    return json.loads(done.out.splitlines()[-1])
