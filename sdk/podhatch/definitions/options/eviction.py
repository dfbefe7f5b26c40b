"""How long a durable task waits in its pod."""

from dataclasses import dataclass
from datetime import timedelta

from podhatch.api.limits import DEFAULT_EVICTION_TTL_SECONDS, MAX_SECONDS
from podhatch.values.duration import Duration, seconds
from podhatch.values.parsing import unexpected


@dataclass(frozen=True)
class EvictionPolicy:
    """How long a durable task waits in its pod; then the pod ends until the wait is over.

    The time of waits that are shorter is not affected. A longer one costs the start of a pod.

    Attributes:
        ttl: For how long; None keeps the pod, however long the wait is.
        allow_capacity_eviction: Has no meaning here: a task that waits in its pod takes no place
            of another task, as each task has a pod of its own.
        priority: Has no meaning for the same reason.
    """

    ttl: Duration | None
    allow_capacity_eviction: bool = True
    priority: int = 0


def eviction_ttl(subject: str, policy: object) -> float:
    """Return for how many seconds a task of this policy waits in its pod; None stands for ever."""
    subject = f"{subject}: eviction_policy"
    if policy is None:
        return MAX_SECONDS
    if not isinstance(policy, EvictionPolicy):
        raise unexpected(subject, "an EvictionPolicy or None", policy)
    return MAX_SECONDS if policy.ttl is None else seconds(policy.ttl, f"{subject}.ttl")


DEFAULT_EVICTION_POLICY = EvictionPolicy(timedelta(seconds=DEFAULT_EVICTION_TTL_SECONDS))
