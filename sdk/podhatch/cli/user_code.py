"""Where in the user's own code an error arose. Called where that code is loaded."""

import os
import sysconfig
import traceback

import podhatch

_NOT_THEIRS = (*podhatch.__path__, sysconfig.get_path("stdlib"))


def line_of(error: BaseException) -> str:
    """Return file and line of the innermost call in the user's code; nothing where there is none.

    A file below this folder is named as seen from it.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if os.path.isabs(frame.filename) and not frame.filename.startswith(_NOT_THEIRS):
            return f"{frame.filename.removeprefix(os.getcwd() + os.sep)}:{frame.lineno}"
    return ""
