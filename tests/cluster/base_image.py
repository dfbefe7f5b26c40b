"""The two images that a machine without a registry lacks: pause, and a Python to build upon.

The Python image is Debian's own, laid out so that the Dockerfiles, whose base is the official image
by digest, build on it too: its name is their build argument BASE. Its packages are not pinned by
content, since a Debian mirror keeps only the newest of each; debootstrap and apt check them against
the signatures of Debian's archive.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster import buildah
from tests.cluster.binaries import go
from tests.cluster.paths import GO_MODULES, cache
from tests.cluster.progress import run

DEBIAN = "trixie"
PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
# Run inside the new system. Removed: what keeps root from using pip, and what no pod reads.
SETUP = r"""
set -e
ln -sf /usr/bin/python3 /usr/local/bin/python3
ln -sf /usr/bin/python3 /usr/local/bin/python
ln -sf /usr/bin/pip3 /usr/local/bin/pip
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*
rm -rf /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/i18n
touch /etc/pip.conf
"""
PYTHON_DOCKERFILE = """\
FROM scratch
COPY . /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""
PAUSE_DOCKERFILE = """\
FROM scratch
COPY pause /pause
ENTRYPOINT ["/pause"]
"""


def pause_recipe() -> str:
    """What decides the content of the pause image."""
    return (GO_MODULES / "pause" / "main.go").read_text() + PAUSE_DOCKERFILE


def python_recipe() -> str:
    """What decides the content of the Python image."""
    return "\n".join([DEBIAN, *PACKAGES, SETUP, PYTHON_DOCKERFILE])


def build_pause(reference: str) -> None:
    """A program that waits, alone in its image."""
    with _context(PAUSE_DOCKERFILE) as folder:
        command = [go(), "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{folder}/pause", "."]
        environment = {**os.environ, "CGO_ENABLED": "0"}
        run("build pause", command, folder=GO_MODULES / "pause", environment=environment)
        buildah.build("build pause", Path(folder, "Dockerfile"), Path(folder), reference)


def build_python(reference: str) -> None:
    """A small Debian with Python and pip."""
    with _context(PYTHON_DOCKERFILE) as folder:
        root = Path(folder, "root")
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        mirror = _mirror()
        run("debootstrap", [*command, DEBIAN, root, *([mirror] if mirror else [])])
        run("debootstrap", ["chroot", root, "sh", "-c", SETUP])
        shutil.rmtree(root / "dev")
        (root / "dev").mkdir()
        buildah.build("build python", Path(folder, "Dockerfile"), root, reference)


def _context(dockerfile: str) -> tempfile.TemporaryDirectory[str]:
    cache().mkdir(parents=True, exist_ok=True)
    folder = tempfile.TemporaryDirectory(prefix="context-", dir=cache())
    Path(folder.name, "Dockerfile").write_text(dockerfile)
    return folder


def _mirror() -> str | None:
    """The Debian mirror that this machine is set to use; debootstrap's own choice elsewhere."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(COMPONENT)"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        address, origin, component = [*line.split(), "", "", ""][:3]
        if origin == "Debian" and component == "main" and "security" not in address:
            return address
    return None
