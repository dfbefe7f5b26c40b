"""Every Python block of the documentation passes the type checker, strictly."""

import json
import subprocess
import sys
from pathlib import Path

from podhatch.api.crds import REPOSITORY

from tests.unit.docs.pages import blocks


def test_the_blocks_are_typed(tmp_path: Path):
    for place, text in blocks("python").items():
        name = place.replace("/", "_").replace(".md#", "_").replace("-", "_")
        (tmp_path / f"{name}.py").write_text(text)
    paths = [str(REPOSITORY / "sdk"), str(REPOSITORY / "operator")]
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": paths}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
