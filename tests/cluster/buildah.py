"""Builds images without a daemon, in a storage of its own inside the cache.

Called by base_image.py and images.py. What pip needs on this machine is mounted for the build
alone, so no image and no Dockerfile carries it.
"""

import configparser
import os
import sys
from pathlib import Path

from tests.cluster.paths import MACHINE, cache
from tests.cluster.progress import output, run

# Where Debian, Fedora, Alpine and SUSE keep the authorities that this machine trusts.
CERTIFICATE_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
BUNDLE_IN_BUILD = "/etc/ssl/certs/build-machine.crt"
CARRIED_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "timeout", "retries", "proxy")


def command(*words: str | Path) -> list[str | Path]:
    """A buildah command on the cache's storage."""
    storage = ["--root", cache() / "buildah", "--runroot", MACHINE / "buildah"]
    return ["buildah", *storage, "--storage-driver", "overlay", *words]


def build(part: str, dockerfile: Path, context: Path, reference: str, **arguments: str) -> None:
    """Build a Dockerfile with build arguments; unchanged first layers come from the storage."""
    words: list[str | Path] = ["bud", "--isolation", "chroot", "--layers", "--pull-never"]
    words += ["--format", "docker", "-f", dockerfile, "-t", reference]
    for name, value in arguments.items():
        words += ["--build-arg", f"{name}={value}"]
    for volume in _volumes():
        words += ["-v", volume]
    run(part, command(*words, context))


def export(reference: str, archive: Path) -> None:
    """Write an image to an archive that containerd can load; whole or not at all."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(f".partial-{os.getpid()}")
    target = f"oci-archive:{partial}:{reference}"
    output(command("push", "--quiet", "--disable-compression", reference, target))
    partial.replace(archive)


def tag(reference: str, alias: str) -> None:
    """Give an image of the storage a second name."""
    output(command("tag", reference, alias))


def remove(reference: str) -> None:
    """Drop an image and the layers that nothing else uses."""
    output(command("rmi", reference), check=False)


def has(reference: str) -> bool:
    """Whether the storage holds an image."""
    return bool(output(command("images", "--quiet", "--filter", f"reference={reference}")).strip())


def _volumes() -> list[str]:
    bundle = _certificate_bundle()
    settings = _pip_settings()
    volumes: list[str] = []
    if bundle:
        settings["cert"] = BUNDLE_IN_BUILD
        volumes.append(f"{bundle}:{BUNDLE_IN_BUILD}:ro")
    lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items())]
    path = MACHINE / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return [*volumes, f"{path}:/etc/pip.conf:ro"]


def _certificate_bundle() -> str | None:
    named = [os.environ[name] for name in ("PIP_CERT", "SSL_CERT_FILE") if os.environ.get(name)]
    return next((path for path in (*named, *CERTIFICATE_BUNDLES) if Path(path).is_file()), None)


def _pip_settings() -> dict[str, str]:
    """What pip on this machine knows about its index, in pip's own order of precedence."""
    home = Path.home()
    files = [
        "/etc/pip.conf",
        "/etc/xdg/pip/pip.conf",
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        Path(sys.prefix) / "pip.conf",
        *([os.environ["PIP_CONFIG_FILE"]] if os.environ.get("PIP_CONFIG_FILE") else []),
    ]
    parser = configparser.RawConfigParser()
    parser.read([str(file) for file in files])
    written = dict(parser.items("global")) if parser.has_section("global") else {}
    found: dict[str, str] = {}
    for name in CARRIED_SETTINGS:
        value = os.environ.get(f"PIP_{name.replace('-', '_').upper()}") or written.get(name)
        if value:
            found[name] = value.replace("\n", "\n    ")
    return found
