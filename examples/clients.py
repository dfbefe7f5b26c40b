"""Lists, replays and cancels runs with the feature clients.

Run it with `python examples/clients.py`. It prints:

    COMPLETED
    [(4, 2), (6, 3)]
    again: 3
    the third run is CANCELLED
    there is a node, and it is ACTIVE
    a filter's expression would be True
"""

from uuid import uuid4

from podhatch import BulkCancelReplayOpts, CELSuccess, Context, Hatchet, RunCancelled, RunStatus
from pydantic import BaseModel

hatchet = Hatchet()


class Job(BaseModel):
    number: int


@hatchet.task(name="halve", input_validator=Job)
def halve(input: Job, ctx: Context) -> int:
    return input.number // 2


if __name__ == "__main__":
    metadata = {"request": uuid4().hex}
    items = [
        halve.create_bulk_run_item(Job(number=n), additional_metadata=metadata) for n in (4, 6)
    ]
    first, second = halve.run_many_no_wait(items)
    second.result()
    first.result()
    print(hatchet.runs.get_status(first.workflow_run_id).value)

    found = hatchet.runs.list(additional_metadata=metadata, statuses=[RunStatus.COMPLETED]).rows
    print(sorted((row.input["number"], row.output) for row in found if row.input))

    hatchet.runs.replay(second.workflow_run_id)
    print("again:", halve.get_result(second.workflow_run_id))

    waiting = halve.run_no_wait(Job(number=8), additional_metadata=metadata)
    hatchet.runs.bulk_cancel(BulkCancelReplayOpts(ids=[waiting.workflow_run_id]))
    try:
        waiting.result()
    except RunCancelled:
        print("the third run is", hatchet.runs.get_status(waiting.workflow_run_id).value)

    nodes = hatchet.workers.list().rows
    print("there is a node, and it is", nodes[0].status)

    tried = hatchet.cel.debug(
        "input.amount > payload.limit", {"amount": 3}, filter_payload={"limit": 2}
    )
    assert isinstance(tried.result, CELSuccess)
    print("a filter's expression would be", tried.result.output)
