"""The operator that ends itself at a chosen write."""

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT, JOB, WORKFLOW, WORKFLOW_RUN, Cluster, Kind

from tests.fakes.dying_operator import BadFault, Fault, FaultyCluster
from tests.unit.cluster.api_server import Answer, serving


class Ended(BaseException):
    """The process would have been killed here."""


def end() -> None:
    raise Ended


def an(kind: Kind) -> JsonObject:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "it", "namespace": "team"},
    }


async def write(cluster: Cluster, word: str) -> None:
    match word:
        case "status":
            await cluster.replace_status(an(WORKFLOW_RUN))
        case "status of a workflow":
            await cluster.replace_status(an(WORKFLOW))
        case "job":
            await cluster.create(an(JOB))
        case "event":
            await cluster.create(an(EVENT))
        case "delete":
            await cluster.delete(JOB, "team", "it")
        case _:
            await cluster.merge_patch(JOB, "team", "it", {})


@pytest.mark.parametrize(
    ("text", "survived", "last", "sent"),
    [
        ("status:2", ["status", "status of a workflow", "job"], "status", True),
        ("after status:1", ["job"], "status", True),
        ("before status:1", ["event", "delete"], "status", False),
        ("create Job:3", ["job", "event", "job"], "job", True),
        ("before event:1", ["job"], "event", False),
        ("delete:2", ["delete"], "delete", True),
        ("before extend:1", ["status"], "extend", False),
    ],
)
async def test_the_chosen_write_is_the_last(
    text: str, survived: list[str], last: str, sent: bool
) -> None:
    fault = Fault.read({"PODHATCH_FAULT": text})
    async with serving(Answer()) as (server, plain):
        cluster = FaultyCluster(plain.connection, fault, end)
        try:
            for word in survived:
                await write(cluster, word)
            with pytest.raises(Ended):
                await write(cluster, last)
        finally:
            await cluster.close()
    assert len(server.requests) == len(survived) + sent


@pytest.mark.parametrize("text", ["", "status", "status:0", "during status:1", "create:1", "Job:1"])
def test_a_fault_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadFault, match="PODHATCH_FAULT"):
        Fault.read({"PODHATCH_FAULT": text})
