"""The entry point of a child process: the runner of a pod, but for where its report goes.

Runs that the task starts are run by this process, in threads.
"""

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from podhatch.client import session_override
from podhatch.runner.assignment import Assignment
from podhatch.runner.pod_attempt import PodAttempt

if TYPE_CHECKING:
    from podhatch.client.session import Session


def main() -> NoReturn:
    """Run the assigned attempt, leave its report in the message file, and end the process."""
    assignment = Assignment.from_environment(os.environ)
    session_override.set_for_process(_session)
    if assignment.result:  # what a TaskResult would hold must not be cut
        assignment = assignment._replace(message_bytes=sys.maxsize)
    PodAttempt(assignment, None).run()


def _session() -> "Session":
    from podhatch.local.session import lasting_session

    return lasting_session()


if __name__ == "__main__":
    main()
