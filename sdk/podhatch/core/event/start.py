"""A run that an event may start, and the filters of a workflow that let it. For plan_event.

A run's name is made of event, workflow and filter, so that making it twice is refused.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from podhatch.api import labels
from podhatch.api.event import WorkflowEvent
from podhatch.api.event_filter import EventFilter, FilterRule
from podhatch.api.limits import MAX_METADATA_ENTRIES
from podhatch.api.model import JsonObject
from podhatch.api.names import new_run_name, short_hash
from podhatch.core.common.text import whole_number
from podhatch.core.expressions.evaluation import json_text
from podhatch.core.workflow.revision import Revision, current_revision

EVENT_ID = "hatchet__event_id"
EVENT_KEY = "hatchet__event_key"


@dataclass(frozen=True)
class Filter:
    """One of a workflow's filters."""

    identity: str
    """The same as long as the filter is the same."""
    place: str
    """What users call it."""
    rule: FilterRule
    version: int
    """The resourceVersion of the object it stands in."""
    event_filter: str | None = None
    """Name of the EventFilter that it is; None for one of the workflow's defaultFilters."""


@dataclass(frozen=True)
class Start:
    """A run that an event may start."""

    event: WorkflowEvent
    revision: Revision
    filter: Filter | None = None
    """The one that lets the event in; None where a workflow has none."""

    @cached_property
    def name(self) -> str:
        """The run's name."""
        identity = self.filter.identity if self.filter else ""
        subject = f"{self.event.metadata.uid}/{self.revision.workflow}/{identity}"
        return new_run_name(self.revision.workflow, short_hash(subject, 12))

    @property
    def event_filter(self) -> str | None:
        """Name of the EventFilter that it hangs on, if it does."""
        return self.filter.event_filter if self.filter else None

    @property
    def problem(self) -> str | None:
        """Why there can be no such run, if so."""
        over = len(self._own_metadata) - MAX_METADATA_ENTRIES
        if over <= 0:
            return None
        return (
            f"spec.additionalMetadata: with {EVENT_ID} and {EVENT_KEY}, a run of Workflow "
            f"{self.revision.workflow} has at most {MAX_METADATA_ENTRIES} entries: push the event "
            f"with {over} less"
        )

    @property
    def manifest(self) -> JsonObject:
        """The run. It must have no problem."""
        event = self.event
        trigger: JsonObject = {"id": event.metadata.name, "key": event.spec.key}
        if self.filter:
            trigger["filterPayload"] = self.filter.rule.payload
        spec: JsonObject = {
            "workflow": self.revision.workflow,
            "input": event.spec.payload,
            "additionalMetadata": self.metadata,
            "trigger": {"event": trigger},
        }
        if event.spec.priority:
            spec["priority"] = event.spec.priority
        return {
            "apiVersion": labels.API_VERSION,
            "kind": "WorkflowRun",
            "metadata": {"name": self.name, "namespace": event.metadata.namespace},
            "spec": spec,
        }

    @property
    def _own_metadata(self) -> dict[str, str]:
        event = self.event
        mine = {EVENT_ID: event.metadata.name, EVENT_KEY: event.spec.key}
        return {**event.spec.additional_metadata, **mine}

    @property
    def metadata(self) -> dict[str, str]:
        """The workflow's entries give way to the event's: the run's tasks get them all the same."""
        own = self._own_metadata
        defaults = self.revision.spec.default_additional_metadata
        others = (each for each in defaults.items() if each[0] not in own)
        return {**dict(islice(others, MAX_METADATA_ENTRIES - len(own))), **own}


def default_filters(workflow: JsonObject) -> Iterator[Filter]:
    """Yield the filters that the workflow declares."""
    revision = current_revision(workflow)
    version = version_of(workflow["metadata"].get("resourceVersion"))
    seen: Counter[str] = Counter()
    for index, rule in enumerate(revision.spec.default_filters):
        content = json_text(
            {"expression": rule.expression, "scope": rule.scope, "payload": rule.payload}
        )
        seen[content] += 1
        place = f"Workflow {revision.workflow} spec.defaultFilters[{index}].expression"
        yield Filter(f"default/{content}/{seen[content]}", place, rule, version)


def filter_objects(filters: Iterable[JsonObject]) -> Iterator[Filter]:
    """Yield the filters that EventFilters are."""
    for raw in sorted(filters, key=lambda each: str(each["metadata"]["name"])):
        parsed = EventFilter.model_validate(raw)
        name = parsed.metadata.name
        place = f"EventFilter {name} spec.expression"
        version = version_of(parsed.metadata.resource_version)
        yield Filter(f"filter/{parsed.metadata.uid}", place, parsed.spec, version, name)


def version_of(text: str | None) -> int:
    """Return a resourceVersion, which grows with every change in the cluster; 0 for none."""
    return whole_number(text) or 0
