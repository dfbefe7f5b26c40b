"""What the rate limits of a task, as users write them, mean for one attempt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.limits import MAX_UNITS
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import rate_limit_name
from podhatch.api.rate_limit import RateLimit, RateLimitSpec, TaskRateLimit
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.admission.limits import LimitError, value_problems
from podhatch.core.admission.units import UnitQueues
from podhatch.core.expressions.cel import ExpressionError, Variables
from podhatch.core.expressions.evaluation import Questions


@dataclass(frozen=True)
class Need:
    """Units that an attempt needs of one limit."""

    key: str
    units: int
    dynamic: RateLimitSpec | None = None
    """What the limit of a dynamic key is to be."""

    @property
    def name(self) -> str:
        """Name of the RateLimit."""
        return rate_limit_name(self.key)

    def manifest(self, namespace: str, queues: UnitQueues) -> JsonObject | None:
        """Return the RateLimit to apply, if there is none or another limit than is needed.

        A limit that a user made stays as it is, and so does one that cannot be read.
        """
        stored = queues.limit(self.name)
        if self.dynamic is None or (stored is None and queues.has_limit(self.name)):
            return None
        if stored and (labels.DYNAMIC not in stored.metadata.labels or stored.spec == self.dynamic):
            return None
        return RateLimit(
            metadata=ObjectMeta(
                name=self.name,
                namespace=namespace,
                labels={labels.MANAGED_BY: labels.MANAGED_BY_VALUE, labels.DYNAMIC: "true"},
            ),
            spec=self.dynamic,
        ).to_wire()


def needs_of(
    place: str,
    limits: Sequence[TaskRateLimit],
    values: Mapping[str, object],
    questions: Questions,
) -> list[Need]:
    """Return what an attempt needs; of limits with one key, the sum.

    Args:
        place: the field of the task, for errors.
        limits: of the task.
        values: the variables of the expressions.
        questions: what is known of the expressions.

    Raises:
        LimitError: an expression fails, or gives something else than it should.
    """
    variables = Variables(values, questions, "TaskLimit")
    needs: dict[str, Need] = {}
    for index, each in enumerate(limits):
        need = _need(f"{place}.rateLimits[{index}]", each, variables, questions)
        if known := needs.get(need.key):
            units = min(known.units + need.units, MAX_UNITS)
            need = Need(need.key, units, known.dynamic or need.dynamic)
        needs[need.key] = need
    return [*needs.values()]


def _need(place: str, limit: TaskRateLimit, variables: Variables, questions: Questions) -> Need:
    key, dynamic, field = limit.static_key or "", None, "dynamicKey"
    try:
        if limit.dynamic_key is not None:
            key = variables.text(limit.dynamic_key)
        field = "units"
        units = _number(limit.units, variables)
        field = "limit"
        most = _number(limit.limit, variables) if limit.limit is not None else None
    except ExpressionError as error:
        raise LimitError(f"{place}.{field}: {error}", error.reason) from None
    if most is not None:
        if not key and not questions.missing:
            said = f"{place}.dynamicKey: {limit.dynamic_key!r} gives an empty string"
            raise LimitError(said, "ExpressionFailed")
        dynamic = RateLimitSpec.model_construct(key=key, limit=most, duration=limit.duration)
    return Need(key, units, dynamic)


def _number(value: int | str, variables: Variables) -> int:
    if isinstance(value, int):
        return value
    return variables.whole_number_of(value, 0, MAX_UNITS)


def rate_limit_problems(spec: WorkflowSpec, questions: Questions) -> list[str]:
    """Say which rate limits of a workflow's tasks cannot be used, with the field."""
    return [
        problem
        for place, task in spec.all_tasks
        for index, limit in enumerate(task.rate_limits)
        for field, value in (
            ("dynamicKey", limit.dynamic_key),
            ("units", limit.units),
            ("limit", limit.limit),
        )
        for problem in value_problems(
            f"{place}.rateLimits[{index}].{field}", value, (0, MAX_UNITS), "TaskLimit", questions
        )
    ]
