"""The rules of the CRDs, in CEL, and the operator's checks of a workflow.

Both need the libraries of `podhatch[local]`; without them nothing is found.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from podhatch.api.model import ApiObject, JsonObject
from podhatch.api.workflow import Workflow
from podhatch.cli.lint.finding import Finding, Path, split_field
from podhatch.cli.lint.parts import parts
from podhatch.evaluation.client import is_installed

if TYPE_CHECKING:
    from cel_expr_python import cel

_SENTENCE = re.compile(r"(spec[\w.\[\]-]*): (.*)", re.DOTALL)


def broken_rules(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the rules that a value, or a part of it, breaks. Rules on changes are left out."""
    if not is_installed():
        return
    for each in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in each["rule"] and not _holds(each["rule"], value):
            yield Finding(path, each["message"])
    for part, held, inner in parts(value, schema):
        yield from broken_rules(held, inner, (*path, part))


def workflow_findings(parsed: ApiObject) -> Iterator[Finding]:
    """Yield what keeps runs of a workflow from starting: cycles, expressions, schemas, crons."""
    if not isinstance(parsed, Workflow) or not is_installed():
        return
    from podhatch.core.expressions.evaluate import IN_PROCESS
    from podhatch.core.expressions.evaluation import Questions
    from podhatch.core.workflow.validate import workflow_problems

    for sentence in workflow_problems(parsed.spec, Questions(IN_PROCESS)):
        match = _SENTENCE.fullmatch(sentence)
        field, message = (match[1], match[2]) if match else ("spec", sentence)
        yield Finding(split_field(field), message, field)


def _holds(rule: str, value: object) -> bool:
    from cel_expr_python import cel

    answer = _environment().compile(rule).eval(data={"self": value})
    # What cannot be evaluated here is left to the API server.
    return answer.type() != cel.Type.BOOL or bool(answer.value())


@lru_cache
def _environment() -> "cel.Env":
    from cel_expr_python import cel

    return cel.NewEnv(variables={"self": cel.Type.DYN})
