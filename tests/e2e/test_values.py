"""What goes into a task and comes out of it, through real pods."""

from pathlib import Path

import pytest

from tests.e2e.conftest import RunScript
from tests.kube import Namespace, shell, tasks, workflow_manifest

VALUES = Path(__file__).parent / "flows" / "values.py"


@pytest.mark.parametrize(
    ("task", "kind", "value", "printed"),
    [
        (
            "any_value",
            "plain",
            '{"a": [1, 2.5, null, "ä$(HOME)"]}',
            "{'a': [1, 2.5, None, 'ä$(HOME)']}",
        ),
        ("any_value", "large", "200000", "200000 characters"),
        ("model", "plain", "7", "Answer(number=7, words=['model', 'model'])"),
        (
            "dates",
            "plain",
            '"2026-01-02"',
            "{datetime.date(2026, 1, 2): {datetime.date(2026, 1, 2)}}",
        ),
        ("point", "plain", "1.5", "Point(x=1.5, y=1.0)"),
        ("without_access", "plain", "[1.5]", "[1.5]"),
    ],
)
def test_values_arrive_as_they_left(
    run_script: RunScript, task: str, kind: str, value: str, printed: str
) -> None:
    done = run_script(VALUES, task, kind, value)
    assert done.out.strip() == printed, done.err


@pytest.mark.parametrize(
    ("task", "kind", "value", "words"),
    [
        ("any_value", "not JSON", "0", ["IllegalTaskOutputError", "any_value"]),
        ("any_value", "large", "300000", ["OutputTooLarge", "262144"]),
        ("without_access", "large", "5000", ["OutputTooLarge", "4096"]),
        ("any_value", "error", '"tea"', ["ValueError: no such thing as tea", "values.py", "line"]),
        ("endless", "plain", "0", ["TimedOut", "0.5"]),
    ],
)
def test_failures_say_what_and_where(
    run_script: RunScript, task: str, kind: str, value: str, words: list[str]
) -> None:
    done = run_script(VALUES, task, kind, value)
    assert done.code == 1
    for word in words:
        assert word in done.err


def test_containers_pass_json_along(namespace: Namespace) -> None:
    first = shell("first", 'echo "{\\"got\\": $PODHATCH_INPUT}" > $PODHATCH_OUTPUT')
    second = shell("second", 'echo "$PODHATCH_PARENTS" > $PODHATCH_OUTPUT', "first")
    namespace.apply(workflow_manifest("chain", first, second))
    namespace.run("chain-1", "chain", input={"n": 7})
    run = namespace.wait("chain-1", "Succeeded")
    assert tasks(run)["second"]["output"] == '{"first":{"got": {"n":7}}}'
    assert run["status"]["progress"] == "2/2"


def test_a_large_input_reaches_the_container_as_a_file(namespace: Namespace) -> None:
    script = 'wc -c < "$PODHATCH_INPUT_FILE" > $PODHATCH_OUTPUT'
    namespace.apply(workflow_manifest("large", shell("count", script)))
    namespace.run("large-1", "large", input={"blob": "x" * 100_000})
    run = namespace.wait("large-1", "Succeeded")
    assert int(tasks(run)["count"]["output"]) == 100_000 + len('{"blob":""}')
