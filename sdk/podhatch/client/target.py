"""Which cluster and namespace a `Hatchet` speaks of. Held by every workflow, so it stays light."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """The user's choice; what is None is taken from the pod or the kubeconfig."""

    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
