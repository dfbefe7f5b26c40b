"""What users and pods wrote, on a pseudo-terminal and in a pipe."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject
from podhatch.cli.commands.logs import coloured_line
from podhatch.cli.rendering.format import UNPRINTABLE
from podhatch.client.logs import RunLine

from tests.unit.cli.runs import at
from tests.unit.cli.test_commands import kubeconfig_for
from tests.unit.cluster.api_server import Answer, serving, status


def list_of(*items: JsonObject) -> Answer:
    return Answer(body={"metadata": {"resourceVersion": "1"}, "items": list(items)})


HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b31mb\u202ec"
VISIBLE = r"a\x1b[2J\x1b]0;title\x07\x9b31mb\u202ec"

FAILED: JsonObject = {
    "apiVersion": "podhatch.dev/v1alpha1",
    "kind": "WorkflowRun",
    "metadata": {"name": "w-1", "namespace": "n", "creationTimestamp": "2026-11-24T12:00:00Z"},
    "spec": {"workflow": "w", "additionalMetadata": {"note": HOSTILE}},
    "status": {
        "phase": "Failed",
        "message": HOSTILE,
        "finishedAt": "2026-11-24T12:00:09Z",
        "tasks": [
            {
                "name": "t",
                "state": "Failed",
                "reason": "TaskFailed",
                "message": HOSTILE,
                "attempt": 2,
                "attempts": [{"attempt": 1, "reason": "TaskFailed", "message": HOSTILE}],
                "error": {"type": "E", "message": HOSTILE, "traceback": HOSTILE},
            }
        ],
    },
}
SUCCEEDED: JsonObject = {
    **FAILED,
    "status": {
        "phase": "Succeeded",
        "message": HOSTILE,
        "tasks": [{"name": "t", "state": "Succeeded", "output": json.dumps(HOSTILE)}],
    },
}
WORKFLOW: JsonObject = {
    "metadata": {"name": "w", "namespace": "n", "creationTimestamp": "2026-11-24T12:00:00Z"},
    "spec": {"description": HOSTILE, "tasks": [{"name": "t", "python": "m:f"}]},
    "status": {
        "conditions": [
            {
                "type": "Valid",
                "status": "False",
                "reason": "BadSpec",
                "message": HOSTILE,
                "lastTransitionTime": "2026-11-24T12:00:00Z",
            }
        ]
    },
}
EVENT: JsonObject = {
    "metadata": {"name": "e", "namespace": "n", "creationTimestamp": "2026-11-24T12:00:00Z"},
    "spec": {"key": "order:paid", "scope": HOSTILE, "payload": {"note": HOSTILE}},
    "status": {"message": HOSTILE},
}
TABLE: JsonObject = {
    "metadata": {"resourceVersion": "1"},
    "columnDefinitions": [{"name": "Name"}, {"name": "Created"}],
    "rows": [{"cells": ["w-1", "2026-11-24T12:00:00Z"]}],
}
COMMANDS: list[tuple[list[str], list[Answer]]] = [
    (["get", "w-1"], [Answer(body=FAILED), status(404, "NotFound", 'no "w"'), list_of()]),
    (["list"], [Answer(body=TABLE), Answer(body=FAILED)]),
    (["watch", "w-1"], [Answer(body=FAILED), status(404, "NotFound", 'no "w"')]),
    (["workflows", "get", "w"], [Answer(body=WORKFLOW)]),
    (["workflows", "list"], [list_of(WORKFLOW)]),
    (["events", "list"], [list_of(EVENT)]),
    (["get", "w-1"], [status(403, "Forbidden", HOSTILE)]),
    (["cancel", "w-1"], [status(403, "Forbidden", HOSTILE)]),
]

Run = Callable[[list[str], dict[str, str]], str]


def on_a_terminal(words: list[str], environment: dict[str, str]) -> str:
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        words, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        written = b""
        while chunk := _read(screen):
            written += chunk
    os.close(screen)
    assert process.returncode is not None
    return written.decode().replace("\r\n", "\n")


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # the program has ended
        return b""


def in_a_pipe(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(words, env=environment, capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode()


async def written(run: Run, command: list[str], answers: list[Answer], folder: Path) -> str:
    async with serving(*answers) as (_, cluster):
        kubeconfig = str(kubeconfig_for(folder, cluster.connection.server))
        words = [sys.executable, "-m", "podhatch.cli", *command, "--kubeconfig", kubeconfig]
        environment = {"TERM": "xterm", "COLUMNS": "300", "LANG": "C.UTF-8", "TZ": "UTC"}
        return await asyncio.to_thread(run, [*words, "-n", "n", "--no-color"], environment)


@pytest.mark.parametrize(
    ("command", "answers"), COMMANDS, ids=lambda each: " ".join(map(str, each))[:20]
)
async def test_no_text_of_the_cluster_steers_the_terminal(
    tmp_path: Path, command: list[str], answers: list[Answer]
):
    told = await written(on_a_terminal, command, answers, tmp_path)
    own = re.sub(r"\x1b\[(\?25[lh]|[0-9]*[ABCDKJ]|[0-9;]*m|\?7[lh])", "", told)
    assert UNPRINTABLE.findall(own.replace("\r", "")) == []
    assert VISIBLE in own.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_data_on_a_terminal_is_the_same_data_in_printable_signs(tmp_path: Path, form: str):
    answers = [Answer(body=SUCCEEDED)]
    told = await written(on_a_terminal, ["get", "w-1", "-o", form], answers, tmp_path)
    assert UNPRINTABLE.findall(told) == []
    assert r"\u202e" in told or r"\u202E" in told


async def test_a_pipe_gets_what_was_written(tmp_path: Path):
    told = await written(
        in_a_pipe, ["cancel", "w-1"], [status(403, "Forbidden", HOSTILE)], tmp_path
    )
    assert HOSTILE in told


def test_a_log_keeps_its_colours_and_no_other_sequence():
    line = RunLine("t", 1, at(0), "\x1b[31mred\x1b[0m plain \x1b[2J\x1b]8;;http://x\x07link")
    text = coloured_line(line, line.text)
    assert text.plain == r"t | red plain \x1b[2J\x1b]8;;http://x\x07link"
    assert "color(1)" in {str(span.style) for span in text.spans}
