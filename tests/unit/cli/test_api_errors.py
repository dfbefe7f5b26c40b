"""What commands make of an API server's answers; end-to-end tests use the real one."""

import asyncio
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject
from podhatch.cli.errors import ExitCode

from tests.unit.cli.test_commands import invoke, kubeconfig_for
from tests.unit.cluster.api_server import Answer, serving, status


async def told(folder: Path, arguments: list[str], *answers: Answer) -> tuple[int, list[str]]:
    """Return the exit code and the lines of a command that is answered so."""
    async with serving(*answers) as (_, cluster):
        place = ["--kubeconfig", str(kubeconfig_for(folder, cluster.connection.server)), "-n", "n"]
        code, output = await asyncio.to_thread(invoke, *arguments, *place)
    return code, output.splitlines()


def a_run(name: str, **more: object) -> Answer:
    metadata = {"name": name, "namespace": "n", "creationTimestamp": "2026-01-01T00:00:02Z"}
    return Answer(body={"metadata": metadata, "spec": {"workflow": "w"}, **more})


def list_of(*items: JsonObject) -> Answer:
    """Return a list, and the table of none, as a client asks for one or the other."""
    body = {"items": list(items), "columnDefinitions": [], "rows": []}
    return Answer(body={"metadata": {"resourceVersion": "1"}, **body})


def missing(name: str) -> Answer:
    return status(404, "NotFound", f'things "{name}" not found')


async def test_other_runs_are_cancelled_although_one_does_not_exist(tmp_path: Path):
    ended = a_run("ended", status={"phase": "Succeeded"})
    answers = (missing("nope"), list_of(), ended)
    assert await told(tmp_path, ["cancel", "nope", "wfr/ended"], *answers) == (
        ExitCode.ERROR,
        [
            "run ended has already ended: Succeeded",
            "error: there is no WorkflowRun nope in namespace n",
        ],
    )


@pytest.mark.parametrize("command", [["list"], ["cron", "list"]])
async def test_a_namespace_that_does_not_exist_is_an_error(tmp_path: Path, command: list[str]):
    code, lines = await told(tmp_path, command, list_of(), missing("n"))
    assert (code, lines) == (ExitCode.ERROR, ["error: there is no namespace n"])


@pytest.mark.parametrize("command", [["list"], ["cron", "list"]])
@pytest.mark.parametrize("answer", [Answer(), status(403, "Forbidden")])
async def test_an_empty_or_unreadable_namespace_is_listed_as_empty(
    tmp_path: Path, command: list[str], answer: Answer
):
    code, [line] = await told(tmp_path, command, list_of(), answer)
    assert (code, line.split()[0], line[-14:]) == (ExitCode.SUCCEEDED, "no", "in namespace n")


async def test_workflows_are_listed_with_their_given_names(tmp_path: Path):
    code, [_, row] = await told(tmp_path, ["workflows", "list"], list_of(WRITTEN))
    assert code == ExitCode.SUCCEEDED
    assert row.split("  ")[:2] == ["word-report-67g68j74", "Word report"]


async def test_a_list_shows_which_workflows_are_paused(tmp_path: Path):
    paused = {**WRITTEN, "spec": {**WRITTEN["spec"], "paused": True}}
    valid = {"status": {"conditions": [{**VALID, "status": "True"}]}}
    answer = list_of({**paused, **valid}, paused, WRITTEN)
    _, [_, valid_too, not_checked, not_paused] = await told(tmp_path, ["workflows", "list"], answer)
    assert valid_too.endswith("  yes, paused")
    assert not_checked.rstrip().endswith("  paused")
    assert "paused" not in not_paused


async def test_a_pause_tells_what_becomes_of_runs(tmp_path: Path):
    policy = {"queueTtlSeconds": 7200, "cronRuns": "Drop"}
    paused = {**WRITTEN, "spec": {**WRITTEN["spec"], "paused": True, "pausePolicy": policy}}
    command = ["workflows", "pause", "word-report-67g68j74", "--cron-runs", "drop"]
    code, [line] = await told(tmp_path, command, Answer(body=WRITTEN), Answer(body=paused))
    assert code == ExitCode.SUCCEEDED
    assert line == (
        "workflow word-report-67g68j74 paused: runs wait up to 2h00m, cron ticks are dropped"
    )


async def test_an_html_page_from_a_proxy_is_an_error(tmp_path: Path):
    page = Answer(page="<html>please log in</html>")
    code, [line] = await told(tmp_path, ["list"], page)
    assert code == ExitCode.UNREACHABLE
    assert " does not answer as an API server does: is there a proxy, " in line


VALID = {
    "type": "Valid",
    "reason": "Valid",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:02Z",
}
WRITTEN: JsonObject = {
    "metadata": {"name": "word-report-67g68j74", "creationTimestamp": "2026-01-01T00:00:02Z"},
    "spec": {"name": "Word report", "tasks": [{"name": "a", "python": "m:f"}]},
}


@pytest.mark.parametrize(
    "command", [["run"], *(["workflows", verb] for verb in ("get", "pause", "resume", "delete"))]
)
async def test_the_error_for_an_unknown_workflow_has_the_given_name(
    tmp_path: Path, command: list[str]
):
    answers = (missing("word-reprt-t78fjbdw"), list_of(WRITTEN))
    assert await told(tmp_path, [*command, "Word reprt"], *answers) == (
        ExitCode.ERROR,
        [
            "error: there is no Workflow Word reprt in namespace n; did you mean Word report?",
        ],
    )
