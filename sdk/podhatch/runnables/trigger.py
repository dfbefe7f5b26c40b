"""What a caller may say about a run beside its input. Used by every run method."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from podhatch.errors import InvalidRun

MAX_METADATA_ENTRIES = 64
MAX_METADATA_VALUE = 4096


@dataclass(frozen=True)
class TriggerWorkflowOptions:
    """Options of one run.

    Attributes:
        additional_metadata: Texts that travel with the run to every task.
    """

    additional_metadata: Mapping[str, str] = field(default_factory=dict[str, str])


NO_OPTIONS: Final = TriggerWorkflowOptions()


def metadata_of(
    workflow: str, options: TriggerWorkflowOptions, additional: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the run's metadata: of the options, and over them what was passed by keyword.

    Raises:
        InvalidRun: There is too much of it, or a value is not text; the text names it.
    """
    metadata = {**options.additional_metadata, **(additional or {})}
    subject = f"workflow {workflow!r}: additional_metadata"
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise InvalidRun(f"{subject}: {len(metadata)} entries, {MAX_METADATA_ENTRIES} are allowed")
    for key, value in metadata.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRun(f"{subject}[{key!r}]: {value!r} is not a text")
        if len(value) > MAX_METADATA_VALUE:
            raise InvalidRun(
                f"{subject}[{key!r}]: {len(value)} characters, {MAX_METADATA_VALUE} are allowed"
            )
    return metadata
