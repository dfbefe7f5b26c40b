"""RateLimits, and runs with attempts that wait for units."""

from datetime import UTC, datetime

from podhatch.api.model import JsonObject, format_time
from podhatch.core.common.plan import Plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def limit(
    name: str = "api", units: int = 3, duration: str = "MINUTE", **status: object
) -> JsonObject:
    return {
        "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"key": name, "limit": units, "duration": duration},
        "status": status,
    }


def waiting(
    name: str, needs: dict[str, int], since: datetime = NOW, priority: int = 1
) -> JsonObject:
    shared = {"task": "t", "job": name, "since": format_time(since), "priority": priority}
    claims = [{**shared, "limit": each, "units": units} for each, units in needs.items()]
    return {
        "metadata": {"name": f"run-{name}", "namespace": "default"},
        "spec": {"workflow": "w"},
        "status": {"phase": "Running", "rateLimits": claims},
    }


def granted(planned: Plan) -> list[str]:
    assert planned.status
    return [each["job"] for each in planned.status.get("grants", [])]
