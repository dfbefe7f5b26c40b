"""The operator's process: its parts are put together, and end together. kopf is not started."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Generator
from typing import NoReturn, cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import Cluster, Connection
from podhatch.cluster.connection import Credentials
from podhatch_operator import __main__
from podhatch_operator.__main__ import Operator
from podhatch_operator.ops.leader import Elector
from podhatch_operator.settings import Settings
from podhatch_operator.watch.resync import Resync

from tests.unit.operator.manifests import run, workflow
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator_cluster import OperatorCluster

CONNECTION = Connection("http://127.0.0.1:1", NAMESPACE, Credentials(lambda: ""))


class Process:
    """An operator whose cluster is in memory, and whose watches are one task."""

    def __init__(self, port: int) -> None:
        self.cluster = OperatorCluster()
        vars(self.cluster)["connection"] = CONNECTION
        self.variables = {"PODHATCH_PORT": str(port), "PODHATCH_METRICS_PORT": str(port)}
        self.stop = asyncio.Event()
        self.lost = 0
        self.watch: Callable[[asyncio.Event], Awaitable[object]] = asyncio.Event.wait

    async def spawn(self, *, stop_flag: asyncio.Event, **_: object) -> list[Awaitable[object]]:
        """Do what kopf does: take the signals, and start the watches."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop_flag.set)
        return [asyncio.ensure_future(self.watch(stop_flag))]

    def connected(self, _: Connection) -> Cluster:
        return cast("Cluster", self.cluster)

    async def run(self, identity: str = "a") -> int:
        settings = Settings.read({**self.variables, "PODHATCH_IDENTITY": identity})
        async with asyncio.timeout(30):
            return await Operator(self.connected(CONNECTION), settings, self.lose).run(self.stop)

    def lose(self) -> None:
        self.lost += 1
        self.stop.set()

    def lease(self) -> JsonObject:
        (lease,) = self.cluster.objects("Lease")
        return lease["spec"]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> Generator[Process]:
    process = Process(unused_tcp_port)

    async def run_tasks(tasks: list[asyncio.Future[object]], **_: object) -> None:
        await asyncio.gather(*tasks)

    monkeypatch.setattr(__main__.kopf, "spawn_tasks", process.spawn)
    monkeypatch.setattr(__main__.kopf, "run_tasks", run_tasks)
    monkeypatch.setattr(__main__, "Cluster", process.connected)
    yield process
    gc.unfreeze()


async def test_the_operator_works_until_it_is_stopped(process: Process) -> None:
    await process.cluster.create_as_user(workflow())
    await process.cluster.create_as_user(run())

    async def watch(stopped: asyncio.Event) -> None:
        while not process.cluster.objects("Job"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert process.lease()["holderIdentity"] == "a"
        process.stop.set()
        await stopped.wait()

    process.watch = watch
    assert await process.run() == 0
    assert process.lease()["holderIdentity"] == ""
    assert process.cluster.closed
    assert process.lost == 0


async def test_the_operator_ends_with_an_error_if_a_part_of_it_ends(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    async def watch(_: asyncio.Event) -> NoReturn:
        raise RuntimeError("no more watches")

    process.watch = watch
    assert await process.run() == 1
    assert "kopf ended by itself" in caplog.text
    assert "no more watches" in caplog.text


async def test_an_operator_that_stands_by_does_nothing_and_can_be_stopped(
    process: Process,
) -> None:
    other = Elector(
        cast("Cluster", process.cluster), namespace=NAMESPACE, name="podhatch", identity="b"
    )
    await other.acquire()
    process.cluster.order.clear()
    running = asyncio.create_task(process.run())
    while not process.cluster.requests["get Lease"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    process.stop.set()
    assert await running == 0
    assert process.cluster.order == []
    assert process.lease()["holderIdentity"] == "b"


async def test_an_operator_that_lists_can_be_stopped(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def list_all(_: Resync) -> None:
        process.stop.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Resync, "list_all", list_all)
    assert await process.run() == 0
    assert process.lease()["holderIdentity"] == ""


async def test_an_operator_that_loses_the_lead_is_told(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold(_: Elector) -> None:
        """Return, as when the Lease could not be renewed in time."""

    monkeypatch.setattr(Elector, "hold", hold)
    assert await process.run() == 0
    assert process.lost == 1


def test_losing_the_lead_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    __main__.exit_at_once()
    assert codes == [1]


def test_a_bad_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PODHATCH_LOG_LEVEL", "loud")
    assert __main__.main() == 2
    assert capsys.readouterr().err.startswith("PODHATCH_LOG_LEVEL is 'LOUD': use one of ")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logs as pytest has set them up."""
    levels: list[str] = []
    monkeypatch.setattr(__main__, "set_up_logs", levels.append)


@pytest.mark.usefixtures("quiet")
def test_an_operator_without_a_cluster_ends_with_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert __main__.main() == 1
    assert "no-kubeconfig" in caplog.text


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_operator(
    process: Process, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async def find() -> Connection:
        return CONNECTION

    async def watch(stopped: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await stopped.wait()

    process.watch = watch
    monkeypatch.setattr(Connection, "find", find)
    for name, value in process.variables.items():
        monkeypatch.setenv(name, value)
    assert __main__.main(process.connected) == 0
    assert process.lease()["holderIdentity"] == ""
    assert process.cluster.closed
