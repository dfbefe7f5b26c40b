"""Unpacks the source tree that travelled with the workflow. The attempt's first step."""

import os
import sys


def enter_source(archive: str) -> None:
    """Extract the zip to a fresh folder, work there, and import from there first."""
    import tempfile
    import zipfile

    folder = tempfile.mkdtemp(prefix="podhatch-source-")
    with zipfile.ZipFile(archive) as source:
        source.extractall(folder)
    os.chdir(folder)
    sys.path.insert(0, folder)
