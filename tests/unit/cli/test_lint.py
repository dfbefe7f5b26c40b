from textwrap import dedent

import pytest
from podhatch.cli.lint.check import findings
from podhatch.cli.lint.document import documents
from podhatch.cli.lint.finding import Finding, split_field

WORKFLOW = """
    apiVersion: podhatch.dev/v1alpha1
    kind: Workflow
    metadata:
      name: w
    spec:
      tasks:
"""


def complaints(text: str) -> list[str]:
    """Return line, field and message of each finding."""
    return [
        f"{document.line(found.path)} {found.field}: {found.message}"
        for document in documents(dedent(text))
        for found in findings(document.value)
    ]


def of_tasks(*lines: str) -> list[str]:
    return complaints(WORKFLOW + "".join(f"      {line}\n" for line in lines))


def test_what_is_right_has_no_findings():
    assert of_tasks("- name: a", "  python: m:f", "  retries: 2") == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("  retires: 2", "10 spec.tasks[0].retires: unknown field; did you mean retries?"),
        ("  retries: two", "10 spec.tasks[0].retries: Input should be a valid integer"),
        ("  parents: [b]", "10 spec.tasks[a].parents: no task is named 'b'"),
    ],
)
def test_a_fault_in_a_task_is_named_with_its_line(line: str, complaint: str):
    found = of_tasks("- name: a", "  python: m:f", line)
    assert found[0].startswith(complaint), found
    assert len(found) == 1, found


def test_a_circle_of_tasks_is_found():
    found = of_tasks(
        *("- name: a", "  python: m:f", "  parents: [b]"),
        *("- name: b", "  python: m:f", "  parents: [a]"),
    )
    assert len(found) == 1
    assert found[0].startswith("7 spec.tasks: the parents form a cycle, ")


def test_an_expression_that_is_no_cel_is_found():
    [found] = of_tasks(
        "- name: a",
        "  python: m:f",
        "- name: b",
        "  python: m:f",
        "  parents: [a]",
        "  skipIf: [{parent: {name: a, expression: 'output. == 1'}}]",
    )
    assert "is not CEL" in found
    assert found.startswith("13 spec.tasks[b].skipIf")


def test_the_rules_of_the_definitions_hold():
    [found] = of_tasks("- name: a", "  python: m:f", "  container: {image: x}")
    assert found.startswith("8 spec.tasks[0]: ")


def test_a_cron_with_seconds_is_found():
    text = """
        apiVersion: podhatch.dev/v1alpha1
        kind: CronWorkflow
        metadata: {name: c}
        spec:
          workflow: w
          schedule: 61 * * * *
    """
    [found] = complaints(text)
    assert found.startswith("7 spec.schedule: '61 * * * *' is not a cron expression: ")


def test_the_filter_of_events_is_checked():
    text = """
        apiVersion: podhatch.dev/v1alpha1
        kind: EventFilter
        metadata: {name: f}
        spec: {workflow: w, scope: s, expression: "input.id >"}
    """
    [found] = complaints(text)
    assert found.startswith("5 spec.expression: 'input.id >' is not CEL: ")


def test_kinds_and_versions_that_are_not_known_are_named():
    [kind] = complaints("apiVersion: podhatch.dev/v1alpha1\nkind: Workflw\n")
    assert kind == "2 kind: there is no kind 'Workflw'; did you mean Workflow?"
    [version] = complaints("apiVersion: podhatch.dev/v9\nkind: Workflow\n")
    assert version == "1 apiVersion: 'podhatch.dev/v9': this podhatch knows podhatch.dev/v1alpha1"


def test_objects_of_others_are_left_alone():
    assert complaints("apiVersion: v1\nkind: ConfigMap\nwhatever: 1\n---\n- a list\n") == []


def test_a_time_stays_a_text_as_kubectl_has_it():
    text = """
        apiVersion: podhatch.dev/v1alpha1
        kind: WorkflowRun
        metadata: {name: r}
        spec: {workflow: w, startAt: 2026-12-24T18:00:00Z, input: {when: 2026-12-24}}
    """
    assert complaints(text) == []


def test_a_path_is_read_as_it_is_written():
    assert split_field("spec.tasks[a].waitFor[0].expression") == (
        *("spec", "tasks", "a", "waitFor", 0, "expression"),
    )
    assert Finding(("spec", "tasks", 0, "parents"), "").field == "spec.tasks[0].parents"
