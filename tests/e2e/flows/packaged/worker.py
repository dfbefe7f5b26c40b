"""Started as `python packaged/worker.py`: its task imports a module by the package's name."""

import os
import subprocess
from pathlib import Path

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()


@hatchet.task()
def look(input: EmptyModel, ctx: Context) -> list[object]:
    from packaged.shared import PRICE

    here = Path(__file__).parent
    tool = subprocess.run([here / "tool"], capture_output=True, text=True, check=True)
    return [PRICE, tool.stdout, os.readlink(here / "link"), (here / "empty").is_dir()]


if __name__ == "__main__":
    print(look.run())
