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
        token: Has no meaning here and is ignored, as all that follows: access is a matter of the
            kubeconfig, and pods run the tasks.
    """

    namespace: str = ""
    logger: "Logger | None" = None
    disable_log_capture: bool = False
    healthcheck: HealthcheckConfig = field(default_factory=HealthcheckConfig)
    token: str = ""
    tenant_id: str = ""
    host_port: str = ""
    server_url: str = ""
    debug: bool = False
    tls_config: object = None
    grpc_max_recv_message_length: int | None = None
    grpc_max_send_message_length: int | None = None
    grpc_enable_fork_support: bool = False
    listener_v2_timeout: int | None = None
    worker_preset_labels: object = None
    enable_force_kill_sync_threads: bool = False
    enable_thread_pool_monitoring: bool = False
    terminate_worker_after_num_tasks: int | None = None
    force_shutdown_on_shutdown_signal: bool = False
    log_queue_size: int | None = None
    opentelemetry: object = None
    tenacity: object = None
