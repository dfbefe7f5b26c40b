"""What has a limit in bytes is counted in bytes, whatever characters it holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import rate_limit_name
from podhatch.api.pod import MAX_MESSAGE_BYTES, message_room
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TaskError, TaskStatus
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.text import cut, json_size
from podhatch.core.run.admission import NO_ROOM
from podhatch.core.run.job import MAX_ERRORS_BYTES
from podhatch.core.run.outcome import AttemptEnd, read_outcome
from podhatch.core.run.position import Ended
from podhatch.core.run.rates import NO_ROOM as NO_UNITS
from podhatch.core.run.status import SHORT, with_outputs
from podhatch.core.run.transition import Transition, event_manifest

from tests.fakes.objects import (
    NOW,
    attempt_name,
    container_task,
    job,
    pod,
    run,
    task,
    terminated,
    workflow,
)
from tests.unit.core.planning import HOOK, jobs, plan, reported, stored, variable

FACE = "\N{GRINNING FACE}"
LINUX_MAX_VARIABLE = 128 * 1024


@given(st.text(), st.integers(-2, 200))
def test_a_cut_text_is_the_longest_start_that_fits(text: str, size: int) -> None:
    kept = cut(text, size)
    assert text.startswith(kept)
    assert json_size(kept) - 2 <= max(size, 0)
    if kept != text:
        assert json_size(text[: len(kept) + 1]) - 2 > size


@pytest.mark.parametrize("count", [1, 3, 120, 900])
@pytest.mark.parametrize("character", [FACE, "\n", "$", "x", "\x01"])
def test_the_errors_of_a_failure_task_fit_a_variable(count: int, character: str) -> None:
    error = {"type": "E", "message": character * 2048, "traceback": character * 8192}
    names = [f"task-{number:04}-{'x' * 40}" for number in range(count)]
    results: JsonObject = {}
    for name in names:
        results |= reported(name, "Failed", error=error)
    made = plan(workflow(*map(task, names), onFailureTask=HOOK), results=results)
    text = (variable(made, "PODHATCH_ERRORS") or "").replace("$$", "$")
    assert len(f"PODHATCH_ERRORS={text}".encode()) < LINUX_MAX_VARIABLE
    assert len(text.encode()) <= MAX_ERRORS_BYTES + 6 * count
    told = json.loads(text)
    assert set(told) == set(names)
    assert all(each.startswith("E: " + character) for each in told.values())


def test_a_short_message_is_short_in_bytes() -> None:
    error = TaskError(type=FACE * 60, message=FACE * 2000)
    entries = [
        TaskStatus(name=f"t{number}", state="Failed", message=FACE * 2000, error=error)
        for number in range(1000)
    ]
    short = with_outputs([Ended(entry) for entry in entries], {})[-1]
    assert short.error is not None
    for text in (short.message, short.error.type, short.error.message):
        assert text is not None
        assert text.endswith("…")
        assert SHORT - 6 <= json_size(text) - 2 <= SHORT


def test_a_note_is_short_enough_for_the_api_server() -> None:
    transition = Transition("Warning", "TaskFailed", FACE * 900, "a", 1)
    note = event_manifest(WorkflowRun.model_validate(run()), transition, "")["note"]
    assert 990 < len(note.encode()) <= 1024


@pytest.mark.parametrize(("containers", "room"), [(1, 4096), (3, 4096), (4, 3072), (5, 2457)])
def test_containers_share_the_room_of_termination_messages(containers: int, room: int) -> None:
    assert message_room(containers) == room
    extra = [{"name": f"s{number}", "image": "any:1"} for number in range(containers - 1)]
    lists = {"containers": extra[:2], "initContainers": extra[2:]}
    template = {"spec": {name: each for name, each in lists.items() if each}}
    made = plan(workflow(container_task("a", pod={"podTemplate": template})))
    told = variable(made, "PODHATCH_MESSAGE_BYTES")
    assert told == (None if room == MAX_MESSAGE_BYTES else str(room))


WIDE = [f"task-{number:03}" for number in range(1000)]


@pytest.mark.parametrize("limits", [1, 8])
def test_tasks_wait_for_room_for_their_slots(limits: int) -> None:
    """All tasks of a wide run get their turn, and its status never grows too large."""
    concurrency = [{"name": f"{'n' * 62}{number}", "maxRuns": 1000} for number in range(limits)]
    names = WIDE if limits == 1 else WIDE[:100]
    flow = workflow(*(task(name, concurrency=concurrency) for name in names))
    index = AdmissionIndex()
    index.start(lambda _, __: None)
    status: JsonObject | None = None
    started: JsonObject = {}
    results: JsonObject = {}
    most = rounds = 0
    while not status or status["phase"] != "Succeeded":
        made = plan(flow, status, admission=index, jobs=started, results=results)
        index.put(("team", "flow-1"), made.claims)
        status = made.status or status
        assert status
        assert json_size(status) < 256 * 1024
        waiting = {each["task"] for each in status.get("concurrency", [])}
        without = [each["name"] for each in status["tasks"] if each.get("message") == NO_ROOM]
        assert waiting.isdisjoint(without)
        assert rounds or without == names[len(waiting) :]
        most = max(most, len(waiting))
        for each in made.create:
            name = each["metadata"]["labels"][labels.TASK]
            started[attempt_name(name)] = job(name)
            results |= reported(name)
        rounds += 1
        assert rounds < 30
    assert len(names) / 8 < most < len(names) / 2


def test_tasks_wait_for_room_for_their_units() -> None:
    flow = workflow(*(task(name, rateLimits=[{"staticKey": "k"}]) for name in WIDE))
    status = stored(plan(flow))
    claims = status["rateLimits"]
    assert json_size(status) < 256 * 1024
    assert 100 < len(claims) < 500
    without = [entry["name"] for entry in status["tasks"] if entry["message"] == NO_UNITS]
    assert without == WIDE[len(claims) :]
    grants = [{"run": "flow-1", "job": each["job"], "units": 1} for each in claims]
    granted: JsonObject = {
        "metadata": {"name": rate_limit_name("k"), "namespace": "default"},
        "spec": {"key": "k", "limit": 1000},
        "status": {"grants": grants},
    }
    index = RateLimitIndex()
    index.observe_limit(granted)
    made = plan(flow, status, queues=index.of("default"))
    assert len(jobs(made)) == len(claims)
    later = {each["task"] for each in stored(made)["rateLimits"]}
    assert later == {*WIDE[len(claims) : 2 * len(claims)]}


def shared_pod(message: str, containers: int = 5) -> JsonObject:
    found = pod(terminated(0, message))
    found["spec"]["containers"] *= containers - 1
    found["spec"]["initContainers"] = found["spec"]["containers"][:1]
    return found


CONTAINER = TaskSpec.model_validate(container_task("a"))
WITHOUT_ACCESS = TaskSpec.model_validate(task("a", clusterAccess=False))
LIMIT = "longer than 2457 bytes, the limit of this pod: the pod's containers share 12288 bytes"


@pytest.mark.parametrize(
    ("spec", "message", "reason"),
    [
        (CONTAINER, json.dumps("x" * 3500)[:2457], "OutputTooLarge"),
        (CONTAINER, json.dumps(FACE * 900, ensure_ascii=False)[:614] + "\ufffd", "OutputTooLarge"),
        (CONTAINER, json.dumps("x" * 2455), None),
        (CONTAINER, "7" * 2457, "OutputTooLarge"),
        (CONTAINER, "[" + " " * 2000, "OutputNotJSON"),
        (WITHOUT_ACCESS, '{"run": "' + "x" * 2448, "OutputTooLarge"),
        (WITHOUT_ACCESS, '{"run": ', "NoReport"),
    ],
)
def test_a_message_that_was_cut_is_a_large_output(
    spec: TaskSpec, message: str, reason: str | None
) -> None:
    ended = read_outcome(spec, result=None, pod=shared_pod(message), job=None, now=NOW)
    assert isinstance(ended, AttemptEnd)
    assert ended.reason == reason
    assert (LIMIT in ended.message) is (reason == "OutputTooLarge")


def test_a_pod_of_one_container_has_the_whole_room() -> None:
    message = '"' + "x" * 4095
    found = shared_pod(message, containers=3)
    ended = read_outcome(CONTAINER, result=None, pod=found, job=None, now=NOW)
    assert isinstance(ended, AttemptEnd)
    assert ended.message.endswith("longer than 4096 bytes, the limit of this pod")
