"""What the pages say of commands, reasons, sizes and each other is so."""

import inspect
import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import yaml
from podhatch import DurableContext
from podhatch.api import durable_log, limits, names, pod, task_status, workflow
from podhatch.api.crds import REPOSITORY
from podhatch.api.run import Replay
from podhatch.cli.commands import app
from podhatch.definitions.manifest import source
from podhatch.definitions.options import task_options, workflow_options
from podhatch.task import Context
from typer.main import get_command

from tests.cluster.paths import PROGRAMS
from tests.unit.docs.pages import PAGES, name

EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=name)
OF_WHO_RUNS_A_TASK = {"errors", "host", "next_child_index", "parents", "run_uid", "trigger"}
"""What the runner and `run_local` give a context, beside what tasks ask it."""


@EACH_PAGE
def test_every_link_leads_to_a_file(page: Path):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@EACH_PAGE
def test_every_command_in_the_text_exists(page: Path):
    text = page.read_text()
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)(?=`|$)", text, re.MULTILINE)) <= set(targets)
    commands = getattr(get_command(app), "commands")  # noqa: B009 - typer hides its type
    assert set(re.findall(r"`podhatch ([a-z]+)", text)) <= set(commands)


def test_the_readme_has_exactly_two_commands_to_set_up():
    section = (REPOSITORY / "README.md").read_text().partition("## Try it")[2].partition("\n## ")[0]
    assert re.findall(r"^    (.*)$", section, re.MULTILINE) == ["make demo", "make test"]


def test_the_readme_names_the_folder_of_kubectl():
    folder = PROGRAMS.relative_to(REPOSITORY).as_posix()
    assert f":$PWD/{folder}:$PATH" in (REPOSITORY / "README.md").read_text()


def section_reasons(page: str, heading: str) -> set[str]:
    """Return the reasons in the first column of the table below a heading."""
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}


CONCEPTS = (REPOSITORY / "docs" / "concepts.md").read_text()


def test_each_documented_replay_by_kubectl_replaces_the_request_of_before():
    commands = re.findall(r"^    kubectl (patch wfr .*replay.*)$", CONCEPTS, re.MULTILINE)
    assert [replay_of(shlex.split(command)) for command in commands] == [
        Replay(count=1, failed_only=True),
        Replay(count=2),
    ]


def replay_of(arguments: list[str]) -> Replay:
    """Return the request of a JSON patch, whose `add` replaces what is there."""
    assert arguments[:5] == ["patch", "wfr", "NAME", "--type=json", "-p"]
    [operation] = json.loads(arguments[5])
    assert (operation["op"], operation["path"]) == ("add", "/spec/replay")
    return Replay.model_validate(operation["value"])


@pytest.mark.parametrize(
    ("heading", "reasons"),
    [
        ("Why a task does not run", task_status.WaitReason),
        ("Why a task ended", task_status.EndReason),
    ],
)
def test_the_reasons_are_those_of_the_code(heading: str, reasons: object):
    assert section_reasons(CONCEPTS, heading) == set(get_args(reasons))


@pytest.mark.parametrize("change", [("`Retrying`", "`Retried`"), ("`Retrying`, ", "")])
def test_a_wrong_reason_on_the_page_is_found(change: tuple[str, str]):
    page = CONCEPTS.replace(*change)
    assert section_reasons(page, "Why a task does not run") != set(get_args(task_status.WaitReason))


def test_the_sizes_are_those_of_the_code():
    page = (REPOSITORY / "docs" / "limits.md").read_text()
    rows = dict(re.findall(r"^\| ([a-z].*?) \| (.*?) \|$", page, re.MULTILINE))
    kib = 1024
    assert rows["input of a run, as JSON"] == f"{pod.MAX_INPUT_BYTES // kib} KiB"
    assert rows["output of a Python task, as JSON"] == f"{pod.MAX_OUTPUT_BYTES // kib} KiB"
    assert rows["output of a container task"] == f"{pod.MAX_MESSAGE_BYTES} bytes"
    assert rows["tasks in a workflow"] == str(workflow.MAX_TASKS)
    assert rows["source tree that the SDK ships, packed"] == (
        f"{source.MAX_SOURCE_BYTES // kib // kib} MiB"
    )
    assert rows["retries of a task"] == str(limits.MAX_RETRIES)
    assert rows["replacements of lost pods"] == str(task_status.MAX_DISRUPTIONS)
    assert rows["conditions in a list, or in a group"] == str(limits.MAX_CONDITIONS)
    assert rows["calls of a durable task"] == (
        f"{durable_log.MAX_PAGES * durable_log.MAX_PAGE_ENTRIES:,}"
    )
    waited = "value of a memo, or payload of an event that a durable task waits for, as JSON"
    assert rows[waited] == f"{durable_log.MAX_STORED_VALUE_BYTES // kib} KiB"
    assert rows["idempotency key"] == f"{limits.MAX_IDEMPOTENCY_KEY} characters"
    assert rows["additional metadata of a run, its workflow's included"] == (
        f"{limits.MAX_METADATA_ENTRIES} texts of {limits.MAX_METADATA_VALUE} "
        f"characters, {pod.MAX_ENVIRONMENT_BYTES // kib} KiB as JSON"
    )
    assert rows["name of a run, or of a `Workflow` object"].startswith(str(names.MAX_RUN_NAME))
    assert f"more than {task_status.MAX_INLINE_OUTPUT_BYTES} bytes" in page


def first_column(page: str, header: str) -> set[str]:
    """Return the names in the first column of the one table of docs/python that has the header."""
    text = (REPOSITORY / "docs" / "python" / page).read_text()
    [table] = re.findall(rf"^\| {header} \|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_options_of_tasks_are_all_described():
    described = first_column("workflows.md", "of a task")
    assert described == {"name", "parents", *task_options.GraphTaskOptions.__annotations__}


def test_the_options_of_durable_tasks_are_all_described():
    page = (REPOSITORY / "docs" / "python" / "durable-tasks.md").read_text()
    for option in task_options.DurableOptions.__annotations__:
        assert f"`{option}`" in page
    ttl = f"waits in its pod for {limits.DEFAULT_EVICTION_TTL_SECONDS:.0f} seconds"
    assert ttl in page


def test_the_options_of_workflows_are_all_described():
    described = first_column("workflows.md", "of a workflow")
    mine = {"name", "input_validator", "cron_input"}
    assert described == {*mine, *workflow_options.WorkflowOptions.__annotations__}


def test_every_member_of_the_context_is_described():
    names = set(dir(Context)) | set(inspect.signature(Context).parameters)
    names = {name for name in names if not name.startswith(("_", "aio_"))}
    pages = ("conditions", "from-hatchet", "injection", "tasks")
    texts = [(REPOSITORY / "docs" / "python" / f"{page}.md").read_text() for page in pages]
    described = set(re.findall(r"`(?:ctx\.)?(\w+)", "".join(texts)))
    assert names - described - OF_WHO_RUNS_A_TASK == set()


def test_every_member_of_the_context_of_a_durable_task_is_described():
    page = (REPOSITORY / "docs" / "python" / "durable-tasks.md").read_text()
    described = set(re.findall(r"`(?:ctx\.)?(\w+)", page))
    own = set(dir(DurableContext)) - set(dir(Context))
    assert {name for name in own if not name.startswith("_")} - described == set()


def test_the_variables_of_containers_are_all_described():
    page = (REPOSITORY / "docs" / "yaml" / "workflows.md").read_text()
    python_only = {pod.PYTHON, pod.SOURCE, pod.EXECUTION_TIMEOUT, pod.RESULT, pod.WORKFLOW}
    python_only |= {
        pod.DURABLE_LOG,
        pod.EVICTION_TTL,
        pod.LIFESPAN,
        pod.SOURCE_NAME,
        pod.MAX_EXTENSION,
    }
    variables = {value for value in vars(pod).values() if str(value).startswith("PODHATCH_")}
    assert set(re.findall(r"PODHATCH_[A-Z_]+", page)) == variables - python_only


def test_the_values_of_the_chart_exist():
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    values = yaml.safe_load((REPOSITORY / "charts" / "podhatch" / "values.yaml").read_text())
    section = page.partition("| value |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert cells
    for path in (path for cell in cells for path in re.findall(r"`([\w.]+)`", cell)):
        found = values
        for key in path.split("."):
            found = found[key]
