"""Unpacks the source tree that travelled with the workflow. The attempt's first step."""

import os
import sys


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
            source.extractall(folder)
    except (OSError, zipfile.BadZipFile) as error:
        from podhatch.runner.failure import TaskFailure

        message = f"the workflow's source {archive} could not be unpacked: {error}"
        raise TaskFailure("SourceUnreadable", message) from error
    os.chdir(folder)
    sys.path.insert(0, folder)


def _check_hash(packed: bytes, name: str) -> None:
    from podhatch.api.names import is_source_name, source_name

    if is_source_name(name) and source_name(packed) != name:
        from podhatch.runner.failure import TaskFailure

        message = (
            f"ConfigMap {name} does not hold the source that was shipped: its content does not "
            "have the hash in its name; delete the ConfigMap, and run or publish the workflow again"
        )
        raise TaskFailure("SourceChanged", message)
