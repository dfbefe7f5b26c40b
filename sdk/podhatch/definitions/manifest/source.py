"""Where a pod finds a task's function, and the source tree that is shipped for development.

A script that ran as `__main__` is found by the name it has as a module, or by its path. The tree
travels as an immutable, content-addressed ConfigMap: the same files give the same bytes and name,
so running a script twice ships it once.
"""

import base64
import inspect
import io
import os
import stat
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

from podhatch.api.labels import MANAGED_BY, MANAGED_BY_VALUE
from podhatch.api.model import JsonObject
from podhatch.api.names import source_name
from podhatch.api.pod import SOURCE_KEY

MAX_SOURCE_BYTES = 1024 * 1024
"""What a ConfigMap may hold."""
MAX_TREE_BYTES = 64 * MAX_SOURCE_BYTES
"""A larger tree is not even read: it would not fit when compressed."""

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def source_config_map(root: Path) -> JsonObject:
    """Return the ConfigMap that holds the tree under `root`."""
    packed = zip_tree(root)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": source_name(packed), "labels": {MANAGED_BY: MANAGED_BY_VALUE}},
        "immutable": True,
        "binaryData": {SOURCE_KEY: base64.b64encode(packed).decode()},
    }


def zip_tree(root: Path) -> bytes:
    """Return the tree as a zip that depends on the files' names, contents and kinds alone.

    Links within the tree stay links; empty folders and the bit that lets a file be run stay too.

    Raises:
        ValueError: The tree is too large, a link leads out of it, or a name is not UTF-8; the text
            names the files.
    """
    found = sorted(_found(root))
    sizes = {path: path.lstat().st_size for path in found if not path.is_dir()}
    if sum(sizes.values()) > MAX_TREE_BYTES:
        raise _too_large(root, sizes, "before it is compressed")
    packed, packed_sizes = _zip(tuple(_entry(root, path) for path in found))
    if len(packed) > MAX_SOURCE_BYTES:
        largest = {root / name: size for name, size in packed_sizes.items()}
        raise _too_large(root, largest, "compressed")
    return packed


_Entry: TypeAlias = tuple[str, int, bytes]
"""A name, the kind and permissions of a file, and its content."""


@lru_cache(maxsize=1)
def _zip(entries: tuple["_Entry", ...]) -> tuple[bytes, dict[str, int]]:
    """Return the zip, and each file's size in it. Workflows of one program share their tree."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, mode, content in entries:
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    return buffer.getvalue(), sizes


def _found(root: Path) -> Iterator[Path]:
    """Yield what belongs to the source: no caches, environments or hidden files.

    That is files, links, and folders with nothing in them.
    """
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if _belongs(Path(folder, name))]
        if not subfolders and not names and Path(folder) != root:
            yield Path(folder)
        for name in (*names, *subfolders):
            path = Path(folder, name)
            if name.startswith(".") or path.suffix == ".pyc":
                continue
            if path.is_symlink() or path.is_file():
                yield path


def _entry(root: Path, path: Path) -> _Entry:
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"the source tree {root}: the name of the file {name!a} is not UTF-8: rename it"
        ) from None
    if path.is_symlink():
        return name, stat.S_IFLNK | 0o777, _target(root, path).encode()
    if path.is_dir():
        return f"{name}/", stat.S_IFDIR | 0o755, b""
    try:
        mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
        return name, stat.S_IFREG | mode, path.read_bytes()
    except OSError as error:
        raise ValueError(f"the source tree {root}: {name} cannot be read: {error}") from None


def _target(root: Path, link: Path) -> str:
    """Return where a link leads, seen from its folder."""
    target = Path(os.path.normpath(link.parent / os.readlink(link)))
    if not target.is_relative_to(root) or not link.resolve().is_relative_to(root.resolve()):
        raise ValueError(
            f"the source tree {root}: the link {link.relative_to(root)} leads out of it, to "
            f"{target}: copy what it leads to, or build an image and pass image="
        )
    return os.path.relpath(target, link.parent)


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


class Location(NamedTuple):
    """Where a function is."""

    python: str
    """`package.module:qualified.name`, or `file.py:qualified.name` relative to the root."""
    root: Path | None
    """The folder from which the module is imported; None if it is not a plain file."""


def locate(subject: str, fn: Callable[..., object]) -> Location:
    """Return where a function is.

    Raises:
        ValueError: It was typed into an interpreter, so no other process could find it.
    """
    plain = inspect.unwrap(fn)
    module = sys.modules.get(plain.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and not Path(file).is_file():  # `<stdin>`, or inside an archive
        file = None
    name = plain.__module__
    if name == "__main__":
        if file is None:
            raise ValueError(
                f"{subject}: {plain.__qualname__} was typed into an interpreter or a notebook, "
                "where no pod can find it: move it to a file and import it"
            )
        spec = getattr(module, "__spec__", None)
        name = spec.name if spec is not None else Path(file).stem
    if file is None:
        return Location(f"{name}:{plain.__qualname__}", None)
    path = Path(file).resolve()
    root = _root(path, name)
    if root is None or root == path.parent:  # started or imported as a file of its folder
        outer = _outside_packages(path.parent)
        if root is None or outer != root:
            place = path.relative_to(outer).as_posix()
            return Location(f"{place}:{plain.__qualname__}", outer)
    return Location(f"{name}:{plain.__qualname__}", root)


def locate_here(subject: str, fn: Callable[..., object]) -> Location:
    """Return where this machine's processes find a function, given this one's module path.

    What was typed into an interpreter is known to this process alone.
    """
    try:
        location = locate(subject, fn)
    except ValueError:
        return Location(f"__main__:{inspect.unwrap(fn).__qualname__}", None)
    if location.root is None:
        return location
    place, _, name = location.python.partition(":")
    if not place.endswith(".py"):
        if location.root in {Path(folder).resolve() for folder in sys.path}:
            return location
        place = _file_of(location.root, place)
    return Location(f"{location.root}/{place}:{name}", location.root)


def _file_of(root: Path, module: str) -> str:
    file = module.replace(".", "/")
    return f"{file}/__init__.py" if (root / file).is_dir() else f"{file}.py"


def _root(path: Path, module: str) -> Path | None:
    """Return the folder from which `import module` finds the file; None when it would not."""
    parts = tuple(module.split("."))
    importable = all(part.isidentifier() for part in parts)
    if not importable or parts[0] in sys.stdlib_module_names or module == "__main__":
        return None
    stem = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return stem.parents[len(parts) - 1] if stem.parts[-len(parts) :] == parts else None


def _outside_packages(folder: Path) -> Path:
    """Return the folder that holds the outermost package a folder is part of.

    A folder without `__init__.py` is a package where this process has imported it as one.
    """
    for name, module in [*sys.modules.items()]:
        paths = getattr(module, "__path__", None)
        if isinstance(paths, Iterable) and str(folder) in {*cast("Iterable[object]", paths)}:
            return folder.parents[name.count(".")]
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def is_installed(root: Path) -> bool:
    """Tell whether a folder holds installed packages, and not a user's source tree."""
    paths = sysconfig.get_paths()
    return root in {Path(paths[key]).resolve() for key in ("purelib", "platlib", "stdlib")}
