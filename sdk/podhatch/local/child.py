"""The entry point of a child process: the runner of a pod, but for where its report goes.

Runs that the task starts are run by this process, in threads.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from podhatch.api.pod import Report
from podhatch.client import session_override
from podhatch.local.execution import REPORT_FILE
from podhatch.runner.assignment import Assignment
from podhatch.runner.pod_attempt import PodAttempt

if TYPE_CHECKING:
    from podhatch.client.session import Session


class FileReporter:
    """Leaves the report in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def prepare(self) -> None:
        """Nothing is to be prepared."""

    def send(self, report: Report) -> None:
        """Write the file, whole or not at all."""
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(report), encoding="utf-8")
        partial.replace(self._file)

    def send_first(self, report: Report) -> None:
        """Do nothing: the attempt keeps its own time, and nobody holds a backstop."""


def main() -> NoReturn:
    """Run the assigned attempt, report it, and end the process."""
    assignment = Assignment.from_environment(os.environ)
    session_override.set_for_process(_session)
    reporter = FileReporter(Path(os.environ[REPORT_FILE])) if assignment.result else None
    PodAttempt(assignment, reporter).run()


def _session() -> "Session":
    from podhatch.local.session import lasting_session

    return lasting_session()


if __name__ == "__main__":
    main()
