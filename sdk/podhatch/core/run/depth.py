"""How deep a run is below the run that somebody created, so that runs cannot start runs for ever.

Every status that the operator writes holds the run's depth, one more than its parent's. A task's
pod cannot write a status, and an admission policy has it name its own run as the parent.
"""

from collections.abc import Callable, Iterator

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.refusal import RunRefusal

MAX_ANCESTORS = 1000
"""References may form a cycle."""


def ancestors_of(run: JsonObject, find: Callable[[str], JsonObject | None]) -> Iterator[JsonObject]:
    """Yield the runs above a run that are known, the parent first, up to one that has its depth."""
    for _ in range(MAX_ANCESTORS):
        parent: JsonObject | None = run["spec"].get("parent")
        above = find(parent["run"]) if parent else None
        if above is None:
            return
        yield above
        if _stored_depth(above):
            return
        run = above


def depth_of(run: WorkflowRun, observed: Observed) -> int | None:
    """Return how many runs are above this one, or None if there are none."""
    if run.spec.parent is None:
        return None
    if run.status and run.status.depth:
        return run.status.depth
    if not observed.ancestors:
        return 1
    top = observed.ancestors[-1]
    return len(observed.ancestors) + (_stored_depth(top) or ("parent" in top["spec"]))


def depth_problem(run: WorkflowRun, observed: Observed, defaults: Defaults) -> RunRefusal | None:
    """Say that too many runs are above a run."""
    depth = depth_of(run, observed)
    if depth is None or depth <= defaults.max_depth:
        return None
    return RunRefusal(
        "TooDeep",
        f"spec.parent: {depth} runs are above this one, and at most {defaults.max_depth} are "
        "allowed (chart value maxRunDepth): does a workflow start itself without end?",
        end="Failed",
    )


def _stored_depth(run: JsonObject) -> int:
    depth: int = run.get("status", {}).get("depth", 0)
    return depth
