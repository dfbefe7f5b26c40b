"""Starts runs by cron expressions.

Run it with `python examples/cron.py`. It prints:

    30 2 * * MON-FRI in Europe/Paris
    ['0 * * * *', '30 2 * * MON-FRI']
    ['0 * * * *']
"""

import time

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()

# These crons are created and deleted with the definition. They are in UTC.
report = hatchet.workflow(name="report", on_crons=["0 * * * *"])


@report.task()
def write(input: EmptyModel, ctx: Context) -> str:
    return f"the {ctx.additional_metadata.get('kind', 'hourly')} report"


def expressions() -> list[str]:
    """Return the crons of the workflow, once the operator has created the declared one."""
    while True:
        crons = hatchet.cron.list(workflow_name="report").rows
        if any(cron.cron == "0 * * * *" for cron in crons):
            return sorted(cron.cron for cron in crons)
        time.sleep(0.1)


if __name__ == "__main__":
    # This cron exists until you delete it.
    cron = report.create_cron(
        "before-work",
        "30 2 * * MON-FRI",
        additional_metadata={"kind": "daily"},
        time_zone="Europe/Paris",
        concurrency_policy="Forbid",
    )
    print(f"{cron.cron} in {cron.time_zone}")
    print(expressions())
    hatchet.cron.delete(cron.metadata.id)
    print(expressions())
