"""What a user reads when the API server refuses."""

import pytest
from podhatch import NotInstalled, PodhatchError, RequestRefused
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
def test_sentence(refusal: ApiError, error: type[PodhatchError], words: str) -> None:
    with pytest.raises(error) as raised, explained("Workflow", "shop", "orders"):
        raise refusal
    assert str(raised.value) == words
    assert raised.value.__suppress_context__
