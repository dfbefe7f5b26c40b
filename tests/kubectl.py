"""Runs kubectl against the cluster of this clone. Used by the tests of the chart and of the CRDs.

The cluster is there before pytest starts; where it is not, the first call says what to do.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from podhatch.api.model import JsonObject

from tests.cluster.binaries import binary
from tests.cluster.paths import KUBECONFIG


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """The API server said no; the message is what a user reads."""


@dataclass(frozen=True)
class Kubectl:
    """A way into the cluster: as its administrator, unless flags say who else."""

    kubeconfig: Path = KUBECONFIG
    flags: tuple[str, ...] = ()

    def __call__(self, *words: str | Path, manifests: Sequence[JsonObject] = ()) -> str:
        """Run one command; `manifests` are its standard input.

        Raises:
            Refused: the server did not do it.
        """
        if not self.kubeconfig.exists():
            raise RuntimeError("there is no cluster: bring it up with `make cluster-up`")
        command = [binary("kubectl"), "--kubeconfig", self.kubeconfig, *self.flags, *words]
        done = subprocess.run(
            [str(word) for word in command],
            input=yaml.safe_dump_all(manifests),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(done.stderr.strip())
        return done.stdout

    def json(self, *words: str) -> JsonObject:
        """Run a command that prints an object."""
        return json.loads(self(*words, "-o", "json"))

    def try_create(self, manifest: JsonObject) -> JsonObject:
        """Ask the server whether it would take the object, and return it as it would be stored."""
        words = ("create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")
        return json.loads(self(*words, manifests=[manifest]))

    def with_token(self, token: str, kubeconfig: Path) -> "Kubectl":
        """Return the way of somebody who has this token and nothing else; writes `kubeconfig`."""
        view = self.json("config", "view", "--raw", "--minify")
        cluster = view["clusters"][0]["cluster"]
        config: JsonObject = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "cluster", "user": "user"}}],
            "current-context": "it",
        }
        kubeconfig.write_text(json.dumps(config))
        return Kubectl(kubeconfig)

    def impersonating(self, user: str, *groups: str) -> "Kubectl":
        """Return the way of `user` in these groups, as an administrator may take it."""
        flags = (f"--as={user}", *(f"--as-group={group}" for group in groups))
        return Kubectl(self.kubeconfig, flags)


def apply_all(kubectl: Kubectl, manifests: Sequence[JsonObject], *flags: str) -> str:
    """Apply on the server's side, whoever holds the fields by now."""
    words = ("apply", "--server-side", "--force-conflicts", "--field-manager=podhatch-tests")
    return kubectl(*words, *flags, "-f", "-", manifests=manifests)
