"""The SDK's own check of cron expressions against the one that counts: the API server's."""

import random

from podhatch.api.cron_expression import checked_cron
from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Cluster

PARTS = (
    "*",
    "?",
    "0",
    "5",
    "7",
    "12",
    "31",
    "59",
    "60",
    "1-5",
    "5-1",
    "1,3",
    "*/5",
    "1-9/2",
    "4/2",
)
ODD = ("MON", "jan", "SUN-SAT", "L", "5#2", "1-", "-1", "*/0", "1//2", "", "1,,2", "*-3", "1-3-5")
FIXED = ("@hourly", "@daily", "@Daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
NOT_TAKEN = ("@reboot", "@fortnightly", "* * * *", "* * * * * *", "* * * * * MON")

LENIENT = ("?", ",,", "*-")
"""A CronJob takes these in any field, and means by them what no other cron does."""


def cron_job(cluster: Cluster, schedule: str) -> JsonObject:
    container = {"name": "task", "image": "any:1"}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "cron", "namespace": cluster.namespace},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": pod}}},
    }


def expressions() -> list[str]:
    """Return expressions with any part in any place, most of them fit for it."""
    chance = random.Random(7)
    drawn = [
        " ".join(
            chance.choice(ODD) if chance.random() < 0.1 else chance.choice(PARTS) for _ in "12345"
        )
        for _ in range(150)
    ]
    placed = [
        " ".join(part if place == at else "*" for place in range(5))
        for at in range(5)
        for part in (*PARTS, *ODD)
    ]
    return [*drawn, *placed, *FIXED, *NOT_TAKEN]


async def test_what_is_taken_here_is_taken_there(cluster: Cluster) -> None:
    wrongly_taken: list[str] = []
    wrongly_refused: list[str] = []
    for expression in expressions():
        here = as_taken_here(expression)
        there = await is_taken_there(cluster, here or expression)
        if here and not there:
            wrongly_taken.append(expression)
        if there and not here and not any(each in expression for each in LENIENT):
            wrongly_refused.append(expression)
    assert (wrongly_taken, wrongly_refused) == ([], [])


def as_taken_here(expression: str) -> str | None:
    try:
        return checked_cron(expression)
    except ValueError:
        return None


async def is_taken_there(cluster: Cluster, expression: str) -> bool:
    try:
        return bool(await cluster.create(cron_job(cluster, expression), dry_run=True))
    except ApiError as error:
        if error.status != 422:
            raise
        return False
