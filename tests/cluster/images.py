"""The images of the local cluster: built when their content changed, loaded into its containerd.

Called by local.py and podhatch.py. An image's tag is the hash of what it was built from, so the
name alone says whether it is built, loaded and running.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.cluster import base_image, buildah, containerd
from tests.cluster.paths import REPOSITORY, cache
from tests.cluster.progress import ClusterError, stage

# What an image can be built from; .dockerignore may leave out some of it.
SOURCES = (
    "sdk",
    "operator",
    "charts",
    "crds",
    "requirements",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
DOCKERFILES = {
    "runner": Path("sdk/Dockerfile"),
    "operator": Path("operator/Dockerfile"),
}
BASE_NAME = "docker.io/library/python:3.13-slim"
KEPT_ARCHIVES = 4


@dataclass(frozen=True)
class Image:
    """An image of this machine: what it is called and how it is built."""

    name: str
    tag: str
    alias: str
    build: Callable[[str], None]

    @property
    def reference(self) -> str:
        """The name that changes with the content."""
        return f"docker.io/podhatch/{self.name}:{self.tag}"

    @property
    def archive(self) -> Path:
        """The built image as a file."""
        return cache() / "images" / f"{self.name}-{self.tag}.tar"


def pause() -> Image:
    """The process that holds a pod's namespaces."""
    tag = _digest(base_image.pause_recipe())
    return Image("pause", tag, "docker.io/podhatch/pause:dev", base_image.build_pause)


def python() -> Image:
    """The stand-in for the official Python image."""
    return Image("python", _digest(base_image.python_recipe()), BASE_NAME, base_image.build_python)


def project() -> list[Image]:
    """The images of podhatch itself, from its own two Dockerfiles."""
    tag = sources_digest()
    return [
        Image(name, tag, f"docker.io/podhatch/{name}:dev", partial(_build_project, name, file, tag))
        for name, file in DOCKERFILES.items()
    ]


def sources_digest(root: Path = REPOSITORY) -> str:
    """The hash of everything that podhatch's images are built from."""
    state = hashlib.sha256(python().tag.encode())
    for path in _source_files(root):
        state.update(f"{path.relative_to(root)}\0{path.stat().st_mode & 0o111}\0".encode())
        state.update(path.read_bytes())
    return state.hexdigest()[:12]


def ensure_built(images: Iterable[Image]) -> None:
    """Build and export what the cache lacks."""
    for image in images:
        if not image.archive.exists():
            with stage(f"build image {image.name}"):
                image.build(image.reference)
                buildah.export(image.reference, image.archive)
            _forget_old(image)


def load(images: Iterable[Image]) -> None:
    """Bring the images into containerd under both of their names."""
    loaded = set(containerd.ctr("images", "list", "--quiet").split())
    for image in images:
        if image.reference not in loaded:
            with stage(f"load image {image.name}"):
                containerd.ctr("images", "import", image.archive)
        containerd.ctr("images", "tag", "--force", image.reference, image.alias)


def forget_project() -> None:
    """Drop the project's earlier images from containerd; only safe while no pod exists."""
    current = {image.reference for image in project()}
    names = containerd.ctr("images", "list", "--quiet").split()
    project_names = tuple(f"docker.io/podhatch/{image.name}:" for image in project())
    for name in names:
        if name.startswith(project_names) and name not in current:
            containerd.ctr("images", "remove", name)


def _build_project(name: str, dockerfile: Path, tag: str, reference: str) -> None:
    base = python()
    if not buildah.has(base.reference):
        base.build(base.reference)
    buildah.tag(base.reference, base.alias)
    # From a copy: what was hashed is what is built, even while somebody edits the clone.
    with tempfile.TemporaryDirectory(dir=cache(), prefix="context-") as folder:
        root = Path(folder)
        for path in _source_files(REPOSITORY):
            copy = root / path.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        if sources_digest(root) != tag:
            raise ClusterError("podhatch's sources changed while they were read: run this again.")
        buildah.build(f"build {name}", root / dockerfile, root, reference, BASE=base.alias)


def _forget_old(image: Image) -> None:
    archives = sorted(image.archive.parent.glob(f"{image.name}-*.tar"), key=os.path.getmtime)
    for archive in archives[:-KEPT_ARCHIVES]:
        tag = archive.stem.removeprefix(f"{image.name}-")
        buildah.remove(f"docker.io/podhatch/{image.name}:{tag}")
        archive.unlink(missing_ok=True)


def _source_files(root: Path) -> Iterator[Path]:
    for name in (*SOURCES, ".dockerignore"):
        path = root / name
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and "__pycache__" not in file.parts
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
