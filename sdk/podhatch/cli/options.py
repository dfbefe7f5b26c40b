"""The options that several commands share, and the connection they ask for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from podhatch.cluster import Cluster


class Format(StrEnum):
    """How an object is written out for programs."""

    JSON = "json"
    YAML = "yaml"


Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Name of a run; @latest for the newest one.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Where to look; by default the namespace of the context."
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="Path of the kubeconfig; by default $KUBECONFIG or ~/.kube/config."),
]
Context = Annotated[
    str | None, typer.Option(help="Context in the kubeconfig; by default its current one.")
]
Output = Annotated[
    Format | None, typer.Option("--output", "-o", help="Print whole objects, for programs.")
]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="Print without colours; NO_COLOR does the same.")
]


@dataclass(frozen=True)
class Where:
    """Which cluster and namespace the user means."""

    namespace: str | None
    kubeconfig: str | None
    context: str | None

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[tuple[Cluster, str], None]:
        """Yield the cluster and the namespace to look in."""
        cluster = await Cluster.connect(kubeconfig=self.kubeconfig, context=self.context)
        try:
            yield cluster, self.namespace or cluster.namespace
        finally:
            await cluster.close()
