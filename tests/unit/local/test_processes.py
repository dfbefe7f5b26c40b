"""Attempts in child processes."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from podhatch import Context, Hatchet, Pod
from podhatch.errors import FailedTaskRunExceptionGroup, RunCancelled
from podhatch.local import processes
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.testing import FakeClock
from pydantic import BaseModel

hatchet = Hatchet()


class Folder(BaseModel):
    path: str


family = hatchet.workflow("family", pod=Pod(env={"COLOUR": "blue$(HOME)"}))
stopped = hatchet.workflow("stopped", input_validator=Folder)
dying = hatchet.workflow("dying")


@family.task()
def where(input: Any, ctx: Context) -> dict[str, Any]:
    print("this is no part of the output")
    return {"pid": os.getpid(), "colour": os.environ["COLOUR"], "folder": os.getcwd()}


@family.task(parents=[where])
async def grandchild(input: Any, ctx: Context) -> list[int]:
    there = await inner.aio_run()
    return [os.getpid(), there]


@hatchet.task()
def inner(input: Any, ctx: Context) -> int:
    return os.getpid()


@stopped.task()
def sleeper(input: Folder, ctx: Context) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    written = Path(f"{input.path}.part")
    written.write_text(str(os.getpid()))
    written.rename(input.path)
    time.sleep(600)


@dying.task(retries=1)
def dies(input: Any, ctx: Context) -> None:
    os._exit(3)


def test_each_attempt_is_a_process_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    result = family.run_local(processes=True, clock=FakeClock())
    task, child = result["grandchild"]
    assert len({os.getpid(), result["where"]["pid"], task}) == 3
    assert child == task
    assert result["where"]["colour"] == "blue$(HOME)"
    assert result["where"]["folder"] == os.getcwd()
    assert "this is no part of the output\n" in capsys.readouterr().out


def test_a_process_that_dies_is_tried_again() -> None:
    clock = FakeClock()
    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        dying.run_local(processes=True, clock=clock)
    assert "exit code 3" in str(caught.value.exceptions[0])


def test_processes_of_a_cancelled_run_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "KILL_SECONDS", 0.3)
    file = tmp_path / "pid"
    with local_runs(LocalOptions(processes=True)):
        run = stopped.run_no_wait({"path": str(file)})
        while not file.exists():
            time.sleep(0.01)
        hatchet.runs.cancel(run.workflow_run_id)
        with pytest.raises(RunCancelled):
            run.result()
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_mocks_run_in_this_process() -> None:
    result = family.run_local(processes=True, mocks={"where": 1, "grandchild": os.getpid})
    assert result == {"where": 1, "grandchild": os.getpid()}
