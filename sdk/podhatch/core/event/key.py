"""Do the onEvents of a workflow name an event's key? Asked for each event, and for each workflow.

Patterns are the users': they are matched in one pass, for no pattern may stop the operator.
"""

from podhatch.api.model import JsonObject
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.expressions.cel import expression_problem
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import depth_problem


def takes_key(workflow: JsonObject, key: str) -> bool:
    """Return whether events of this key start runs of the workflow."""
    patterns: list[str] = workflow["spec"].get("onEvents", [])
    return any(matches(pattern, key) for pattern in patterns)


def matches(pattern: str, key: str) -> bool:
    """Return whether the key is the pattern, in which `*` stands for any text, also for none."""
    start, *rest = pattern.split("*")
    if not rest:
        return key == pattern
    *middle, end = rest
    if len(key) < len(start) + len(end) or not (key.startswith(start) and key.endswith(end)):
        return False
    left = key[len(start) : len(key) - len(end)]
    for part in middle:
        _, found, left = left.partition(part) if part else ("", "*", left)
        if not found:
            return False
    return True


def event_problems(spec: WorkflowSpec, questions: Questions) -> list[str]:
    """Say what keeps a workflow's onEvents and defaultFilters from being asked."""
    blanks = [
        f"spec.onEvents: {pattern!r} begins or ends with a blank, as no event's key does"
        for pattern in spec.on_events
        if pattern != pattern.strip()
    ]
    expressions = [
        f"spec.defaultFilters[{index}].expression: {problem}"
        for index, rule in enumerate(spec.default_filters)
        if (problem := expression_problem(rule.expression, questions, "Filter"))
    ]
    payloads = [
        problem
        for index, rule in enumerate(spec.default_filters)
        if (problem := depth_problem(rule.payload, f"spec.defaultFilters[{index}].payload"))
    ]
    return [*blanks, *expressions, *payloads]
