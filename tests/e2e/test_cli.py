"""The command line tool, on real runs."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import Podhatch
from tests.kube import Namespace, shell, workflow_manifest

PODHATCH = Path(sys.executable).with_name("podhatch")


@pytest.fixture
def diamond(namespace: Namespace) -> str:
    """Return the name of a run whose graph is a diamond, just created."""
    say = 'echo "{\\"task\\": \\"$PODHATCH_TASK\\"}" > $PODHATCH_OUTPUT'
    namespace.apply(
        workflow_manifest(
            "diamond",
            shell("first", say),
            shell("left", say, "first"),
            shell("right", say, "first"),
            shell("last", "exit 0", "left", "right"),
        )
    )
    namespace.run("diamond-1", "diamond")
    return "diamond-1"


def test_watch_tells_each_change_once_and_ends_with_the_run(
    podhatch: Podhatch, diamond: str
) -> None:
    done = podhatch("watch", diamond)
    assert done.code == 0, done.err
    lines = [line.split("  ", 1)[1] for line in done.out.splitlines()]
    ends = [line for line in lines if line.startswith("task ") and "  Succeeded" in line]
    order = [line.split()[1] for line in ends]
    assert (order[0], sorted(order)) == ("first", ["first", "last", "left", "right"])
    assert lines[-1].startswith("run diamond-1  Succeeded  ")
    assert len(lines) == len(set(lines))


def test_watch_draws_the_tree_in_a_terminal(
    podhatch_environment: dict[str, str], diamond: str
) -> None:
    code, shown = on_a_terminal(podhatch_environment, "watch", diamond, "--no-color")
    assert code == 0
    last = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", shown.decode()).rpartition("Name:")[2]
    assert "├─ ✔ left             Succeeded" in last
    assert "└─ ✔ right            Succeeded" in last
    assert "✔ last ← left, right  Succeeded" in last


HOSTILE = r"printf 'a\033[2Jb\033]0;title\007c\302\233d \033[31mred\033[0m\n'; exit 1"


def test_what_a_pod_wrote_cannot_steer_the_terminal(
    podhatch_environment: dict[str, str], podhatch: Podhatch, namespace: Namespace
) -> None:
    namespace.apply(workflow_manifest("hostile", shell("t", HOSTILE)))
    namespace.run("hostile-1", "hostile")
    namespace.wait("hostile-1", "Failed")
    for words in (("list",), ("get", "hostile-1"), ("watch", "hostile-1"), ("logs", "hostile-1")):
        _, shown = on_a_terminal(podhatch_environment, *words)
        assert r"\x1b[2J" in shown.decode()
        for sequence in (b"\x1b[2J", b"\x1b]", b"\x07", "\x9b".encode()):
            assert sequence not in shown
    assert re.search(rb"\x1b\[[0-9;]*31mred", shown)
    assert "a\x1b[2Jb\x1b]0;title\x07c\x9bd \x1b[31mred\x1b[0m" in podhatch("logs", "hostile-1").out


def on_a_terminal(environment: dict[str, str], *words: str) -> tuple[int, bytes]:
    """Return the exit code, and all that the command wrote to its terminal."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [PODHATCH, *words],
        env={**environment, "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        while chunk := read(screen):
            shown += chunk
    os.close(screen)
    return process.returncode, shown


def read(screen: int) -> bytes:
    """Return what the terminal shows next; nothing when its program has ended."""
    try:
        return os.read(screen, 65536)
    except OSError:
        return b""


def take_interrupts() -> None:
    """A shell that starts the tests in the background has them ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def hear_interrupts() -> None:
    """Undo what `nohup` and `&` do: they have a process and its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_restores_the_terminal_and_leaves_the_run(
    podhatch_environment: dict[str, str], namespace: Namespace
) -> None:
    namespace.apply(workflow_manifest("long", shell("t", "sleep 600")))
    namespace.run("long-1", "long")
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [PODHATCH, "watch", "long-1"],
        env={**podhatch_environment, "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=hear_interrupts,
    ) as process:
        os.close(terminal)
        shown = b""
        while b"Running" not in shown:
            shown += read(screen)
        process.send_signal(signal.SIGINT)
        while chunk := read(screen):
            shown += chunk
    os.close(screen)
    assert process.returncode == 130
    assert shown.count(b"\x1b[?25h") == shown.count(b"\x1b[?25l") == 1  # the cursor is shown
    assert b"Traceback" not in shown
    assert namespace.get("wfr", "long-1")["status"]["phase"] == "Running"


def test_output_that_nobody_reads_ends_the_command(
    podhatch_environment: dict[str, str], diamond: str
) -> None:
    script = f"'{PODHATCH}' get {diamond} -o json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        env=podhatch_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_get_and_list_show_a_run_that_is_over(
    podhatch: Podhatch, namespace: Namespace, diamond: str
) -> None:
    namespace.wait(diamond, "Succeeded")
    shown = podhatch("get", "@latest")
    assert shown.code == 0, shown.err
    assert "Phase:      ✔ Succeeded" in shown.out
    assert '{"task": "left"}' in shown.out
    listed = podhatch("list")
    assert listed.out.splitlines()[1].split()[:5] == [
        "diamond-1",
        "diamond",
        "✔",
        "Succeeded",
        "4/4",
    ]


def test_objects_are_printed_for_programs(podhatch: Podhatch, diamond: str) -> None:
    one = json.loads(podhatch("get", diamond, "-o", "json").out)
    assert one["metadata"]["name"] == diamond
    assert "managedFields" not in one["metadata"]
    many = yaml.safe_load(podhatch("list", "--output", "yaml").out)
    assert [item["metadata"]["name"] for item in many["items"]] == [diamond]
    assert {item["kind"] for item in many["items"]} == {"WorkflowRun"}


def test_watch_fails_with_its_run(podhatch: Podhatch, namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("broken", shell("a", "echo no luck; exit 3")))
    namespace.run("broken-1", "broken")
    done = podhatch("watch", "broken-1")
    assert done.code == 1
    assert "task a  Failed  " in done.out
    assert "exit code 3: no luck" in done.out
    shown = podhatch("get", "broken-1")
    assert shown.code == 0
    assert "✖ Failed" in shown.out


def test_what_is_not_there_is_one_sentence(podhatch: Podhatch, namespace: Namespace) -> None:
    missing = podhatch("get", "nope")
    assert (missing.code, missing.out) == (5, "")
    assert missing.err == f"error: there is no WorkflowRun nope in namespace {namespace.name}\n"
    assert podhatch("get", "@latest").code == 5
    empty = podhatch("list")
    assert (empty.code, empty.out) == (0, "")
    assert podhatch("list", "-n", "kube-system").code == 0


def test_finished_runs_are_deleted_by_their_phase(namespace: Namespace, diamond: str) -> None:
    namespace.wait(diamond, "Succeeded")
    namespace.kubectl("delete", "wfr", "--field-selector", "status.phase=Succeeded")
    assert namespace.list("wfr") == []
