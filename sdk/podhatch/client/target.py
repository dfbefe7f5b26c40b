"""The cluster and namespace of a `Hatchet`. Every workflow holds it, so it stays light."""

from typing import NamedTuple


class Target(NamedTuple):
    """The user's choice; None takes the value of the pod or the kubeconfig."""

    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
