"""Which of several runs is the newest. Pure; called by list, and where @latest is looked up.

Kubernetes dates objects to the second; the operator dates what becomes of a run more exactly.
"""

from datetime import UTC, datetime

from podhatch.api.run import WorkflowRun

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_YET = datetime.max.replace(tzinfo=UTC)


def age_key(run: WorkflowRun) -> tuple[datetime, datetime]:
    """Return what is greater for the newer of two runs: when each was created, then when it began.

    One that has not begun is newer than those that have; one that ended without is as old as its
    end.
    """
    created = run.metadata.creation_timestamp or _LONG_AGO
    begun = (run.status.started_at or run.status.finished_at) if run.status else None
    return created, begun or _NOT_YET
