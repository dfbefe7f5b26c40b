"""Kinds of objects and their paths in the API."""

import pytest
from podhatch.cluster import JOB, POD, WORKFLOW, Kind, kind_of


@pytest.mark.parametrize(
    ("kind", "place", "path"),
    [
        (POD, (None,), "/api/v1/pods"),
        (POD, ("team", "pod"), "/api/v1/namespaces/team/pods/pod"),
        (POD, ("a/b", "x?y"), "/api/v1/namespaces/a%2Fb/pods/x%3Fy"),
        (JOB, ("team",), "/apis/batch/v1/namespaces/team/jobs"),
        (
            WORKFLOW,
            ("team", "flow", "status"),
            "/apis/podhatch.dev/v1alpha1/namespaces/team/workflows/flow/status",
        ),
    ],
)
def test_a_kind_knows_its_path_in_the_api(
    kind: Kind, place: tuple[str | None, ...], path: str
) -> None:
    namespace, *names = place
    assert kind.path(namespace, *[name or "" for name in names]) == path


def test_a_kind_is_found_for_a_manifest() -> None:
    assert kind_of({"apiVersion": "batch/v1", "kind": "Job"}) is JOB


@pytest.mark.parametrize("manifest", [{}, {"apiVersion": "v1", "kind": "Job"}])
def test_an_unknown_kind_is_named(manifest: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(manifest.get("kind", "''"))):
        kind_of(manifest)
