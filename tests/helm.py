"""Runs helm with the clone's own files and cluster, never the user's. For the chart's tests."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml
from podhatch.api.model import JsonObject

from tests.cluster import binaries
from tests.cluster.binaries import binary
from tests.cluster.paths import KUBECONFIG, REPOSITORY, STATE

CHART = REPOSITORY / "charts" / "podhatch"
RELEASE = "podhatch"
KUBERNETES = "1.34.0"


class HelmError(Exception):
    """Helm said no; the message is what a user reads."""


def helm(*words: str | Path) -> str:
    """Run one helm command and return what it prints.

    Raises:
        HelmError: it failed.
    """
    binaries.build(binaries.HELM)
    folders = {
        f"HELM_{name}_HOME": str(STATE / "helm" / name.lower())
        for name in ("CACHE", "CONFIG", "DATA")
    }
    done = subprocess.run(
        [str(word) for word in (binary("helm"), *words)],
        env={**os.environ, **folders, "KUBECONFIG": str(KUBECONFIG)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HelmError(done.stdout + done.stderr)
    return done.stdout


def render(
    *flags: str | Path,
    namespace: str = "podhatch-system",
    kubernetes: str = KUBERNETES,
    values: Sequence[Path] = (),
) -> list[JsonObject]:
    """Return the objects the chart would install."""
    files = [word for path in values for word in ("--values", path)]
    where = ("--namespace", namespace, "--kube-version", kubernetes)
    text = helm("template", RELEASE, CHART, *where, *files, *flags)
    return [document for document in yaml.safe_load_all(text) if document]
