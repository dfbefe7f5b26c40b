"""The cluster client against the real API server: what the operator and the SDK rely on."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONFIG_MAP,
    JOB,
    WORKFLOW_RUN,
    ApiError,
    Cluster,
    ClusterUnreachable,
)
from podhatch.cluster import client as client_module

from tests.fakes.contract import run_in
from tests.unit.operator.listing import check_pages


def config_map(namespace: str, name: str = "map", **data: str) -> JsonObject:
    metadata = {"name": name, "namespace": namespace, "labels": {"test": "yes"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_a_status_write_needs_only_name_and_version(cluster: Cluster) -> None:
    manifest = run_in(cluster.namespace)
    manifest["metadata"]["labels"] = {"kept": "yes"}
    created = await cluster.create(manifest)
    kept = ("name", "namespace", "resourceVersion")
    written = await cluster.replace_status(
        {
            "apiVersion": created["apiVersion"],
            "kind": created["kind"],
            "metadata": {name: created["metadata"][name] for name in kept},
            "status": {"phase": "Running"},
        }
    )
    assert written["status"] == {"phase": "Running"}
    assert written["spec"] == created["spec"]
    assert written["metadata"]["labels"] == {"kept": "yes"}


async def test_a_status_of_an_object_made_anew_is_refused(cluster: Cluster) -> None:
    first = await cluster.create(run_in(cluster.namespace))
    await cluster.delete(WORKFLOW_RUN, cluster.namespace, "orders-1")
    await cluster.create(run_in(cluster.namespace))
    with pytest.raises(ApiError) as refusal:
        await cluster.replace_status({**first, "status": {"phase": "Failed"}})
    assert refusal.value.status == 409


async def test_dry_run_checks_and_keeps_nothing(cluster: Cluster) -> None:
    await cluster.create(config_map(cluster.namespace), dry_run=True)
    assert (await cluster.list(CONFIG_MAP, cluster.namespace, label_selector="test=yes"))[0] == []


async def test_an_object_without_namespace_goes_into_the_default_one(cluster: Cluster) -> None:
    manifest = config_map(cluster.namespace)
    del manifest["metadata"]["namespace"]
    created = await cluster.create(manifest)
    assert created["metadata"]["namespace"] == cluster.namespace


async def test_a_merge_patch_changes_and_a_delete_removes(cluster: Cluster) -> None:
    await cluster.create(config_map(cluster.namespace, a="1", b="2"))
    changed = await cluster.merge_patch(
        CONFIG_MAP, cluster.namespace, "map", {"data": {"a": None, "c": "3"}}
    )
    assert changed["data"] == {"b": "2", "c": "3"}
    await cluster.delete(CONFIG_MAP, cluster.namespace, "map")
    with pytest.raises(ApiError, match="NotFound"):
        await cluster.delete(CONFIG_MAP, cluster.namespace, "map")


async def test_an_apply_takes_over_another_managers_field(cluster: Cluster) -> None:
    await cluster.apply(config_map(cluster.namespace, a="1"), field_manager="one")
    mine = config_map(cluster.namespace, a="2")
    assert (await cluster.apply(mine, field_manager="two"))["data"] == {"a": "2"}


async def test_lists_come_in_pages_and_as_metadata(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE_SIZE", 2)
    for number in range(5):
        await cluster.create(config_map(cluster.namespace, f"map-{number}", a="1"))
    maps, version = await cluster.list(
        CONFIG_MAP, cluster.namespace, label_selector="test=yes", metadata_only=True
    )
    assert [each["metadata"]["name"] for each in maps] == [f"map-{n}" for n in range(5)]
    assert all("data" not in each and each["kind"] == "ConfigMap" for each in maps)
    newest = max(int(each["metadata"]["resourceVersion"]) for each in maps)
    assert int(version) >= newest
    everywhere, _ = await cluster.list(CONFIG_MAP, label_selector="test=yes")
    assert cluster.namespace in {each["metadata"]["namespace"] for each in everywhere}


async def test_the_real_one_lists_as_the_fake_does(cluster: Cluster) -> None:
    await check_pages(cluster)


async def test_a_deletion_has_a_newer_version_than_all_before(cluster: Cluster) -> None:
    """The cache orders the end of an object by it."""
    created = await cluster.create(config_map(cluster.namespace))
    await cluster.delete(CONFIG_MAP, cluster.namespace, "map")
    version = created["metadata"]["resourceVersion"]
    mine = {"label_selector": "test=yes", "resource_version": version}
    stream = cluster.watch(CONFIG_MAP, cluster.namespace, **mine)
    async with aclosing(stream):
        ended = await anext(stream)
    assert ended.type == "DELETED"
    assert int(ended.object["metadata"]["resourceVersion"]) > int(version)


async def test_a_watch_yields_changes_as_they_come(cluster: Cluster) -> None:
    stream = cluster.watch(CONFIG_MAP, cluster.namespace, label_selector="test=yes")
    async with aclosing(stream):
        await cluster.create(config_map(cluster.namespace, a="x" * 300_000))
        first = await anext(stream)
        await cluster.merge_patch(CONFIG_MAP, cluster.namespace, "map", {"data": {"a": "2"}})
        second = await anext(stream)
    assert (first.type, second.type) == ("ADDED", "MODIFIED")
    assert second.object["data"] == {"a": "2"}


async def test_a_watch_from_before_all_memory_is_refused(cluster: Cluster) -> None:
    stream = cluster.watch(WORKFLOW_RUN, cluster.namespace, resource_version="1")
    with pytest.raises(ApiError) as refusal:
        async with aclosing(stream), asyncio.timeout(10):
            await anext(stream)
    assert refusal.value.status == 410


async def test_a_bad_object_names_its_field(cluster: Cluster) -> None:
    job: JsonObject = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job", "namespace": cluster.namespace},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": []}}},
    }
    with pytest.raises(ApiError, match=r"spec\.template\.spec\.containers") as refusal:
        await cluster.create(job)
    assert refusal.value.status == 422


async def test_a_client_without_permission_is_refused(cluster: Cluster) -> None:
    """Neither certificate nor token: the API server answers, and refuses."""
    connection = replace(cluster.connection, ssl_context=_trusting_only(cluster))
    anonymous = Cluster(connection)
    try:
        with pytest.raises(ApiError, match=r"40[13]"):
            await anonymous.get(JOB, cluster.namespace, "job")
    finally:
        await anonymous.close()


async def test_an_untrusted_server_is_unreachable(cluster: Cluster) -> None:
    import ssl

    wary = Cluster(replace(cluster.connection, ssl_context=ssl.create_default_context()))
    try:
        with pytest.raises(ClusterUnreachable, match="certificate"):
            await wary.get(JOB, cluster.namespace, "job")
    finally:
        await wary.close()


def _trusting_only(cluster: Cluster):
    import ssl

    given = cluster.connection.ssl_context
    assert given is not None
    context = ssl.create_default_context()
    for authority in given.get_ca_certs(binary_form=True):
        context.load_verify_locations(cadata=authority)
    return context
