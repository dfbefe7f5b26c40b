"""What a user reads when the API server refuses."""

from pathlib import Path

import pytest
from podhatch import ClusterUnreachable, Hatchet, NotInstalled, PodhatchError, RequestRefused
from podhatch.client.explain import explained
from podhatch.cluster import ApiError

FORBIDDEN = "workflows.podhatch.dev is forbidden: User cannot create"


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (
            ApiError(403, "Forbidden", FORBIDDEN),
            RequestRefused,
            f"the API server refused Workflow 'orders' in namespace 'shop': {FORBIDDEN}",
        ),
        (
            ApiError(
                403,
                "Forbidden",
                'User "system:serviceaccount:shop:podhatch-report" cannot list workflows',
            ),
            RequestRefused,
            "the API server refused Workflow 'orders' in namespace 'shop': User "
            '"system:serviceaccount:shop:podhatch-report" cannot list workflows',
        ),
        (
            ApiError(404, "NotFound", 'namespaces "shop" not found'),
            RequestRefused,
            "Workflow 'orders' in namespace 'shop': there is no such namespace; create it, or name "
            "another",
        ),
        (
            ApiError(404, "NotFound", 'workflows.podhatch.dev "orders" not found'),
            RequestRefused,
            "there is no Workflow 'orders' in namespace 'shop'",
        ),
        (
            ApiError(404, "NotFound", "404 page not found"),
            NotInstalled,
            "Workflow 'orders' in namespace 'shop': podhatch is not installed in this cluster, "
            "which does not know the kind; install its chart: "
            "helm install podhatch charts/podhatch",
        ),
    ],
)
def test_a_refusal_is_explained_in_a_sentence(
    refusal: ApiError, error: type[PodhatchError], words: str
) -> None:
    with pytest.raises(error) as raised, explained("Workflow", "shop", "orders"):
        raise refusal
    assert str(raised.value) == words
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("kind", ["WorkflowRun", "WorkflowEvent", "TaskResult"])
def test_a_task_that_may_only_report_is_told_what_to_set(kind: str) -> None:
    refusal = 'User "system:serviceaccount:shop:podhatch-report" cannot create resource'
    with pytest.raises(RequestRefused) as raised, explained(kind, "shop", "orders-1"):
        raise ApiError(403, "Forbidden", refusal)
    assert str(raised.value) == (
        f"{kind} 'orders-1' in namespace 'shop': the task's pod may only report its own result: "
        'set cluster_access="spawn" on the task that starts runs or pushes events (clusterAccess: '
        "spawn in YAML)"
    )


def test_a_task_without_a_token_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PODHATCH_RUN_UID", "uid")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterUnreachable, match="no access to the cluster: set cl"):
        Hatchet().event.push("paid", {})
