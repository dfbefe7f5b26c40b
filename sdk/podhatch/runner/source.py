"""Unpacks the source tree that travelled with the workflow. The attempt's first step."""

import os
import sys


def enter_source(archive: str) -> None:
    """Extract the zip to a fresh folder, work there, and import from there first.

    Raises:
        TaskFailure: It could not be extracted.
    """
    import tempfile
    import zipfile

    try:
        folder = tempfile.mkdtemp(prefix="podhatch-source-")
        with zipfile.ZipFile(archive) as source:
            source.extractall(folder)
    except (OSError, zipfile.BadZipFile) as error:
        from podhatch.runner.failure import TaskFailure

        message = f"the workflow's source {archive} could not be unpacked: {error}"
        raise TaskFailure("SourceUnreadable", message) from error
    os.chdir(folder)
    sys.path.insert(0, folder)
