"""What one `Hatchet` defines: where it runs, and the workflows that are published together.

Every workflow holds it. Touches no cluster.
"""

import logging
from typing import TYPE_CHECKING, Any

from podhatch.client.target import Target
from podhatch.config import ClientConfig
from podhatch.definitions.origin import Origin

if TYPE_CHECKING:
    from podhatch.client.manifest import Manifest, Publication
    from podhatch.definitions.workflow import Workflow

_logger = logging.getLogger("podhatch")


class Project:
    """The workflows of one `Hatchet`, and what they share.

    Attributes:
        target: The cluster and namespace they run in.
        config: As it was passed.
        workflows: By name, stubs left out; of one that is defined again, as by a notebook cell run
            twice, the later counts.
    """

    def __init__(self, target: Target, config: ClientConfig) -> None:
        self.target = target
        self.config = config
        self.workflows: dict[str, Workflow[Any]] = {}
        self._origins: dict[str, Origin] = {}
        self._flawed: dict[str, int] = {}
        """Workflows that cannot be published, and how many tasks they had when it was said."""

    def add(self, workflow: "Workflow[Any]", origin: Origin) -> None:
        """Add a workflow, in the place of what the same code has defined before.

        Raises:
            ValueError: Other code has defined one of its name.
        """
        before = self._origins.get(workflow.name)
        if before is not None and not origin.is_again(before):
            raise ValueError(
                f"workflow {workflow.name!r}: name: this Hatchet has a workflow or task of this "
                f"name already, from {before}: pass another name"
            )
        self._origins[workflow.name] = origin
        self.workflows[workflow.name] = workflow

    def publication(self, needed: "list[Workflow[Any]]") -> "Publication":
        """Return what is to be in the cluster before these run: they, and all others.

        Inside a pod it is nothing: who started the run has published it all.

        Raises:
            ValueError: One that is needed cannot be published.
        """
        from podhatch.client import session_override
        from podhatch.client.manifest import NOTHING, Publication
        from podhatch.task import current_context

        task = current_context()
        if task is not None and task.run_uid and session_override.current() is None:
            return NOTHING
        defined = [each for each in needed if not each.is_stub]
        names = {each.name for each in defined}
        others = [
            each
            for each in self.workflows.values()
            if each.all_tasks
            and each.name not in names
            and any(each.target == workflow.target for workflow in defined)
        ]
        found = [self._tried(each) for each in others]
        return Publication(
            needed=tuple(each.manifest() for each in defined),
            others=tuple(each for each in found if each is not None),
        )

    def _tried(self, workflow: "Workflow[Any]") -> "Manifest | None":
        tasks = len(workflow.all_tasks)
        if self._flawed.get(workflow.name) == tasks:
            return None
        try:
            return workflow.manifest()
        except ValueError as error:
            self._flawed[workflow.name] = tasks
            _logger.warning("a workflow beside the one that runs is not published: %s", error)
            return None
