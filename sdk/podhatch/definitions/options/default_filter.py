"""Which events start a run, as users write it: `default_filters=[DefaultFilter(...)]`.

Standard library only. `podhatch.api.event_filter` checks it when the workflow is written out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DefaultFilter:
    """Lets those events of one scope start a run for which the expression is true.

    Attributes:
        expression: CEL over `input` (the event's payload), `payload` (this filter's),
            `additional_metadata`, `event_id` and `event_key`.
        scope: Of the events it is asked for.
        payload: For the expression, and for tasks, which read it as `ctx.filter_payload`.
    """

    expression: str
    scope: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
