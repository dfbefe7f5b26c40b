"""The user's source tree as an immutable, content-addressed ConfigMap, for development.

Same files, same bytes, same name: running a script twice ships it once.
"""

import base64
import io
import os
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from podhatch.api.labels import MANAGED_BY, MANAGED_BY_VALUE
from podhatch.api.model import JsonObject
from podhatch.api.names import source_name
from podhatch.api.pod import SOURCE_KEY

MAX_SOURCE_BYTES = 1024 * 1024
"""What a ConfigMap may hold."""
MAX_TREE_BYTES = 64 * MAX_SOURCE_BYTES
"""A larger tree is not even read: it would not fit when compressed."""

_ROOTS_OF_TIME = (1980, 1, 1, 0, 0, 0)


def source_config_map(root: Path) -> JsonObject:
    """Return the ConfigMap that holds the tree under `root`.

    Raises:
        ValueError: The tree is too large; the text names the largest files.
    """
    packed = zip_tree(root)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": source_name(packed), "labels": {MANAGED_BY: MANAGED_BY_VALUE}},
        "immutable": True,
        "binaryData": {SOURCE_KEY: base64.b64encode(packed).decode()},
    }


def zip_tree(root: Path) -> bytes:
    """Return the tree as a zip that depends on the files' names and contents alone.

    Raises:
        ValueError: The tree is too large; the text names the largest files.
    """
    sizes = {path: path.stat().st_size for path in _files(root)}
    if sum(sizes.values()) > MAX_TREE_BYTES:
        raise _too_large(root, sizes, "before it is compressed")
    entries = [(path.relative_to(root).as_posix(), path.read_bytes()) for path in sorted(sizes)]
    packed, packed_sizes = _zip(tuple(entries))
    if len(packed) > MAX_SOURCE_BYTES:
        largest = {root / name: size for name, size in packed_sizes.items()}
        raise _too_large(root, largest, "compressed")
    return packed


@lru_cache(maxsize=1)
def _zip(entries: tuple[tuple[str, bytes], ...]) -> tuple[bytes, dict[str, int]]:
    """Return the zip, and each file's size in it. Workflows of one program share their tree."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, _ROOTS_OF_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    return buffer.getvalue(), sizes


def _files(root: Path) -> Iterator[Path]:
    """Yield the files that belong to the source: no caches, environments or hidden files."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if _belongs(Path(folder, name))]
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and path.suffix != ".pyc" and path.is_file():
                yield path


def _belongs(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in ("__pycache__", "node_modules"):
        return False
    return not (folder / "pyvenv.cfg").exists()


def _too_large(root: Path, sizes: dict[Path, int], when: str) -> ValueError:
    largest = sorted(sizes, key=lambda path: sizes[path], reverse=True)[:3]
    names = ", ".join(f"{path.relative_to(root)} ({sizes[path]:,} bytes)" for path in largest)
    return ValueError(
        f"the source tree {root} has {sum(sizes.values()):,} bytes {when}, more than a ConfigMap "
        f"can carry; the largest files are {names}: take them out, or build an image and pass "
        "image="
    )
