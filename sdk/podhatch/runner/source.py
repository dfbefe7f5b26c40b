"""Unpacks the source tree that travelled with the workflow. The attempt's first step."""

import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zipfile import ZipFile


def enter_source(archive: str, name: str) -> None:
    """Extract the zip to a fresh folder, work there, and import from there first.

    Args:
        archive: Path of the zip.
        name: The ConfigMap it is in. If the SDK named it, the content must have the hash in it.

    Raises:
        TaskFailure: It could not be extracted, or is not what was shipped.
    """
    import io
    import tempfile
    import zipfile

    try:
        with open(archive, "rb") as file:
            packed = file.read()
        _check_hash(packed, name)
        folder = tempfile.mkdtemp(prefix="podhatch-source-")
        with zipfile.ZipFile(io.BytesIO(packed)) as source:
            _extract(source, folder)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        from podhatch.runner.failure import TaskFailure

        message = f"the workflow's source {archive} could not be unpacked: {error}"
        raise TaskFailure("SourceUnreadable", message) from error
    os.chdir(folder)
    sys.path.insert(0, folder)


def _extract(source: "ZipFile", folder: str) -> None:
    """Extract files, then links, which `extractall` writes as files; nothing leaves the folder."""
    links: list[tuple[str, str]] = []
    for entry in source.infolist():
        mode = entry.external_attr >> 16
        if stat.S_ISLNK(mode):
            links.append((entry.filename, source.read(entry).decode()))
            continue
        path = source.extract(entry, folder)
        if stat.S_ISREG(mode) and mode & stat.S_IXUSR:
            os.chmod(path, 0o755)
    for name, target in links:
        path = os.path.normpath(os.path.join(folder, name))
        end = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if not (path.startswith(folder + os.sep) and f"{end}/".startswith(f"{folder}/")):
            raise ValueError(f"the link {name} leads out of it")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)


def _check_hash(packed: bytes, name: str) -> None:
    from podhatch.api.names import is_source_name, source_name

    if is_source_name(name) and source_name(packed) != name:
        from podhatch.runner.failure import TaskFailure

        message = (
            f"ConfigMap {name} does not hold the source that was shipped: its content does not "
            "have the hash in its name; delete the ConfigMap, and run or publish the workflow again"
        )
        raise TaskFailure("SourceChanged", message)
