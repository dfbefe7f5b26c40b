"""The entry point of a Python task's pod. The container's command."""

import os
import sys
from typing import NoReturn

from podhatch.api import pod
from podhatch.runner.assignment import Assignment, AssignmentError
from podhatch.runner.pod_attempt import PodAttempt
from podhatch.runner.task_result import TaskResultReporter


def main() -> NoReturn:
    """Run the assigned attempt, report it, and end the process."""
    try:
        assignment = Assignment.from_environment(os.environ)
    except AssignmentError as error:
        sys.stderr.write(f"podhatch.runner only runs in a task's pod: {error}\n")
        sys.exit(pod.EXIT_FAILED)
    reporter = TaskResultReporter(assignment) if assignment.result else None
    PodAttempt(assignment, reporter).run()


if __name__ == "__main__":
    main()
