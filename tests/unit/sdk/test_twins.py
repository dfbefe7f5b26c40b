"""One async function makes a method for synchronous code and a twin for event loops."""

import asyncio
import inspect
import threading

import pytest
from podhatch.client.twins import async_twin, blocking, in_background


async def refuse(text: str) -> str:
    raise ValueError(text)


async def answer(text: str) -> str:
    return f"{text} from {threading.current_thread().name}"


class Client:
    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(f"{name} in {threading.current_thread().name}")

    @blocking
    async def ask(self, first: str, second: str = "") -> list[str]:
        """Return two answers."""
        self.step("checked")
        answers = [await in_background(answer(first)), await in_background(answer(second))]
        self.step("made")
        return answers

    aio_ask = async_twin(ask)

    @blocking
    async def fail(self) -> str:
        """Return the reason of a refusal."""
        try:
            return await in_background(refuse("no"))
        except ValueError as error:
            reason = str(error)
        finally:
            self.step("left")
        return await in_background(refuse(f"{reason} again"))

    aio_fail = async_twin(fail)


def test_the_functions_own_lines_run_in_the_callers_thread() -> None:
    client, here = Client(), threading.current_thread().name
    assert client.ask("a", second="b") == ["a from podhatch", "b from podhatch"]
    assert asyncio.run(client.aio_ask("a", "b")) == ["a from podhatch", "b from podhatch"]
    assert client.steps == [f"checked in {here}", f"made in {here}"] * 2


def test_the_function_may_catch_what_is_raised_in_the_background() -> None:
    client = Client()
    with pytest.raises(ValueError, match="no again"):
        client.fail()
    with pytest.raises(ValueError, match="no again"):
        asyncio.run(client.aio_fail())
    assert len(client.steps) == 2


async def test_a_cancelled_caller_leaves_the_function() -> None:
    client = Client()
    left = threading.Event()

    @async_twin
    @blocking
    async def wait() -> None:
        try:
            await in_background(asyncio.Event().wait())
        finally:
            client.step("left")
            left.set()

    caller = asyncio.create_task(wait())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert left.is_set()


def test_both_show_the_signature_and_the_docstring() -> None:
    for method, name in ((Client.ask, "ask"), (Client.aio_ask, "aio_ask")):
        assert inspect.getdoc(method) == "Return two answers."
        assert list(inspect.signature(method).parameters) == ["self", "first", "second"]
        assert method.__qualname__ == f"Client.{name}"
    assert not inspect.iscoroutinefunction(Client.ask)
    assert inspect.iscoroutinefunction(Client.aio_ask)
