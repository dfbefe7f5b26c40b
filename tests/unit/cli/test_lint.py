from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from podhatch.cli.commands import app
from podhatch.cli.errors import ExitCode
from podhatch.cli.lint.check import Finding, findings, split_field
from podhatch.cli.lint.document import documents
from typer.testing import CliRunner

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
        ("  retries: two", "10 spec.tasks[0].retries: expected a whole number, got 'two'"),
        ("  backoffFactor: two", "10 spec.tasks[0].backoffFactor: expected a number, got 'two'"),
        ("  parents: two", "10 spec.tasks[0].parents: expected a list, got 'two'"),
        ("  parents: [b]", "10 spec.tasks[a].parents: no task is named 'b'"),
        (
            "  pod: {podTemplate: {spec: {containers: [{image: x}]}}}",
            "10 spec.tasks[a].pod.podTemplate.spec.containers[0].name: expected a name",
        ),
    ],
)
def test_a_fault_in_a_task_is_named_with_its_line(line: str, complaint: str):
    found = of_tasks("- name: a", "  python: m:f", line)
    assert found[0].startswith(complaint), found
    assert len(found) == 1, found


def of_object(kind: str, metadata: str, spec: str) -> list[str]:
    return complaints(
        f"apiVersion: podhatch.dev/v1alpha1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n"
    )


ONE_TASK = "{tasks: [{name: a, python: 'm:f'}]}"


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ("", "3 metadata.name: expected a name"),
        ("{name: ''}", "3 metadata.name: expected a name"),
        ("foo", "3 metadata: expected fields such as name, got 'foo'"),
        ("{name: 7}", "3 metadata.name: expected a string, got 7"),
        ("{name: a, labels: [b]}", "3 metadata.labels: Input should be an object"),
        ("{name: a, labels: {b: yes}}", "3 metadata.labels.b: expected a string, got True"),
        ("{name: a, annotations: {b: 1}}", "3 metadata.annotations.b: expected a string, got 1"),
    ],
)
def test_metadata_has_a_name_and_fields_of_the_right_types(metadata: str, complaint: str):
    [found] = of_object("Workflow", metadata, ONE_TASK)
    assert found.startswith(complaint), found


@pytest.mark.parametrize(
    "metadata",
    [
        "{generateName: a-}",
        "{name: a.b, namespace: team, labels: , annotations: {Example.com/b: c d}}",
        "{name: a, labels: {example.com/b: '', c: D_e.f}, creationTimestamp: }",
    ],
)
def test_ordinary_metadata_has_no_findings(metadata: str):
    assert of_object("WorkflowRun", metadata, "{workflow: w}") == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("onEvents: ['a:b', c, 'a:b']", "5 spec.onEvents[2]: duplicate value 'a:b'"),
        ("onCrons: ['@daily', '@daily']", "5 spec.onCrons[1]: duplicate value '@daily'"),
        (
            "tasks: [{name: a, python: 'm:f'}, {name: a, python: 'm:g'}]",
            "5 spec.tasks[1].name: duplicate value 'a'",
        ),
        (
            "tasks: [{name: a, python: 'm:f', parents: [b, b]}, {name: b, python: 'm:f'}]",
            "5 spec.tasks[0].parents[1]: duplicate value 'b'",
        ),
    ],
)
def test_what_stands_twice_in_a_list_is_found(line: str, complaint: str):
    tasks = "" if line.startswith("tasks") else "\n  tasks: [{name: a, python: 'm:f'}]"
    [found] = of_object("Workflow", "{name: w}", f"\n  {line}{tasks}")
    assert found.startswith(complaint), found


@pytest.mark.parametrize(
    "moment",
    [
        "2026-12-24T18:00:00",
        "2026-12-24 18:00:00Z",
        "2026-12-24",
        "1969-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
        "2026-12-24T18:00:00+15:00",
        "later",
    ],
)
def test_a_time_that_the_api_server_refuses_is_found(moment: str):
    [found] = of_object("WorkflowRun", "{name: r}", f"{{workflow: w, startAt: {moment}}}")
    assert found.startswith("4 spec.startAt: expected a time from 1970 to 2999 with its zone")
    assert found.endswith(f", got '{moment}'")


def test_a_day_that_is_not_in_the_calendar_is_found():
    spec = "{workflow: w, startAt: 2026-02-30T00:00:00Z}"
    [found] = of_object("WorkflowRun", "{name: r}", spec)
    assert found.startswith("4 spec.startAt: ")


def test_a_time_zone_that_is_none_is_found():
    spec = "{workflow: w, schedule: '@daily', timeZone: Europe/Pari}"
    [found] = of_object("CronWorkflow", "{name: c}", spec)
    assert found.startswith("4 spec.timeZone: 'Europe/Pari' is not a time zone: use an IANA name")


def test_the_objects_of_a_list_are_checked():
    run = "{apiVersion: podhatch.dev/v1alpha1, kind: WorkflowRun, metadata: {name: r}, spec: "
    text = f"""
        apiVersion: v1
        kind: List
        items:
        - {run}{{workflow: w}}}}
        - {run}{{workflw: w}}}}
        - a text
    """
    assert complaints(text) == [
        "6 spec.workflw: unknown field; did you mean workflow?",
        "6 spec.workflow: Field required",
    ]


def test_a_number_that_the_api_server_would_round_is_found():
    text = """
        apiVersion: podhatch.dev/v1alpha1
        kind: WorkflowRun
        metadata: {name: r}
        spec:
          workflow: w
          input:
            items:
            - {id: 9223372036854775807}
            - {id: 9223372036854775808}
    """
    problem = "9223372036854775808 does not fit 64 bits, so it would be rounded: pass a string"
    assert complaints(text) == [f"10 spec.input.items[1].id: {problem}"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: {c: 1,\n  c: 2}\n", 3, "duplicate key c"),
        ("a: &x\n  b: *x\n", 1, "Circular reference detected"),
        ("a: .nan\n", 1, "a: expected a finite number, got nan"),
        ("a: !!binary aGk=\n", 1, "Object of type bytes is not JSON serializable"),
        ("a: !!int b\n", 1, "invalid literal for int"),
    ],
)
def test_what_kubectl_could_not_send_is_found(text: str, line: int, problem: str):
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        list(documents(text))
    assert str(caught.value.problem).startswith(problem)
    assert caught.value.problem_mark
    assert caught.value.problem_mark.line + 1 == line


def test_a_mapping_may_take_from_others():
    text = "a: &x {b: 1, c: 1}\nd: {e: {f: &y {<<: *x, b: 2}}}\ng: {<<: *y, b: 3}\n"
    [document] = documents(text)
    assert document.value["g"] == {"b": 3, "c": 1}
    assert document.line(("g", "b")) == 3


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


@pytest.mark.parametrize(
    "lines",
    [
        ("  container: {image: x}", "  clusterAccess: spawn"),
        ("  python: m:f",),
        ("  python: m:f", "  clusterAccess: none"),
        ("  python: m:f", "  clusterAccess: report"),
    ],
)
def test_a_durable_task_that_could_not_write_its_log_is_found(lines: tuple[str, ...]):
    [found] = of_tasks("- name: a", "  durable: {}", *lines)
    assert found == (
        "8 spec.tasks[0]: a durable task needs python, and clusterAccess: spawn for its log"
    )


def test_a_durable_task_has_no_findings():
    task = ("- name: a", "  python: m:f", "  clusterAccess: spawn")
    assert of_tasks(*task, "  durable: {evictionTtlSeconds: 60}") == []


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


def test_a_filter_of_a_workflow_is_told_once():
    spec = "{tasks: [{name: a, python: 'm:f'}], defaultFilters: [{scope: s, expression: 'x >'}]}"
    [found] = of_object("Workflow", "{name: w}", spec)
    assert found.startswith("4 spec.defaultFilters[0].expression: 'x >' is not CEL: ")


def test_a_key_expression_is_checked():
    spec = "{tasks: [{name: a, python: 'm:f'}], idempotency: {keyExpression: 'x', ttlSeconds: 1}}"
    [found] = of_object("Workflow", "{name: w}", spec)
    assert found.startswith("4 spec.idempotency.keyExpression: 'x' is not CEL: ")


@pytest.mark.parametrize("times", ["", ", ttlSeconds: 1, fallbackTtlSeconds: 1"])
def test_a_key_is_held_either_for_a_time_or_until_the_end(times: str):
    rule = f"{{keyExpression: input.id{times}}}"
    spec = f"{{tasks: [{{name: a, python: 'm:f'}}], idempotency: {rule}}}"
    [found] = of_object("Workflow", "{name: w}", spec)
    assert found == "4 spec.idempotency: set either ttlSeconds or fallbackTtlSeconds"


def test_kinds_and_versions_that_are_not_known_are_named():
    [kind] = complaints("apiVersion: podhatch.dev/v1alpha1\nkind: Workflw\n")
    assert kind == "2 kind: there is no kind 'Workflw'; did you mean Workflow?"
    [version] = complaints("apiVersion: podhatch.dev/v9\nkind: Workflow\n")
    assert version == "1 apiVersion: expected podhatch.dev/v1alpha1, got 'podhatch.dev/v9'"


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


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("metadata:\n", "5: Workflow without a name: metadata.name: expected a name"),
        (
            "metadata: foo\n",
            "5: Workflow without a name: metadata: expected fields such as name",
        ),
        ("metadata: {name: w}\n1: 2\n", "6: Workflow w: 1: unknown field"),
        ("metadata: {name: w}\nmetadata: {}\n", "6: duplicate key metadata"),
        ("metadata: &x {name: w, labels: *x}\n", "2: Circular reference detected"),
        ("metadata: [\n", "6: while parsing a flow node, expected the node content, but found"),
        ("metadata: '\0'\n", " unacceptable character #x0000: special characters are not"),
    ],
)
def test_the_command_names_file_and_line(text: str, complaint: str, tmp_path: Path):
    file = tmp_path / "bad.yaml"
    head = "# the first line\napiVersion: podhatch.dev/v1alpha1\nkind: Workflow\n"
    file.write_text(f"{head}spec: {ONE_TASK}\n{text}")
    result = CliRunner().invoke(app, ["lint", str(file)])
    assert (result.exit_code, len(result.output.splitlines())) == (ExitCode.FAILED, 1), (
        result.output
    )
    assert result.output.startswith(f"{file}:{complaint}")


def test_a_path_is_read_as_it_is_written():
    assert split_field("spec.tasks[a].waitFor[0].expression") == (
        *("spec", "tasks", "a", "waitFor", 0, "expression"),
    )
    assert Finding(("spec", "tasks", 0, "parents"), "").field == "spec.tasks[0].parents"
