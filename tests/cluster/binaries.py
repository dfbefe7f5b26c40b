"""Builds the cluster's programs from Go modules once, into a cache that every clone shares.

go.sum pins the modules by content, and toolchain.txt the Go toolchain for machines without one.

Called by `up` (Kubernetes, etcd, helm) and by `kwok`, which alone needs kwok.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.paths import GO_MODULES, PROGRAMS, cache
from tests.cluster.progress import ClusterError, run, stage

# helm's module is the most demanding of them.
MINIMUM_GO = (1, 25)
GO_TOOLCHAIN = GO_MODULES / "toolchain.txt"


@dataclass(frozen=True)
class Module:
    """A Go module of this folder and the main packages that are built from it."""

    name: str
    requires: str
    packages: dict[str, str]

    @property
    def folder(self) -> Path:
        """Where go.mod is."""
        return GO_MODULES / self.name

    @property
    def version(self) -> str:
        """The version that go.mod pins, without its v."""
        pattern = rf"^(?:require )?\s*{re.escape(self.requires)} v(\S+)"
        found = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if not found:
            raise ClusterError(f"{self.folder / 'go.mod'} does not require {self.requires}.")
        return found[1]

    @property
    def target(self) -> Path:
        """The cache folder of exactly these sources."""
        sums = hashlib.sha256((self.folder / "go.sum").read_bytes()).hexdigest()[:8]
        return cache() / f"{self.name}-{self.version}-{sums}" / "bin"


KUBERNETES = Module(
    "kubernetes",
    "k8s.io/kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
        )
    },
)
ETCD = Module("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"})
HELM = Module("helm", "helm.sh/helm/v3", {"helm": "helm.sh/helm/v3/cmd/helm"})
KWOK = Module("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
MODULES = (KUBERNETES, ETCD, HELM, KWOK)


def binary(name: str) -> Path:
    """The path of a program, built or not."""
    for module in MODULES:
        if name in module.packages:
            return module.target / name
    raise ClusterError(f"no module builds {name}.")


def build(*modules: Module) -> None:
    """Build what the cache lacks."""
    for module in modules:
        if all((module.target / name).exists() for name in module.packages):
            continue
        with stage(f"build {module.name} {module.version}"):
            _build(module)


def kubectl() -> str:
    """The cluster's own kubectl; with kind, which builds nothing here, the machine's."""
    own = binary("kubectl")
    found = str(own) if own.exists() else shutil.which("kubectl")
    if not found:
        raise ClusterError("kubectl is missing: install it, it is needed beside kind.")
    return found


def link_kubectl() -> None:
    """Put the cluster's own kubectl where users find it: beside the kubeconfig."""
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    link = PROGRAMS / "kubectl"
    link.unlink(missing_ok=True)
    link.symlink_to(binary("kubectl"))


def _build(module: Module) -> None:
    module.target.mkdir(parents=True, exist_ok=True)
    # A reader sees a whole program or none: build beside, then rename.
    with tempfile.TemporaryDirectory(dir=module.target, prefix=".partial-") as partial:
        # One package makes a file of the given name, several fill the given folder.
        only = next(iter(module.packages)) if len(module.packages) == 1 else ""
        flags = ["-trimpath", "-mod=readonly", "-ldflags", _linker_flags(module)]
        run(
            f"build {module.name}",
            [go(), "build", *flags, "-o", f"{partial}/{only}", *module.packages.values()],
            folder=module.folder,
            environment={**os.environ, "CGO_ENABLED": "0"},
        )
        for name in module.packages:
            Path(partial, name).replace(module.target / name)


def _linker_flags(module: Module) -> str:
    if module is not KUBERNETES:
        return "-s -w"
    # Unstamped, the server calls itself v0.0.0 and clients refuse features.
    version = "k8s.io/component-base/version"
    major, minor, _ = module.version.split(".")
    return (
        f"-s -w -X {version}.gitVersion=v{module.version}"
        f" -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )


def go() -> str:
    """A Go command that is new enough: the machine's, or one put into the virtual environment."""
    for candidate in (shutil.which("go"), str(Path(sys.prefix) / "bin" / "go")):
        if candidate and _go_version(candidate) >= MINIMUM_GO:
            return candidate
    if sys.prefix == sys.base_prefix:
        raise ClusterError(
            "Go 1.25 is missing: install it, or run this from a virtual environment."
        )
    with stage("install Go"):
        run("install go", [*_installer(), "--require-hashes", "-r", GO_TOOLCHAIN])
    return str(Path(sys.prefix) / "bin" / "go")


def _installer() -> list[str | Path]:
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]


def _go_version(command: str) -> tuple[int, ...]:
    try:
        words = subprocess.run([command, "version"], capture_output=True, text=True, check=False)
    except OSError:
        return (0,)
    found = re.search(r"go(\d+)\.(\d+)", words.stdout)
    return (int(found[1]), int(found[2])) if found else (0,)
