"""The entry point of `podhatch`: runs the app, or names the packages that are missing."""

import codecs
import os
import sys
from importlib.util import find_spec
from io import TextIOWrapper


def main() -> None:
    """Run the command line."""
    if find_spec("rich") is None or find_spec("typer") is None:
        print(
            "podhatch needs the packages typer and rich: pip install 'podhatch[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    if "--no-color" in sys.argv:
        os.environ["NO_COLOR"] = "1"  # also for errors in the command line itself
    from podhatch.cli.commands import app
    from podhatch.cli.rendering.format import in_ascii

    codecs.register_error("podhatch", in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="podhatch")
    app(prog_name="podhatch")


if __name__ == "__main__":
    main()
