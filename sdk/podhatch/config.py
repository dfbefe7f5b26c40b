"""What a `Hatchet` may be told beside where it runs: `Hatchet(config=ClientConfig(...))`.

Standard library only: every pod that imports the definitions makes one.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


@dataclass(frozen=True, kw_only=True)
class HealthcheckConfig:
    """Where a worker tells that it is alive.

    Attributes:
        enabled: Whether it tells at all.
        port: Port of `/health`.
        bind_address: Address of this machine that it listens at.
    """

    enabled: bool = True
    port: int = 8001
    bind_address: str = "0.0.0.0"


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Settings of a `Hatchet`, by the names that the Hatchet SDK gives them.

    Attributes:
        namespace: The Kubernetes namespace; empty for that of the pod or the kubeconfig.
        logger: What tasks write to it goes to the task's log too.
        disable_log_capture: It does not.
        healthcheck: Of the worker.
        debug: Has no meaning here, as what follows: access is a matter of the kubeconfig.
        token: Ignored.
        tenant_id: Ignored.
        host_port: Ignored.
        server_url: Ignored.
        tls_config: Ignored.
    """

    namespace: str = ""
    logger: "Logger | None" = None
    disable_log_capture: bool = False
    healthcheck: HealthcheckConfig = field(default_factory=HealthcheckConfig)
    debug: bool = False
    token: str = ""
    tenant_id: str = ""
    host_port: str = ""
    server_url: str = ""
    tls_config: object = None
