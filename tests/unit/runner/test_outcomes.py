"""What the user's function returns or raises, and what the pod says of it."""

import json
import re

import pytest
from podhatch.api import pod

from tests.unit.runner.conftest import Pod

MODELS = """
from dataclasses import dataclass
from pydantic import BaseModel

class Model(BaseModel):
    name: str

@dataclass
class Data:
    name: str
"""


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("return {'input': input}", {"input": {"id": 7}}),
        ("return 'grüße\\N{GRINNING FACE}'", "grüße\N{GRINNING FACE}"),
        ("return 0", 0),
        ("return []", []),
        ("return False", False),
        ("return [1, None, 'x']", [1, None, "x"]),
    ],
)
def test_any_json_value_is_an_output(task_pod: Pod, body: str, output: object) -> None:
    ended = task_pod.run(f"def charge(input, ctx):\n    {body}\n")
    assert ended.output == output
    assert ended.exit_code == pod.EXIT_SUCCEEDED
    assert ended.stderr == ""


def test_nothing_returned_is_no_output(task_pod: Pod) -> None:
    ended = task_pod.run("def charge(input, ctx): pass")
    assert ended.exit_code == 0
    assert "output" not in ended.message


@pytest.mark.parametrize("value", ["Model(name='a')", "Data(name='a')", "{'name': 'a'}"])
def test_a_returned_model_is_dumped(task_pod: Pod, value: str) -> None:
    ended = task_pod.run(f"{MODELS}\ndef charge(input, ctx):\n    return {value}\n")
    assert ended.output == {"name": "a"}


@pytest.mark.parametrize(
    ("value", "output"),
    [
        ("{'at': datetime(2026, 1, 2), 'price': Decimal('1.10')}",
         {"at": "2026-01-02T00:00:00", "price": "1.10"}),
        ("[{2}, {UUID(int=7): b'x'}]", [[2], {"00000000-0000-0000-0000-000000000007": "x"}]),
    ],
)  # fmt: skip
def test_what_pydantic_can_make_json_of_is_an_output(
    task_pod: Pod, value: str, output: object
) -> None:
    ended = task_pod.run(f"""
        from datetime import datetime
        from decimal import Decimal
        from uuid import UUID

        def charge(input, ctx): return {value}
    """)
    assert ended.output == output


def test_a_models_fields_have_their_own_names(task_pod: Pod) -> None:
    ended = task_pod.run("""
        from pydantic import BaseModel, Field

        class Order(BaseModel):
            number: int = Field(validation_alias="id", serialization_alias="orderNumber")

        def charge(input: Order, ctx): return input
    """)
    assert ended.output == {"number": 7}


def test_an_async_function_returns_its_output(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import asyncio

        async def charge(input, ctx):
            await asyncio.sleep(0)
            return input["id"]
    """)
    assert ended.output == 7


def test_a_sync_wrapper_around_an_async_function_is_awaited(task_pod: Pod) -> None:
    ended = task_pod.run("""
        async def real(input): return input["id"]

        def charge(*arguments): return real(arguments[0])
    """)
    assert ended.output == 7


def test_a_report_names_the_attempt_and_its_times(task_pod: Pod) -> None:
    message = task_pod.run("def charge(input, ctx): return 1").message
    assert {name: message[name] for name in ("run", "task", "attempt", "outcome", "output")} == {
        "run": "orders-1",
        "task": "charge",
        "attempt": 2,
        "outcome": "Succeeded",
        "output": "1",
    }
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    assert re.fullmatch(time, message["startedAt"])
    assert re.fullmatch(time, message["finishedAt"])
    assert message["startedAt"] <= message["finishedAt"]


def test_an_exception_is_reported_with_the_users_frames_only(task_pod: Pod) -> None:
    ended = task_pod.run("""
        def charge(input, ctx):
            try:
                refuse(input)
            except KeyError as error:
                raise ValueError("no card") from error

        def refuse(input): raise KeyError("card")
    """)
    assert ended.exit_code == pod.EXIT_FAILED
    assert (ended.error["type"], ended.error["message"]) == ("ValueError", "no card")
    trace = ended.error["traceback"]
    assert "in refuse" in trace
    assert "raise ValueError" in trace
    assert "podhatch/runner" not in trace
    assert "ValueError: no card" in ended.stderr
    assert "in refuse" in ended.stderr


def test_the_traceback_of_an_async_function_shows_no_event_loop(task_pod: Pod) -> None:
    ended = task_pod.run("async def charge(input, ctx): raise ValueError('no card')")
    frames = re.findall(r'File "([^"]+)"', ended.error["traceback"])
    assert frames == [str(task_pod.folder / "code" / "orders.py")]


@pytest.mark.parametrize("code", ["0", "3", "None", "'bye'"])
def test_sys_exit_is_a_failure(task_pod: Pod, code: str) -> None:
    ended = task_pod.run(f"import sys\ndef charge(input, ctx): sys.exit({code})")
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "SystemExit"
    assert f"sys.exit({code})" in ended.error["message"]


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        ("KeyboardInterrupt()", "KeyboardInterrupt", ""),
        ("BaseException('odd')", "BaseException", "odd"),
        ("ExceptionGroup('both', [ValueError('a'), KeyError('b')])", "ExceptionGroup", "both"),
        ("OSError('bad \\udcff name')", "OSError", "bad ? name"),
        ("Broken()", "Broken", "<its message could not be made: RuntimeError>"),
    ],
)
def test_whatever_is_raised_is_reported(
    task_pod: Pod, raised: str, kind: str, message: str
) -> None:
    ended = task_pod.run(f"""
        class Broken(Exception):
            def __str__(self): raise RuntimeError

        def charge(input, ctx): raise {raised}
    """)
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == kind
    assert ended.error["message"].startswith(message)
    assert "in charge" in ended.error["traceback"]


@pytest.mark.parametrize("value", ["object()", "{(1, 2): 3}", "float('nan')", "{'a': b'\\xff'}"])
def test_an_output_that_is_not_json_is_a_failure(task_pod: Pod, value: str) -> None:
    ended = task_pod.run(f"def charge(input, ctx): return {value}")
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "IllegalTaskOutputError"
    assert "traceback" not in ended.error


def test_threads_left_behind_do_not_keep_the_pod(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import threading

        def charge(input, ctx):
            threading.Thread(target=threading.Event().wait).start()
            return 1
    """)
    assert ended.output == 1


def test_exit_handlers_run_and_output_is_flushed(task_pod: Pod) -> None:
    ended = task_pod.run(
        """
        import atexit

        def charge(input, ctx):
            atexit.register(print, "exit handler", end="")
            print("no newline", end=";")
            return 1
    """,
        PYTHONUNBUFFERED="",
    )
    assert ended.stdout == "no newline;exit handler"


def test_an_exit_handler_that_hangs_does_not_keep_the_pod(task_pod: Pod) -> None:
    task_pod.overrides["podhatch.runner.process.EXIT_HANDLER_SECONDS"] = 0.1
    ended = task_pod.run("""
        import atexit, threading

        def charge(input, ctx):
            atexit.register(threading.Event().wait)
            return 1
    """)
    assert (ended.exit_code, ended.output) == (0, 1)


def test_the_context_identifies_the_attempt(task_pod: Pod) -> None:
    ended = task_pod.run("""
        def charge(input, ctx):
            ctx.log("a line")
            ctx.log({"a": 1})
            return [ctx.workflow_run_id, ctx.workflow_name, ctx.task_name, ctx.retry_count,
                    ctx.attempt_number, ctx.additional_metadata, ctx.is_cancelled, ctx.task_run_id]
    """)
    *facts, task_run = json.loads(ended.message["output"])
    assert facts == ["orders-1", "Orders", "charge", 1, 2, {"team": "billing"}, False]
    assert task_run.startswith("orders-1-charge-")
    assert task_run.endswith("-2")
    assert ended.stdout == 'a line\n{"a": 1}\n'


def test_an_environment_without_an_assignment_is_an_error(task_pod: Pod) -> None:
    del task_pod.variables[pod.RUN]
    ended = task_pod.run("")
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.stderr == "podhatch.runner only runs in a task's pod: PODHATCH_RUN is not set\n"
