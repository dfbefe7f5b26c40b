"""What podhatch relies on in a cluster. The in-memory one and the real API server are held to it.

Subclass it with a fixture `cluster` whose `namespace` is empty.
"""

from contextlib import aclosing
from datetime import datetime, timedelta

import pytest
from podhatch.api.labels import CLIENT
from podhatch.api.model import JsonObject
from podhatch.cluster import CONFIG_MAP, WORKFLOW, WORKFLOW_RUN, ApiError, ClusterApi
from podhatch.core.common.idempotency import RunKey

VERSION = "resourceVersion"
MINE = "written by the contract"


def workflow_in(namespace: str, image: str = "one") -> JsonObject:
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "orders", "namespace": namespace},
        "spec": {"image": image, "tasks": [{"name": "charge", "python": "orders:charge"}]},
    }


def run_in(namespace: str, name: str = "orders-1") -> JsonObject:
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"workflow": "orders", "input": {"id": 7}},
    }


async def write(cluster: ClusterApi, phase: str) -> JsonObject:
    """Write the run's status; again where an operator that is there too was faster."""
    while True:
        run = await cluster.get(WORKFLOW_RUN, cluster.namespace, "orders-1")
        try:
            return await cluster.replace_status(
                {**run, "status": {"phase": phase, "message": MINE}}
            )
        except ApiError as error:
            if error.reason != "Conflict":
                raise


class ClusterContract:
    async def test_create_gives_identity_and_keeps_the_spec(self, cluster: ClusterApi) -> None:
        created = await cluster.create(run_in(cluster.namespace))
        assert created["metadata"]["uid"]
        assert created["metadata"]["creationTimestamp"].endswith("Z")
        assert created["metadata"]["generation"] == 1
        assert created["spec"]["input"] == {"id": 7}
        stored = await cluster.get(WORKFLOW_RUN, cluster.namespace, "orders-1")
        assert stored["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]

    async def test_second_create_is_refused(self, cluster: ClusterApi) -> None:
        await cluster.create(run_in(cluster.namespace))
        with pytest.raises(ApiError) as refusal:
            await cluster.create(run_in(cluster.namespace))
        assert (refusal.value.status, refusal.value.reason) == (409, "AlreadyExists")

    async def test_what_is_not_there_is_named(self, cluster: ClusterApi) -> None:
        with pytest.raises(ApiError, match='"orders"') as refusal:
            await cluster.get(WORKFLOW, cluster.namespace, "orders")
        assert refusal.value.status == 404

    async def test_namespace_that_is_not_there_is_named(self, cluster: ClusterApi) -> None:
        with pytest.raises(ApiError) as refusal:
            await cluster.create(run_in("no-such-namespace"))
        assert refusal.value.status == 404
        assert refusal.value.message.startswith('namespaces "no-such-namespace"')

    async def test_apply_counts_generations_of_the_spec(self, cluster: ClusterApi) -> None:
        async def apply(image: str) -> int:
            manifest = workflow_in(cluster.namespace, image)
            stored = await cluster.apply(manifest, field_manager="podhatch-sdk")
            return stored["metadata"]["generation"]

        assert [await apply(image) for image in ("one", "one", "two")] == [1, 1, 2]

    async def test_apply_keeps_what_others_wrote_and_removes_its_own(
        self, cluster: ClusterApi
    ) -> None:
        await cluster.create(workflow_in(cluster.namespace))

        async def apply(**spec: str) -> JsonObject:
            manifest = {**workflow_in(cluster.namespace), "spec": spec}
            await cluster.apply(manifest, field_manager="podhatch-worker")
            stored = await cluster.get(WORKFLOW, cluster.namespace, "orders")
            return stored["spec"]

        spec = await apply(lifespan="orders:pool")
        assert (spec["lifespan"], spec["image"]) == ("orders:pool", "one")
        assert [task["name"] for task in spec["tasks"]] == ["charge"]
        assert "lifespan" not in await apply()

    async def test_replace_leaves_nothing_of_what_was_there(self, cluster: ClusterApi) -> None:
        """Of a ConfigMap, since nobody else writes to it meanwhile."""

        def settings(**data: str) -> JsonObject:
            metadata = {"name": "settings", "namespace": cluster.namespace}
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

        created = await cluster.create(settings(theirs="1", both="1"))
        ours = {**settings(both="2"), "metadata": created["metadata"]}
        tried = await cluster.replace(ours, field_manager="podhatch-sdk", dry_run=True)
        assert tried["data"] == {"both": "2"}
        await cluster.replace(ours, field_manager="podhatch-sdk")
        stored = await cluster.get(CONFIG_MAP, cluster.namespace, "settings")
        assert stored["data"] == {"both": "2"}
        with pytest.raises(ApiError) as refusal:
            await cluster.replace(ours, field_manager="podhatch-sdk")
        assert (refusal.value.status, refusal.value.reason) == (409, "Conflict")

    async def test_status_is_written_against_the_latest_version(self, cluster: ClusterApi) -> None:
        created = await cluster.create({**run_in(cluster.namespace), "status": {"phase": "Failed"}})
        assert "status" not in created
        running = await write(cluster, "Running")
        assert running["status"] == {"phase": "Running", "message": MINE}
        assert running["metadata"]["generation"] == 1
        with pytest.raises(ApiError) as refusal:
            await cluster.replace_status({**created, "status": {"phase": "Failed"}})
        assert (refusal.value.status, refusal.value.reason) == (409, "Conflict")

    async def test_patch_is_laid_over_what_is_there(self, cluster: ClusterApi) -> None:
        created = await cluster.create(run_in(cluster.namespace))
        body = {"spec": {"replay": {"count": 1}}}
        patched = await cluster.merge_patch(WORKFLOW_RUN, cluster.namespace, "orders-1", body)
        assert patched["spec"]["input"] == {"id": 7}
        assert patched["spec"]["replay"]["count"] == 1
        assert patched["metadata"]["generation"] == 2
        version = {"resourceVersion": created["metadata"]["resourceVersion"]}
        late = {"metadata": version, "spec": {"desiredState": "Cancelled"}}
        with pytest.raises(ApiError) as refusal:
            await cluster.merge_patch(WORKFLOW_RUN, cluster.namespace, "orders-1", late)
        assert (refusal.value.status, refusal.value.reason) == (409, "Conflict")
        removal = {"spec": {"replay": None}}
        patched = await cluster.merge_patch(WORKFLOW_RUN, cluster.namespace, "orders-1", removal)
        assert "replay" not in patched["spec"]

    async def test_watch_replays_one_object_after_a_version(self, cluster: ClusterApi) -> None:
        created = await cluster.create(run_in(cluster.namespace))
        await cluster.create(run_in(cluster.namespace, "orders-2"))
        await write(cluster, "Running")
        await write(cluster, "Succeeded")
        await cluster.delete(WORKFLOW_RUN, cluster.namespace, "orders-1")
        version = created["metadata"]["resourceVersion"]
        seen: list[tuple[str, str]] = []
        stream = cluster.watch(
            WORKFLOW_RUN, cluster.namespace, name="orders-1", resource_version=version
        )
        async with aclosing(stream):
            async for event in stream:
                if event.object["status"].get("message") == MINE:
                    seen.append((event.type, event.object["status"]["phase"]))
                if event.type == "DELETED":
                    break
        assert seen == [
            ("MODIFIED", "Running"),
            ("MODIFIED", "Succeeded"),
            ("DELETED", "Succeeded"),
        ]

    async def test_pages_are_of_the_size_asked_and_in_the_order_of_names(
        self, cluster: ClusterApi
    ) -> None:
        for name in ("run-c", "run-a", "run-b"):
            await cluster.create(run_in(cluster.namespace, name))
        pages = [
            [each["metadata"]["name"] for each in page]
            async for page, _ in cluster.pages(WORKFLOW_RUN, cluster.namespace, page_size=2)
        ]
        assert pages == [["run-a", "run-b"], ["run-c"]]

    async def test_rows_tell_name_namespace_and_age_of_each_object(
        self, cluster: ClusterApi
    ) -> None:
        made = [await cluster.create(run_in(cluster.namespace, name)) for name in ("a", "b")]
        expected = [
            {
                "Name": run["metadata"]["name"],
                "Namespace": cluster.namespace,
                "Created": run["metadata"]["creationTimestamp"],
            }
            for run in made
        ]
        rows = await cluster.rows(WORKFLOW_RUN, cluster.namespace)
        everywhere = await cluster.rows(WORKFLOW_RUN, field_selector="spec.workflow!=none")
        own = [row for row in everywhere if row["Namespace"] == cluster.namespace]
        for found in (rows, own):
            assert [{name: row[name] for name in expected[0]} for row in found] == expected

    async def test_selectors_hold_all_at_once(self, cluster: ClusterApi) -> None:
        for name, workflow, label in (("one", "a", "x"), ("two", "b", "x"), ("three", "a", "y")):
            manifest = run_in(cluster.namespace, name)
            manifest["metadata"]["labels"] = {"kind": label}
            manifest["spec"]["workflow"] = workflow
            await cluster.create(manifest)

        async def names(fields: str, labels: str = "") -> list[str]:
            found, _ = await cluster.list(
                WORKFLOW_RUN, cluster.namespace, field_selector=fields, label_selector=labels
            )
            return [each["metadata"]["name"] for each in found]

        assert await names("spec.workflow=a") == ["one", "three"]
        assert await names("spec.workflow!=a,status.phase!=Failed") == ["two"]
        assert await names("spec.workflow=a", "kind=x") == ["one"]
        assert await names("status.phase=Failed") == []
        assert await names("status.phase!=Failed,status.phase!=") == []
        with pytest.raises(ApiError, match="field label not supported"):
            await names("spec.input=a")

    @pytest.mark.parametrize("key", ["a in (b)", " a ", "a,b)", "=!=", "a\\", "ä\n(,", "x" * 256])
    async def test_runs_are_found_by_any_idempotency_key(
        self, cluster: ClusterApi, key: str
    ) -> None:
        for name, held in (("one", key), ("two", "b")):
            manifest = run_in(cluster.namespace, name)
            of = {"key": held, "ttlSeconds": 60}
            await cluster.create({**manifest, "spec": {**manifest["spec"], "idempotency": of}})
        workflow = run_in(cluster.namespace, "")["spec"]["workflow"]
        found, _ = await cluster.list(
            WORKFLOW_RUN, cluster.namespace, field_selector=RunKey(workflow, key).selector
        )
        assert [each["metadata"]["name"] for each in found] == ["one"]
        created = datetime.fromisoformat(found[0]["metadata"]["creationTimestamp"])
        assert timedelta() <= cluster.now() - created < timedelta(seconds=30)

    async def test_delete_may_expect_a_version(self, cluster: ClusterApi) -> None:
        created = await cluster.create(run_in(cluster.namespace))
        version = created["metadata"]["resourceVersion"]
        await write(cluster, "Failed")
        with pytest.raises(ApiError) as refusal:
            await cluster.delete(
                WORKFLOW_RUN, cluster.namespace, "orders-1", resource_version=version
            )
        assert (refusal.value.status, refusal.value.reason) == (409, "Conflict")
        await cluster.delete(WORKFLOW_RUN, cluster.namespace, "orders-1")

    async def test_labels_select_what_is_listed_and_watched(self, cluster: ClusterApi) -> None:
        def labelled(name: str, client: str) -> JsonObject:
            run = run_in(cluster.namespace, name)
            return {**run, "metadata": {**run["metadata"], "labels": {CLIENT: client}}}

        await cluster.create(labelled("orders-1", "me"))
        await cluster.create(labelled("orders-2", "you"))
        selector = f"{CLIENT}=me"
        runs, version = await cluster.list(WORKFLOW_RUN, cluster.namespace, label_selector=selector)
        assert [run["metadata"]["name"] for run in runs] == ["orders-1"]
        await cluster.create(labelled("orders-3", "you"))
        await cluster.create(labelled("orders-4", "me"))
        stream = cluster.watch(
            WORKFLOW_RUN, cluster.namespace, label_selector=selector, resource_version=version
        )
        async with aclosing(stream):
            async for event in stream:
                name = event.object["metadata"]["name"]
                assert name in ("orders-1", "orders-4")
                if name == "orders-4":
                    break

    async def test_versions_grow(self, cluster: ClusterApi) -> None:
        versions = [
            int((await cluster.create(run_in(cluster.namespace, name)))["metadata"][VERSION])
            for name in ("orders-1", "orders-2")
        ]
        _, listed = await cluster.list(WORKFLOW_RUN, cluster.namespace)
        assert versions[0] < versions[1] <= int(listed)

    async def test_config_map_holds_bytes(self, cluster: ClusterApi) -> None:
        await cluster.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "src-1", "namespace": cluster.namespace},
                "immutable": True,
                "binaryData": {"source.zip": "UEs="},
            }
        )
        stored = await cluster.get(CONFIG_MAP, cluster.namespace, "src-1")
        assert stored["binaryData"] == {"source.zip": "UEs="}
