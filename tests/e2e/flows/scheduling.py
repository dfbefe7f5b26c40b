"""A user's program: starts a task later, moves one schedule, and deletes another."""

import json
from datetime import UTC, datetime, timedelta

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()


@hatchet.task(name="clock")
def clock(input: EmptyModel, ctx: Context) -> str:
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    now = datetime.now(UTC)
    soon, moved, deleted = (
        clock.schedule(now + wait).scheduled_workflows[0]
        for wait in (timedelta(seconds=4), timedelta(days=1), timedelta(seconds=3))
    )
    waiting = [row.workflow_run_status.value for row in hatchet.scheduled.list().rows]
    hatchet.scheduled.update(moved.id, now + timedelta(seconds=5))
    hatchet.scheduled.delete(deleted.id)
    print(
        json.dumps(
            {
                "asked": now.isoformat(),
                "waiting": sorted(waiting),
                "soon": [soon.id, clock.get_result(soon.id)],
                "moved": [moved.id, clock.get_result(moved.id)],
                "deleted": deleted.id,
            }
        )
    )
