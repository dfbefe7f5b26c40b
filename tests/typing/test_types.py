"""Types are part of the SDK: pyright, strict as here, takes right use and refuses wrong use."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", ["accepted.py", "rejected.py"])
def test_pyright_accepts_and_rejects_what_it_should(file: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "pyright", HERE / file],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    assert "0 errors, 0 warnings" in process.stdout
