"""What the chart sets, read from the environment at the start."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from podhatch.api.task import CLUSTER_ACCESS, ClusterAccess
from podhatch.core.common.observed import Defaults

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class BadSetting(Exception):  # noqa: N818 - it names what is bad
    """A variable has an invalid value; the message names it."""


@dataclass(frozen=True)
class Settings:
    """The operator's settings."""

    defaults: Defaults
    """For tasks that set nothing else."""
    namespaces: tuple[str, ...]
    """The namespaces to serve; empty means all."""
    workers: int
    port: int
    """Of the kubelet's probes."""
    metrics_port: int
    log_level: str
    lease: str
    """Name of the Lease, in the operator's own namespace, that makes one operator the leader."""
    identity: str
    """Name under which this operator holds the Lease."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment.

        Raises:
            BadSetting: a number is none, or a word is not one of those it may be.
        """
        watched = environment.get("PODHATCH_WATCH_NAMESPACES", "").split(",")
        level = environment.get("PODHATCH_LOG_LEVEL", "info").upper()
        if level not in LOG_LEVELS:
            raise BadSetting(f"PODHATCH_LOG_LEVEL is {level!r}: use one of {', '.join(LOG_LEVELS)}")
        defaults = Defaults(
            runner_image=environment.get("PODHATCH_RUNNER_IMAGE", "podhatch/runner:latest"),
            runner_pull_policy=environment.get("PODHATCH_RUNNER_PULL_POLICY", "IfNotPresent"),
            run_ttl_seconds=_seconds(environment, "PODHATCH_RUN_TTL_SECONDS"),
            job_ttl_seconds=_seconds(environment, "PODHATCH_JOB_TTL_SECONDS"),
            max_cluster_access=_access(environment, "PODHATCH_MAX_CLUSTER_ACCESS"),
            priority_classes=_yes(environment, "PODHATCH_PRIORITY_CLASSES"),
            max_extension_seconds=_positive(
                environment, "PODHATCH_MAX_EXTENSION_SECONDS", Defaults.max_extension_seconds
            ),
            max_depth=_positive(environment, "PODHATCH_MAX_DEPTH", Defaults.max_depth),
        )
        return cls(
            defaults=defaults,
            namespaces=tuple(name.strip() for name in watched if name.strip()),
            workers=_positive(environment, "PODHATCH_WORKERS", 32),
            port=_positive(environment, "PODHATCH_PORT", 8080),
            metrics_port=_positive(environment, "PODHATCH_METRICS_PORT", 8081),
            log_level=level,
            lease=environment.get("PODHATCH_LEASE", "podhatch"),
            identity=environment.get("PODHATCH_IDENTITY") or socket.gethostname(),
        )


def _positive(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or int(text) == 0:
        raise BadSetting(f"{name} is {text!r}: use a whole number above 0")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    if text and not text.isdecimal():
        raise BadSetting(f"{name} is {text!r}: use a whole number of seconds, or nothing for ever")
    return int(text) if text else None


def _access(environment: Mapping[str, str], name: str) -> ClusterAccess:
    text = environment.get(name) or CLUSTER_ACCESS[-1]
    for access in CLUSTER_ACCESS:
        if access == text:
            return access
    raise BadSetting(f"{name} is {text!r}: use one of {', '.join(CLUSTER_ACCESS)}")


def _yes(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "")
    if text not in ("", "true", "false"):
        raise BadSetting(f"{name} is {text!r}: use true or false")
    return text == "true"
