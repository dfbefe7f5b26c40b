"""The entry point of `podhatch`: starts the commands, or says which packages they need."""

import os
import sys
from importlib.util import find_spec
from io import TextIOWrapper

from podhatch.cli.exits import USAGE


def main() -> None:
    """Run the command line."""
    if find_spec("rich") is None or find_spec("typer") is None:
        print(
            "the command podhatch needs typer and rich: pip install 'podhatch[cli]'",
            file=sys.stderr,
        )
        sys.exit(USAGE)
    # What the output's encoding does not have is shown by its number instead of ending the command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if "--no-color" in sys.argv:
        os.environ["NO_COLOR"] = "1"  # before a fault in the command line itself is shown
    from podhatch.cli.commands import app

    app(prog_name="podhatch")


if __name__ == "__main__":
    main()
