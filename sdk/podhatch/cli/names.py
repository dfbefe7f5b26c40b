"""Names as users give them: alone, or with the kind before them, as `-o name` and kubectl write it.

Pure. Called by every command that finds an object.
"""

import re

from podhatch.api.labels import GROUP
from podhatch.cli.errors import WrongUsage
from podhatch.cluster import CRON_WORKFLOW, WORKFLOW, WORKFLOW_RUN, Kind

SHORT_NAMES = {WORKFLOW: "wf", WORKFLOW_RUN: "wfr", CRON_WORKFLOW: "cwf"}
"""Of the kinds that commands take, as kubectl knows them."""

_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def given_name(kind: Kind, given: str) -> str:
    """Return the name without the kind before it.

    Raises:
        WrongUsage: Nothing is left.
    """
    before, slash, after = given.partition("/")
    if slash and before.lower().removesuffix(f".{GROUP}") in _words(kind):
        given = after
    if not given:
        raise WrongUsage(f"the name of a {kind.kind} is missing: what is given is empty")
    return given


def is_object_name(name: str) -> bool:
    """Return whether an object can have this name; any other would ask for something else."""
    return _OBJECT_NAME.fullmatch(name) is not None


def check_namespace(name: str | None) -> None:
    """Refuse what can be no namespace.

    Raises:
        WrongUsage: It cannot.
    """
    if name is not None and not _NAMESPACE.fullmatch(name):
        raise WrongUsage(
            f"--namespace {name!r}: no namespace has such a name; one is made of lower-case "
            "letters, digits and hyphens"
        )


def _words(kind: Kind) -> set[str]:
    """Return what may stand before a name: the kind's singular, plural and short name."""
    return {kind.kind.lower(), kind.plural, SHORT_NAMES.get(kind, kind.plural)}
