"""Limits and defaults of the wire models that the SDK knows too, before anything is sent.

A pod that runs a task imports the SDK's checks, and should not wait for the models and pydantic.
"""

from typing import Final, Literal

MAX_SECONDS = 31_536_000
"""A year: for timeouts, sleeps and extensions of an attempt."""
MAX_STORED_SECONDS = 315_360_000
"""Ten years: for how long runs are kept, and for deadlines of their start."""
DEFAULT_QUEUE_TTL_SECONDS = 86_400
"""How long runs of a paused workflow wait."""
DEFAULT_EVICTION_TTL_SECONDS = 15.0
"""How long a durable task waits in its pod."""
MAX_RETRIES = 100
MAX_BACKOFF_FACTOR = 1000
MAX_BACKOFF_SECONDS = 86_400
MAX_CONDITIONS = 16
"""In a list of conditions, and in a group of them."""
MAX_CHILD_KEY = 253
MAX_EXPRESSION = 1024
MAX_IDEMPOTENCY_KEY = 256
"""Characters of a key that an expression gives."""
MAX_LIMITS = 8
"""Concurrency limits of one workflow, or of one task."""
MAX_RUNS = 1_000_000
"""Slots of a group of a concurrency limit."""
MAX_LIMIT_NAME = 63
MAX_METADATA_ENTRIES = 64
MAX_METADATA_VALUE = 4096
"""Characters of one entry."""
MAX_UNITS = 2_147_483_647
"""Of a rate limit."""
MAX_RATE_LIMITS = 8
"""That one task can name."""
RateLimitWindow = Literal["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"]
"""Duration of a window of a rate limit."""
CallKind = Literal["Run", "WaitFor", "Memo"]
"""Of a durable task's calls."""
RUN: Final = "Run"
WAIT_FOR: Final = "WaitFor"
MEMO: Final = "Memo"
