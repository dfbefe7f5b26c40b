"""Creates runs that have an idempotency key: none while another run holds it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from podhatch.api.idempotency import Idempotency
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import Workflow
from podhatch.client.explain import explained
from podhatch.client.runs.request import Child, RunRequest, check_same, is_child
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW, WORKFLOW_RUN, ApiError
from podhatch.core.common.idempotency import RunKey, claim, evaluated_key, holder, next_name
from podhatch.core.expressions.cel import ExpressionError
from podhatch.core.expressions.evaluation import Questions
from podhatch.errors import IdempotencyCollisionError, InvalidRun, PodhatchError, RequestRefused
from podhatch.evaluation.client import WITHIN_LIMITS, is_installed

MAX_TRIES = 20
"""How often others may be quicker."""

_logger = logging.getLogger("podhatch")


async def with_rules(session: Session, requests: Sequence[RunRequest]) -> list[RunRequest]:
    """Return the requests with what gives their runs keys, also those of stubs."""
    stubs = dict.fromkeys(each.spec.workflow for each in requests if each.is_of_stub)
    found = await asyncio.gather(*(_found(session, name) for name in stubs))
    workflows = dict(zip(stubs, found, strict=True))
    return [
        with_rule(each, workflow)
        if each.is_of_stub and (workflow := workflows[each.spec.workflow])
        else each
        for each in requests
    ]


def with_rule(request: RunRequest, workflow: Workflow) -> RunRequest:
    """Return the request with what gives the runs of its workflow keys."""
    if workflow.spec.idempotency is None:
        return request
    request = request.under(workflow.spec.default_additional_metadata)
    return replace(request, idempotency=workflow.spec.idempotency)


async def _found(session: Session, name: str) -> Workflow | None:
    """Return the workflow of a stub; None if there is none, or it must not be read."""
    try:
        stored = await session.cluster.get(WORKFLOW, session.namespace, name)
    except ApiError as error:
        if error.status == 403:
            _logger.warning(
                "cannot read whether runs of workflow %s have idempotency keys: %s", name, error
            )
        return None
    return Workflow.model_validate(stored)


async def create(
    session: Session, manifest: JsonObject, rule: Idempotency, child: Child | None
) -> JsonObject:
    """Create a run with its key, and return it. An earlier attempt may have created it as a child.

    Raises:
        IdempotencyCollisionError: Another run holds the key.
        InvalidRun: The expression gives no key.
        NonDeterminismError: The child run that exists has another workflow or input.
        RequestRefused: The API server did not accept the run, or another run has its name.
    """
    spec: JsonObject = manifest["spec"]
    text = await asyncio.to_thread(_key_text, spec, rule)
    key = RunKey(spec["workflow"], text)
    spec = {**spec, "idempotency": claim(rule, text).to_wire()}
    manifest = {**manifest, "spec": spec}
    for _ in range(MAX_TRIES):
        if child and (stored := await _stored_child(session, child)):
            check_same(child, WorkflowRun.model_validate(manifest), stored[1])
            return stored[0]
        with explained(WORKFLOW_RUN.kind, session.namespace):
            runs, _ = await session.cluster.list(
                WORKFLOW_RUN, session.namespace, field_selector=key.selector
            )
        if found := holder(runs, session.cluster.now()):
            raise IdempotencyCollisionError(found["metadata"]["name"], text)
        name = next_name(key, runs)
        named = {**manifest, "metadata": {**manifest["metadata"], "name": name}}
        if created := await session.create_once(named):
            return created
        await _check_taken(session, key, name)
    raise RequestRefused(
        f"no run of workflow {key.workflow!r} was created: others create and end runs with the "
        f"idempotency key {text!r} all the time"
    )


def _key_text(spec: JsonObject, rule: Idempotency) -> str:
    subject = f"workflow {spec['workflow']!r}: idempotency"
    if not is_installed():
        raise PodhatchError(
            f"{subject} needs the library that evaluates CEL: pip install 'podhatch[local]'"
        )
    values, metadata = spec.get("input", {}), spec.get("additionalMetadata", {})
    try:
        return evaluated_key(rule, values, metadata, Questions(WITHIN_LIMITS))
    except ExpressionError as error:
        raise InvalidRun(f"{subject}.key_expression: {error}") from None


async def _stored_child(session: Session, child: Child) -> tuple[JsonObject, WorkflowRun] | None:
    """Return the child run if an earlier attempt has created it, whatever its key."""
    with explained(WORKFLOW_RUN.kind, session.namespace):
        runs, _ = await session.cluster.list(
            WORKFLOW_RUN, session.namespace, field_selector=f"spec.parent.run={child.run}"
        )
    for raw in runs:
        run = WorkflowRun.model_validate(raw)
        if is_child(child, run):
            return raw, run
    return None


async def _check_taken(session: Session, key: RunKey, name: str) -> None:
    """Refuse to go on if a run that has another key has the name of the next run."""
    stored = await session.cluster.get_or_none(WORKFLOW_RUN, session.namespace, name)
    if stored is not None and not key.is_of(stored):
        raise RequestRefused(
            f"WorkflowRun {name!r} exists and does not have the idempotency key {key.key!r} of "
            f"workflow {key.workflow!r}: delete it"
        )
