"""What the code of a durable task does in its pods: it waits, one step after the other.

The runner is played here, so that a world is fast; the operator that reads the log is the real one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from podhatch.api import labels, pod
from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import DURABLE_LOG, WORKFLOW_RUN

from tests.fakes.durable import awaits, sleep
from tests.property.living_cluster import NAMESPACE, LivingCluster

KEY = "go"
"""Of the event that tasks wait for."""
Conditions = tuple[JsonObject, ...]
Program = tuple[tuple[Conditions, ...], ...]
"""Steps in their order; the waits of one step are begun together."""
EITHER: JsonObject = {"or": [awaits(KEY), sleep(20)]}
PROGRAMS: tuple[Program, ...] = (
    (((sleep(3),),),),
    (((awaits(KEY),),),),
    (((sleep(2),),), ((EITHER,),)),
    (((EITHER,),), ((sleep(40),),)),
    (((sleep(9),), (awaits(KEY),)),),
    (((sleep(5), awaits(KEY)),), ((sleep(1),),)),
    (((sleep(400),), (sleep(4),)),),
)


@dataclass
class DurableCode:
    """The code of a run's durable tasks, and its logs."""

    cluster: LivingCluster
    now: Callable[[], datetime]
    seen: dict[str, int] = field(default_factory=dict[str, int])
    """By Job, how many waits were over when its code began to do nothing but wait."""

    def take_over(self, job: JsonObject) -> bool:
        """Begin the log, or take it over from earlier pods; False if a later pod has."""
        number = int(job["metadata"]["labels"][labels.ATTEMPT])
        page = self.cluster.find(DURABLE_LOG.kind, page_name(job))
        if page is None:
            self.cluster.put(self._page(job, number))
        elif page["spec"]["invocation"] < number:
            self._write(page, invocation=number)
        return page is None or page["spec"]["invocation"] <= number

    def waits(self, job: JsonObject, program: Program) -> bool:
        """Make the next call, if the log lets the code go on. Return whether the code waits."""
        name: str = job["metadata"]["name"]
        page = self.cluster.find(DURABLE_LOG.kind, page_name(job))
        assert page is not None
        self.seen.pop(name, None)
        calls: list[JsonObject] = page["spec"]["calls"]
        over = nodes_over(page)
        node = 0
        for step in program:
            for conditions in step:
                node += 1
                if len(calls) < node:
                    self._write(page, calls=[*calls, self._call(node, conditions)])
                    return True
            if not over.issuperset(range(node - len(step) + 1, node + 1)):
                self.seen[name] = len(over)
                return True
        return False

    def _call(self, node: int, conditions: Conditions) -> JsonObject:
        call = {"node": node, "branch": 1, "kind": "WaitFor", "key": "k"}
        return {**call, "at": format_time(self.now()), "waitFor": [*conditions]}

    def _write(self, page: JsonObject, **spec: object) -> None:
        name = page["metadata"]["name"]
        self.cluster.change(DURABLE_LOG.kind, name, spec={**page["spec"], **spec})

    def _page(self, job: JsonObject, number: int) -> JsonObject:
        names = job["metadata"]["labels"]
        run = self.cluster.find(WORKFLOW_RUN.kind, names[labels.RUN])
        assert run is not None
        owner = {"kind": run["kind"], "name": names[labels.RUN], "uid": run["metadata"]["uid"]}
        return {
            "apiVersion": labels.API_VERSION,
            "kind": DURABLE_LOG.kind,
            "metadata": {
                "name": page_name(job),
                "namespace": NAMESPACE,
                "labels": {label: names[label] for label in (labels.RUN, labels.TASK)},
                "ownerReferences": [owner],
            },
            "spec": {
                "run": names[labels.RUN],
                "task": names[labels.TASK],
                "page": 0,
                "invocation": number,
                "calls": [],
            },
        }


def variable(job: JsonObject, name: str) -> str | None:
    """Return the value of a variable of a Job's pod."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    return next((each.get("value") for each in container["env"] if each["name"] == name), None)


def page_name(job: JsonObject) -> str:
    """Return the name of the only page of the log that a Job's pod writes."""
    return f"{variable(job, pod.DURABLE_LOG)}-0"


def nodes_over(page: JsonObject) -> set[int]:
    """Return the nodes of the calls of which the operator says that they are over."""
    waits: list[JsonObject] = page.get("status", {}).get("waits", [])
    return {each["node"] for each in waits if "overAt" in each}


def is_over(call: JsonObject, now: datetime, pushed_at: Iterable[datetime]) -> bool:
    """Judge a call in the plainest way, by the time and by when the event was pushed."""
    return not open_groups(call, now, pushed_at)


def open_groups(
    call: JsonObject, now: datetime, pushed_at: Iterable[datetime]
) -> list[list[JsonObject]]:
    """Return the groups of a call's conditions of which none holds."""
    since = datetime.fromisoformat(call["at"])
    was_pushed = any(since <= moment <= now for moment in pushed_at)

    def holds(leaf: JsonObject) -> bool:
        if "event" in leaf:
            return was_pushed
        return since + timedelta(seconds=leaf["sleepSeconds"]) <= now

    groups: list[list[JsonObject]] = [each.get("or", [each]) for each in call["waitFor"]]
    return [group for group in groups if not any(map(holds, group))]


def words(leaf: JsonObject, call: JsonObject) -> str:
    """Return what a status says of a condition that does not hold."""
    if "event" in leaf:
        return f"event {leaf['event']['key']}"
    until = datetime.fromisoformat(call["at"]) + timedelta(seconds=leaf["sleepSeconds"])
    return f"until {until:%Y-%m-%d %H:%M:%S} UTC"
