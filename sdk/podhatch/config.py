"""Settings of a `Hatchet` beside where it runs: `Hatchet(config=ClientConfig(...))`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


@dataclass(frozen=True, kw_only=True)
class HealthcheckConfig:
    """The health check of a worker.

    Attributes:
        enabled: Whether the worker serves `/health`.
        port: Port of `/health`.
        bind_address: Address that it listens on.
    """

    enabled: bool = True
    port: int = 8001
    bind_address: str = "0.0.0.0"


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Settings of a `Hatchet`, by the names that the Hatchet SDK gives them.

    Attributes:
        namespace: The Kubernetes namespace; empty for that of the pod or the kubeconfig.
        logger: Tasks' records of this logger go to the task's log.
        disable_log_capture: Records of `logger` do not go to the task's log.
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
