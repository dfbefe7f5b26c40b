"""What commands do to a cluster and print of it; the cluster is in memory."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from podhatch.api.model import JsonObject
from podhatch.cli.commands import app
from podhatch.cli.errors import ExitCode
from podhatch.client import background_loop
from typer.testing import CliRunner

from tests.fakes.features import OBJECT, manifest, orders
from tests.unit.sdk.conftest import Stage
from tests.unit.sdk.features.pods import Pods, chunk, line

FLOWS = """
from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()
empty = Hatchet()

@hatchet.task(name="child")
def child(input: EmptyModel, ctx: Context) -> int:
    return 1

parent = hatchet.workflow(name="parent")

@parent.task()
async def start(input: EmptyModel, ctx: Context) -> int:
    return await child.aio_run()
"""


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def wide_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print as into a pipe, whatever width the environment sets."""
    monkeypatch.delenv("COLUMNS", raising=False)


def podhatch(*words: str) -> tuple[int, list[str], list[str]]:
    """Return the exit code and the lines of standard output and standard error."""
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stdout.splitlines(), result.stderr.splitlines()


def prints(*words: str) -> list[str]:
    """Return the lines that a command prints that succeeds."""
    code, lines, errors = podhatch(*words)
    assert code == ExitCode.SUCCEEDED, errors
    return lines


def create(stage: Stage, *objects: JsonObject, **status: object) -> None:
    """Put objects into the cluster."""

    async def each() -> None:
        for one in objects:
            stored = await stage.cluster.create(
                {**one, "metadata": {**one["metadata"], "namespace": "default"}}
            )
            if status:
                await stage.cluster.replace_status({**stored, "status": status})

    background_loop.wait(each())


def words(lines: Sequence[str]) -> list[list[str]]:
    """Return the cells of a table."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


class TestCrons:
    def test_a_cron_is_created_suspended_resumed_and_deleted(self, stage: Stage) -> None:
        create(stage, orders())
        made = ["cron", "create", "All Orders", "0 9 * * *", "--name", "nightly", "-p", "id=7"]
        [created] = prints(*made, "--time-zone", "Europe/Paris", "--policy", "Forbid")
        [cron] = stage.cluster.objects("CronWorkflow")
        name = cron["metadata"]["name"]
        assert created == f"cron {name} created"
        spec = cron["spec"]
        assert (spec["schedule"], spec["input"]) == ("0 9 * * *", {"id": 7})
        assert (spec["timeZone"], spec["concurrencyPolicy"]) == ("Europe/Paris", "Forbid")
        assert prints("cron", "suspend", name) == [f"cron {name} suspended"]
        assert words(prints("cron", "list"))[1] == [
            *(name, OBJECT, "0 9 * * *", "Europe/Paris", "suspended")
        ]
        assert prints("cron", "resume", f"cwf/{name}") == [f"cron {name} resumed"]
        assert not stage.cluster.objects("CronWorkflow")[0]["spec"].get("suspend")
        assert prints("cron", "delete", name) == [f"cron {name} deleted"]
        assert stage.cluster.objects("CronWorkflow") == []

    def test_the_list_shows_the_next_and_the_last_tick(self, stage: Stage) -> None:
        cron = manifest("CronWorkflow", "c", workflow="a", schedule="@daily")
        past, later = now() - timedelta(hours=2.5), now() + timedelta(hours=2)
        times = [past.isoformat(), later.isoformat()]
        create(stage, cron, nextRunTimes=times, lastTickAt=past.isoformat())
        [_, row] = words(prints("cron", "list", "-A"))
        assert row[:5] == ["default", "c", "a", "@daily", "Etc/UTC"]
        assert row[5] == later.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        assert re.fullmatch("2h3[0-9]m ago", row[6])

    def test_an_expression_with_seconds_is_wrong_usage(self, stage: Stage) -> None:
        create(stage, orders())
        code, _, [error] = podhatch("cron", "create", "All Orders", "0 0 9 * * *")
        assert (code, stage.cluster.objects("CronWorkflow")) == (ExitCode.USAGE, [])
        assert "CronJobs do not support seconds" in error


class TestSchedules:
    def test_a_schedule_is_created_listed_and_deleted(self, stage: Stage) -> None:
        create(stage, orders())
        [created] = prints("schedule", "create", "All Orders", "2h", "-i", '{"id": 7}')
        name = stage.run["metadata"]["name"]
        assert created == f"schedule {name} created"
        start = datetime.fromisoformat(stage.run["spec"]["startAt"])
        assert abs(start - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
        [_, row] = words(prints("schedule", "list"))
        assert row[:2] == [name, OBJECT]
        assert re.fullmatch("in (2h00m|1h5[0-9]m)", row[3])
        assert prints("schedule", "delete", name) == [f"schedule {name} deleted"]
        assert stage.cluster.objects("WorkflowRun") == []

    def test_schedules_that_have_started_are_listed_on_demand(self, stage: Stage) -> None:
        begun = manifest("WorkflowRun", "begun", workflow="a", startAt=now().isoformat())
        create(stage, begun, phase="Running", startedAt=now().isoformat())
        create(stage, manifest("WorkflowRun", "due", workflow="a", startAt=now().isoformat()))
        assert [row[::3] for row in words(prints("schedule", "list"))[1:]] == [["due", "now"]]
        rows = words(prints("schedule", "list", "--all"))[1:]
        assert {row[0]: row[3] for row in rows} == {"begun": "Running", "due": "now"}


class TestEvents:
    def test_an_event_is_pushed_and_listed(self, stage: Stage) -> None:
        [name] = prints("events", "push", "order:paid", "--payload", '{"id": 7}', "--scope", "eu")
        [event] = stage.cluster.objects("WorkflowEvent")
        assert event["metadata"]["name"] == name
        assert prints("events", "push", "order:late")
        [_, row] = words(prints("events", "list", "--key", "order:paid"))
        assert (row[:3], row[4]) == ([name, "order:paid", "eu"], '{"id": 7}')

    def test_the_runs_of_an_event_are_counted_beyond_three(self, stage: Stage) -> None:
        runs = [{"workflow": "a", "run": f"run-{number}"} for number in range(5)]
        event = manifest("WorkflowEvent", "e", key="paid")
        create(stage, event, triggeredRuns=runs, message="b is not valid")
        assert words(prints("events", "list"))[1][-1] == (
            "run-0, run-1, run-2 and 2 more; b is not valid"
        )

    def test_a_key_that_no_event_can_have_is_wrong_usage(self, stage: Stage) -> None:
        assert podhatch("events", "push", "")[0] == ExitCode.USAGE
        assert stage.cluster.objects("WorkflowEvent") == []


class TestWorkflows:
    def test_a_workflow_is_listed_shown_and_deleted(self, stage: Stage) -> None:
        tasks = [
            {"name": "a", "python": "m:f"},
            {"name": "b", "python": "m:f", "parents": ["a"]},
            {"name": "c", "python": "m:f", "parents": ["a"]},
            {"name": "d", "python": "m:f", "parents": ["b", "c"]},
        ]
        workflow = orders(version="7", onEvents=["paid"], onCrons=["@daily"])
        workflow["spec"]["tasks"] = tasks
        invalid = {
            "type": "Valid",
            "status": "False",
            "reason": "Invalid",
            "message": "b: no image",
            "lastTransitionTime": now().isoformat(),
        }
        create(stage, workflow, conditions=[invalid])
        [_, row] = words(prints("workflows", "list"))
        assert row[:4] == [OBJECT, "All Orders", "4", "7"]
        assert row[5:] == ["paid, @daily", "no: b: no image"]
        shown = prints("workflows", "get", "All Orders")
        assert shown[:2] == [f"Name:        {OBJECT}", "Given name:  All Orders"]
        assert "Valid:       no: b: no image" in shown
        assert shown[-4].strip() == "a"
        assert shown[-1].endswith("d ← b, c"), shown
        assert (
            yaml.safe_load("\n".join(prints("workflows", "get", OBJECT, "-o", "yaml")))["spec"][
                "version"
            ]
            == "7"
        )
        assert prints("workflows", "delete", "All Orders") == [f"workflow {OBJECT} deleted"]
        assert stage.cluster.objects("Workflow") == []

    def test_a_workflow_that_nobody_has_judged_is_neither_valid_nor_invalid(
        self, stage: Stage
    ) -> None:
        create(stage, orders())
        assert not any(line.startswith("Valid:") for line in prints("workflows", "get", OBJECT))


class TestRuns:
    def test_a_run_is_started_by_name(self, stage: Stage) -> None:
        create(stage, orders())
        lines = prints("run", "All Orders", "-i", '{"id": 7}', "-p", "size=9", "-m", "by=Ada")
        assert lines == [stage.run["metadata"]["name"]]
        spec = stage.run["spec"]
        assert (spec["workflow"], spec["input"]) == (OBJECT, {"id": 7, "size": 9})
        assert spec["additionalMetadata"] == {"by": "Ada"}

    def test_waiting_prints_the_outputs(self, stage: Stage) -> None:
        create(stage, orders())
        stage.outputs(charge='{"paid": true}', notify=None)
        code, lines, errors = podhatch("run", "All Orders", "--wait")
        assert (code, errors) == (0, [f"run {stage.run['metadata']['name']} started"])
        assert json.loads("\n".join(lines)) == {"charge": {"paid": True}, "notify": None}

    @pytest.mark.parametrize(
        ("phase", "code"), [("Failed", ExitCode.FAILED), ("Cancelled", ExitCode.CANCELLED)]
    )
    def test_waiting_for_a_run_that_does_not_succeed_says_why(
        self, stage: Stage, phase: str, code: ExitCode
    ) -> None:
        create(stage, orders())
        stage.statuses = lambda _: [{"phase": phase, "message": "no card"}]
        found, lines, errors = podhatch("run", "All Orders", "--wait")
        name = stage.run["metadata"]["name"]
        assert (found, lines) == (code, [])
        assert errors[1] == f"error: run {name} is {phase}: no card (see `podhatch get {name}`)"
        found, lines, _ = podhatch("run", "All Orders", "--wait", "-o", "json")
        assert (found, json.loads("\n".join(lines))["status"]["phase"]) == (code, phase)

    def test_watching_prints_a_line_for_each_change(self, stage: Stage) -> None:
        create(stage, orders())
        stage.outputs(charge="1")
        lines = [line.split("  ", 1)[1] for line in prints("run", "All Orders", "--watch")]
        name = stage.run["metadata"]["name"]
        assert lines[-2:] == ["task charge  Succeeded  1", f"run {name}  Succeeded"]

    def test_a_run_is_shown_and_watched(self, stage: Stage) -> None:
        tasks = [{"name": "charge", "state": "Succeeded", "output": "7"}]
        create(stage, manifest("WorkflowRun", "r", workflow="a"), phase="Succeeded", tasks=tasks)
        parent = {"run": "r", "task": "charge", "job": "r-charge-1", "index": 0}
        labels = {"podhatch.dev/parent-run": "r"}
        child = manifest("WorkflowRun", "child", workflow="b", parent=parent)
        child["metadata"]["labels"] = labels
        create(stage, child)
        shown = prints("get", "wfr/r")
        assert any("charge" in line and "7" in line for line in shown)
        assert json.loads("\n".join(prints("get", "r", "-o", "json")))["metadata"]["name"] == "r"
        assert prints("get", "@latest", "-o", "name") == ["workflowrun.podhatch.dev/child"]
        assert prints("watch", "r")[-1].endswith("run r  Succeeded")

    def test_runs_are_listed_newest_first(self, stage: Stage) -> None:
        create(stage, manifest("WorkflowRun", "a-1", workflow="a"), phase="Failed", message="no")
        create(stage, manifest("WorkflowRun", "b-1", workflow="b"))
        assert {row[0] for row in words(prints("list"))[1:]} == {"a-1", "b-1"}
        [[name, workflow, phase, *_, message]] = words(prints("list", "-s", "failed"))[1:]
        assert (name, workflow, phase[-6:], message) == ("a-1", "a", "Failed", "no")
        assert words(prints("list", "-A", "--workflow", "b"))[1][:2] == ["default", "b-1"]
        code, lines, errors = podhatch("list", "--limit", "1")
        assert (code, len(lines)) == (0, 2)
        assert errors == ["1 older not shown: `--limit 2` shows all"]
        listed = json.loads("\n".join(prints("list", "-o", "json")))
        assert (listed["kind"], len(listed["items"])) == ("List", 2)

    def test_a_run_is_cancelled_once(self, stage: Stage) -> None:
        create(stage, manifest("WorkflowRun", "r", workflow="a"))
        assert prints("cancel", "r") == ["run r cancelled"]
        assert stage.run["spec"]["desiredState"] == "Cancelled"

    def test_a_run_is_replayed_and_watched(self, stage: Stage) -> None:
        create(stage, manifest("WorkflowRun", "r", workflow="a"), phase="Failed")
        assert prints("replay", "r", "--failed-only") == ["run r replayed"]
        assert stage.run["spec"]["replay"]["count"] == 1


class TestLogs:
    @pytest.fixture(autouse=True)
    def pods(self, stage: Stage) -> None:
        """A run whose task was tried twice."""
        pods = Pods(stage.cluster, [{"name": "write", "state": "Succeeded", "attempt": 2}])
        pods.run("Succeeded")
        for attempt in (1, 2):
            lines = line(attempt, f"\x1b[2Jtry {attempt}"), chunk(attempt, 0, b"abc")
            pods.start("write", attempt, *lines)

    @pytest.mark.parametrize("options", [[], ["--follow"], ["--task", "write"]])
    def test_each_line_has_its_task_and_attempt(self, stage: Stage, options: list[str]) -> None:
        assert prints("logs", "chat-1", *options) == [
            *("write | \x1b[2Jtry 1", "write#2 | \x1b[2Jtry 2"),
        ]

    def test_streamed_chunks_are_printed_on_demand(self, stage: Stage) -> None:
        assert prints("logs", "chat-1", "--chunks")[1] == "write | (3 bytes)"

    def test_a_task_that_the_run_does_not_have_is_an_error(self, stage: Stage) -> None:
        code, _, [error] = podhatch("logs", "chat-1", "--task", "wirte")
        assert code == ExitCode.ERROR
        assert error == "error: run chat-1 has no task wirte; did you mean write?"

    def test_no_line_at_all_is_explained(self, stage: Stage) -> None:
        create(stage, manifest("WorkflowRun", "silent", workflow="a"))
        code, lines, [error] = podhatch("logs", "silent")
        assert (code, lines) == (ExitCode.SUCCEEDED, [])
        assert error.startswith("no logs: the pods have written nothing, or are deleted; ")


class TestCode:
    @pytest.fixture(autouse=True)
    def flows(self, tmp_path: Path) -> str:
        (tmp_path / "flows_of_commands.py").write_text(FLOWS)
        return f"{tmp_path}/flows_of_commands.py"

    def test_deploying_says_what_has_changed(self, stage: Stage, flows: str) -> None:
        deploy = ["deploy", f"{flows}:hatchet"]
        assert prints(*deploy, "--dry-run") == [
            "workflow child created (dry run)",
            "workflow parent created (dry run)",
        ]
        assert stage.cluster.objects("Workflow") == []
        assert prints(*deploy) == ["workflow child created", "workflow parent created"]
        assert prints("deploy", f"{flows}:parent") == ["workflow parent unchanged"]
        assert prints(*deploy, "--image", "shop:2")[0] == "workflow child updated"
        images = [each["spec"]["image"] for each in stage.cluster.objects("Workflow")]
        assert images == ["shop:2", "shop:2"]

    def test_a_run_of_code_publishes_it_first(self, stage: Stage, flows: str) -> None:
        stage.outputs(start="2")
        code, lines, _ = podhatch("run", f"{flows}:parent", "--wait")
        assert (code, json.loads("\n".join(lines))) == (0, {"start": 2})
        published = {each["metadata"]["name"] for each in stage.cluster.objects("Workflow")}
        assert published == {"parent", "child"}

    def test_a_file_without_the_name_of_a_workflow_is_not_run(self, stage: Stage) -> None:
        code, _, [error] = podhatch("run", "flows.py")
        assert (code, error) == (
            ExitCode.ERROR,
            "error: expected module:name or file.py:name, such as orders:hatchet, got 'flows.py'",
        )

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("empty", "defines no workflow with a task"),
            ("Context", "is neither a workflow nor a task made by @hatchet.task()"),
        ],
    )
    def test_what_is_no_workflow_cannot_be_deployed(
        self, stage: Stage, flows: str, name: str, message: str
    ) -> None:
        code, _, [error] = podhatch("deploy", f"{flows}:{name}")
        assert (code, error) == (ExitCode.ERROR, f"error: {flows}:{name} {message}")


class TestVersion:
    def test_the_version_of_the_operator_is_its_deployments(self, stage: Stage) -> None:
        assert prints("version")[1] == "operator not installed: see `podhatch install --help`"
