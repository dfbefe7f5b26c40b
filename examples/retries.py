"""A task with retries.

Run it with `python examples/retries.py`. It prints:

    {"attempts": 3, "waited": "for as long as the bank asked"}
"""

import json

from podhatch import Context, EmptyModel, Hatchet, NonRetryableException, RetryAfter

hatchet = Hatchet()

OPENING_HOURS = range(24)


@hatchet.task(name="pay", retries=3, backoff_factor=1.5, backoff_max_seconds=60)
def pay(input: EmptyModel, ctx: Context) -> dict[str, int | str]:
    if 0 not in OPENING_HOURS:
        raise NonRetryableException("another attempt would be no use")
    if ctx.retry_count == 0:
        raise ConnectionError("the bank does not answer")  # the next attempt starts after 1.5 s
    if ctx.retry_count == 1:
        raise RetryAfter("the bank is busy", retry_after=1)  # the next attempt starts after 1 s
    return {"attempts": ctx.attempt_number, "waited": "for as long as the bank asked"}


if __name__ == "__main__":
    print(json.dumps(pay.run()))
