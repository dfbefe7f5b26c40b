"""What a cluster may hold beside the objects of users: stored statuses, and children. Seeded.

Statuses fit the CRDs' schemas, and contradict themselves and their objects. Children fit the types
of Kubernetes, and all that is free in them is odd: labels, annotations, owners, states and texts.
"""

import json
from collections.abc import Sequence
from typing import Any, cast

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import rate_limit_name
from podhatch.core.workflow.revision import current_revision, revision_manifest
from podhatch_operator.cache.trimming import JOB_NAME

from tests.property.hostile import FLOWS, KEYS, SCHEMAS, TASKS, TEXTS, Hostile

MOMENTS = (
    "2026-11-23T11:59:00Z",
    "2026-11-23T12:00:00Z",
    "2026-11-23T12:00:05Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)
"""As Kubernetes writes them."""
COUNTS = (0, 1, 2, 2**31 - 1)
NUMBER_TEXTS = ("1", "1", "1", "2", "3", "0", "007", "999999999", "99999999999999999999", "x", "")
REASONS = (
    "Evicted",
    "OOMKilled",
    "DeadlineExceeded",
    "PodFailurePolicy",
    "Completed",
    "ErrImagePull",
    "CrashLoopBackOff",
    "SchedulingGated",
    "x" * 1024,
    "",
)
MESSAGES = (
    "",
    "text",
    "null",
    "[" * 3000,
    '{"a":' * 900,
    "1e999",
    "NaN",
    '"\\ud800"',
    "-" * 4096,
    '{"run":1}',
    '{"run":"run-1","task":"a","attempt":1,"outcome":"Succeeded","output":"{"}',
    '{"run":"run-1","task":"a","attempt":1,"outcome":"Succeeded","output":"1","truncated":true}',
    '{"run":"run-1","task":"a","attempt":1,"outcome":"Failed","retryAfterSeconds":1e300}',
    '{"run":"run-1","task":"a","attempt":1,"outcome":"TimedOut","startedAt":"0001-01-01T00:00:00Z"}',
)
DATA: tuple[Any, ...] = ({}, {"spec": {}}, {"spec": {"tasks": 1}}, {"spec": [1]}, [], "text", None)


class HostileChildren(Hostile):
    """Makes objects with statuses, and their children; always the same from the same seed."""

    def __init__(self, seed: int, namespace: str) -> None:
        super().__init__(seed, namespace)
        self._names: tuple[str, ...] = ("gone",)
        """That a status may name as its Job, run, or revision."""

    def stored(self) -> list[JsonObject]:
        """Return a workflow with crons, events, filters and runs, and all their children."""
        workflow = self._workflow()
        revision = revision_manifest(current_revision(workflow), workflow)
        if self.chance(0.2):
            workflow = self._with_status(self.of_kind("Workflow"))
        revisions = [revision, *(self._revision(revision) for _ in range(2))]
        self._names = ("gone", *(raw["metadata"]["name"] for raw in revisions))
        runs = [self._run(number, workflow) for number in (1, 2)]
        found = [workflow, *self._some(revisions)]
        for run in runs:
            jobs = [self._job(run, number) for number in range(4)]
            pods = [self._pod(job) for job in jobs for _ in range(2)]
            self._names += tuple(job["metadata"]["name"] for job in jobs)
            found += [*self._some(jobs), *self._some(pods)]
            found += self._some([self._result(job) for job in jobs])
        found += runs
        cron = self._with_status(self.of_kind("CronWorkflow"))
        cron["metadata"]["uid"] = "uid-of-cron"
        cron["spec"]["workflow"] = workflow["metadata"]["name"]
        ticks = [self._tick(cron, number) for number in range(3)]
        found += [cron, *self._some([self._cron_job(cron)]), *self._some(ticks)]
        found += [self._run_of_tick(tick, workflow) for tick in self._some(ticks)]
        found += [
            self._with_status(self.of_kind(kind))
            for kind in ("WorkflowEvent", "EventFilter", "RateLimit")
        ]
        for raw in found:
            self._stamp(raw)
        return found

    def _workflow(self) -> JsonObject:
        """Return a workflow that mostly can run, so that its runs come far."""
        tasks: list[JsonObject] = []
        for name in TASKS:
            kind = self.pick(({"python": "m:f"}, {"container": {"image": "none.invalid/x"}}))
            parents = self.sample(tuple(each["name"] for each in tasks), 2)
            tasks.append(
                {"name": name, "parents": parents, "retries": self.pick((0, 1, 3)), **kind}
            )
            if self.chance(0.3):
                tasks[-1]["waitFor"] = [
                    self.pick(({"sleepSeconds": 5}, {"event": {"key": "paid"}}))
                ]
            if parents and self.chance(0.3):
                tasks[-1]["skipIf"] = [{"parent": {"name": parents[0], "expression": "true"}}]
        spec: JsonObject = {"tasks": tasks, "onEvents": ["paid"]}
        if self.chance(0.3):
            spec["onFailureTask"] = {"name": "mend", "python": "m:f"}
        if self.chance(0.3):
            spec["sticky"] = self.pick(("Soft", "Hard"))
        raw = {
            "apiVersion": labels.API_VERSION,
            "kind": "Workflow",
            "metadata": {"name": FLOWS[0], "namespace": self.namespace},
            "spec": spec,
        }
        return self._with_status(raw)

    def _run(self, number: int, workflow: JsonObject) -> JsonObject:
        name = f"run-{number}"
        run = self.of_kind("WorkflowRun")
        run["metadata"] |= {"name": name, "uid": f"uid-of-{name}"}
        if self.chance(0.3):
            generation = {labels.WORKFLOW_GENERATION: self.pick((*NUMBER_TEXTS, "9" * 5000, "٣"))}
            run["metadata"]["annotations"] = generation
        if self.chance(0.8):
            run["spec"] = {"workflow": workflow["metadata"]["name"]}
            if self.chance(0.3):
                run["spec"]["replay"] = {"count": self.pick((1, 2, 1000))}
            if self.chance(0.2):
                run["spec"]["desiredState"] = "Cancelled"
        return self._with_status(run)

    def _with_status(self, raw: JsonObject) -> JsonObject:
        """Give an object a status that its CRD accepts, or none."""
        schema = SCHEMAS[raw["kind"]]["properties"].get("status")
        if schema is None or self.chance(0.2):
            return raw
        status: JsonObject = self.value(schema, "status")
        if raw["kind"] == "WorkflowRun":
            schema = schema["properties"]["tasks"]["items"]
            entries = [
                self.value(schema, "") | {"name": self.pick((*TASKS, "mend", "zz"))}
                for _ in range(4)
            ]
            unique = {entry["name"]: self._plausible(entry) for entry in entries}
            status = self._plausible(status) | {"tasks": [*unique.values()]}
            for claim in status.get("rateLimits", ()):
                claim |= {"limit": rate_limit_name(self.pick(KEYS)), "job": self.pick(self._names)}
        for grant in status.get("grants", ()):
            grant["job"] = self.pick(self._names)
        return raw | {"status": status}

    def _plausible(self, part: JsonObject) -> JsonObject:
        """Have a status name what is there, now and then."""
        more = {
            "job": self.pick(self._names),
            "outputRef": self.pick(self._names),
            "revision": self.pick(self._names),
            "attempt": self.pick((0, 1, 2, 2**31)),
            "startedAt": self.pick(MOMENTS),
        }
        return part | {name: value for name, value in more.items() if self.chance(0.4)}

    def _revision(self, good: JsonObject) -> JsonObject:
        self._count += 1
        metadata = {**good["metadata"], "name": f"{FLOWS[0]}-{self._count}"}
        revision = {**good, "metadata": metadata, "data": self.pick(DATA)}
        return {name: part for name, part in revision.items() if part is not None}

    def _job(self, run: JsonObject, number: int) -> JsonObject:
        owner = run["metadata"]
        names = {
            labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
            labels.RUN: owner["name"],
            labels.TASK: self.pick((*TASKS, "zz", "")),
            labels.ATTEMPT: self.pick(NUMBER_TEXTS),
            labels.REVISION: self.pick(self._names),
            labels.WORKFLOW: FLOWS[0],
        }
        if self.chance(0.1):
            names.pop(self.pick(tuple(names)), None)
            names.setdefault(labels.MANAGED_BY, labels.MANAGED_BY_VALUE)
        metadata = {"name": f"{owner['name']}-job-{number}", "labels": names}
        if self.chance(0.3):
            metadata["annotations"] = {labels.REPLAY: self.pick((*NUMBER_TEXTS, "-1", "٣"))}
        owned = self._owned(metadata, "WorkflowRun", owner)
        return self._job_with(owned, self._part(suspend=(True,), activeDeadlineSeconds=(1, 2**40)))

    def _job_with(self, metadata: JsonObject, spec: JsonObject) -> JsonObject:
        template = {"spec": {"containers": [{"name": "task", "image": "x"}]}}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {"template": template, **spec},
            "status": self._part(
                active=COUNTS,
                failed=COUNTS,
                succeeded=COUNTS,
                startTime=MOMENTS,
                conditions=[self._conditions("Complete", "Failed", "FailureTarget", "Suspended")],
            ),
        }

    def _tick(self, cron: JsonObject, number: int) -> JsonObject:
        names = {
            labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
            labels.CRON: cron["metadata"]["name"],
        }
        metadata: JsonObject = {"name": f"tick-{number}", "labels": names}
        if self.chance(0.7):
            at = self.pick(
                (*MOMENTS, "soon", "", "2026-11-23T12:00:00", "0001-01-01T00:00:00+14:00")
            )
            metadata["annotations"] = {"batch.kubernetes.io/cronjob-scheduled-timestamp": at}
        metadata["uid"] = f"uid-of-tick-{number}"
        managed = {} if self.chance(0.1) else {"managedBy": labels.MANAGED_BY_OPERATOR}
        return self._job_with(metadata, managed)

    def _run_of_tick(self, tick: JsonObject, workflow: JsonObject) -> JsonObject:
        metadata = tick["metadata"]
        trigger = {
            "cron": metadata["labels"][labels.CRON],
            "job": metadata["name"],
            "jobUid": self.pick((metadata["uid"], "other")),
            "scheduledAt": "2026-11-23T12:00:00Z",
        }
        run = self._with_status(self.of_kind("WorkflowRun"))
        run["metadata"]["name"] = metadata["name"]
        run["spec"] |= {"workflow": workflow["metadata"]["name"], "trigger": {"cron": trigger}}
        return run

    def _cron_job(self, cron: JsonObject) -> JsonObject:
        names = {labels.MANAGED_BY: labels.MANAGED_BY_VALUE}
        metadata = {"name": cron["metadata"]["name"], "labels": names}
        return {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": self._owned(metadata, "CronWorkflow", cron["metadata"]),
            "spec": self._part(suspend=(True, False), schedule=("* * * * *",), jobTemplate=({},)),
        }

    def _pod(self, job: JsonObject) -> JsonObject:
        self._count += 1
        owner = job["metadata"]
        names = {**owner["labels"], JOB_NAME: owner["name"]}
        metadata = self._owned({"name": f"pod-{self._count}", "labels": names}, "Job", owner)
        beside = self.sample(("beside", "task-2"), 2)
        status = self._part(
            phase=("Pending", "Running", "Succeeded", "Failed", "Unknown"),
            reason=REASONS,
            message=MESSAGES,
            startTime=MOMENTS,
            conditions=[self._conditions("PodScheduled", "DisruptionTarget", "Ready")],
            initContainerStatuses=[[self._container("init")]],
            containerStatuses=[[self._container(name) for name in ("task", *beside)]],
        )
        containers = [{"name": name, "image": "x"} for name in ("task", *beside)]
        inits = [{"name": "init", "image": "x", **self._part(restartPolicy=("Always",))}]
        spec = self._part(
            nodeName=("node-1", "node-2"),
            initContainers=[inits],
            activeDeadlineSeconds=(1, 2**40),
            terminationGracePeriodSeconds=(0, 30, 2**40),
        )
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": containers, **spec},
            "status": status,
        }

    def _container(self, name: str) -> JsonObject:
        state = self.pick(("", "waiting", "running", "terminated", "terminated"))
        inner = {
            "": {},
            "waiting": self._part(reason=REASONS, message=MESSAGES),
            "running": self._part(startedAt=(*MOMENTS, None)),
            "terminated": {
                "exitCode": self.pick((0, 0, 1, 137, -1)),
                **self._part(
                    reason=REASONS,
                    message=MESSAGES,
                    startedAt=(*MOMENTS, None),
                    finishedAt=(*MOMENTS, None),
                ),
            },
        }[state]
        restarts = self._part(restartCount=COUNTS)
        return {"name": name, "state": {state: inner} if state else {}, **restarts}

    def _result(self, job: JsonObject) -> JsonObject:
        metadata, names = job["metadata"], job["metadata"]["labels"]
        result = self.of_kind("TaskResult")
        result["metadata"] |= {"name": metadata["name"], "labels": names}
        attempt = names.get(labels.ATTEMPT, "")
        mine = {"run": names.get(labels.RUN), "task": names.get(labels.TASK)}
        if attempt in ("1", "2", "3") and all(mine.values()) and self.chance(0.8):
            result["spec"] |= {**mine, "attempt": int(attempt)}
        return result

    def _conditions(self, *types: str) -> list[JsonObject]:
        return [
            {
                "type": type_,
                "status": self.pick(("True", "True", "False", "Unknown")),
                **self._part(reason=REASONS, message=MESSAGES, lastTransitionTime=(*MOMENTS, None)),
            }
            for type_ in self.sample(types, 2)
        ]

    def _owned(self, metadata: JsonObject, kind: str, owner: JsonObject) -> JsonObject:
        """Give an object an owner: mostly this one, and mostly as its controller."""
        if self.chance(0.05):
            return metadata
        metadata.setdefault("uid", f"uid-of-{metadata['name']}")
        reference = {
            "apiVersion": "v1",
            "kind": kind,
            "name": owner["name"],
            "uid": "other" if self.chance(0.05) else owner.get("uid", "other"),
            "controller": not self.chance(0.05),
        }
        if self.chance(0.05):
            del reference["controller"]
        return {**metadata, "ownerReferences": [reference]}

    def _stamp(self, raw: JsonObject) -> None:
        metadata = raw["metadata"]
        metadata["namespace"] = self.namespace
        metadata["creationTimestamp"] = self.pick(MOMENTS[:3])  # by the API server
        if self.chance(0.1):
            metadata["deletionTimestamp"] = self.pick(MOMENTS)
            metadata["deletionGracePeriodSeconds"] = self.pick((0, 30, 2**40))

    def _part(self, **choices: Sequence[Any]) -> JsonObject:
        """Return some of these fields, each with one of its values."""
        return {name: self.pick(each) for name, each in choices.items() if self.chance(0.6)}

    def _some(self, objects: list[JsonObject]) -> list[JsonObject]:
        return [raw for raw in objects if self.chance(0.85)]


class OtherStatuses(HostileChildren):
    """Statuses as another version of podhatch may have left them: of the right types, and no more.

    Texts are not in their enumerations, numbers not in their bounds, and fields are missing.
    """

    def _with_status(self, raw: JsonObject) -> JsonObject:
        raw = super()._with_status(raw)
        status: JsonObject = json.loads(json.dumps(raw.get("status", {})))
        for _ in range(3):
            self._change(status)
        return raw | {"status": status}

    def _change(self, value: Any) -> None:
        """Change a part somewhere within, or remove it."""
        while places := _places(value):
            place = self.pick(places)
            if _places(value[place]) and self.chance(0.8):
                value = value[place]
                continue
            if self.chance(0.3):
                del value[place]
            elif isinstance(value[place], str):
                value[place] = self.pick(TEXTS)
            elif isinstance(value[place], int):
                value[place] = self.pick((-1, 0, 1001, 2**63 - 1))
            return


def _places(value: Any) -> list[Any]:
    """Return the names or the numbers of the parts of a value."""
    if isinstance(value, dict):
        return list(cast("JsonObject", value))
    return list(range(len(cast("list[Any]", value)))) if isinstance(value, list) else []
