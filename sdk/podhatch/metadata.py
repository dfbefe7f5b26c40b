"""Metadata of runs and events: users write any JSON values, as in Hatchet; texts travel.

Used wherever metadata is taken: by runs, crons, schedules, events and the lists of them.
"""

import json
from collections.abc import Mapping


def metadata_texts(subject: str, metadata: Mapping[str, object] | None) -> dict[str, str]:
    """Return metadata as it travels: a text as it is, any other value as its JSON text.

    Args:
        subject: What it belongs to, for errors.
        metadata: JSON values by name; None for none.

    Raises:
        ValueError: A value is not JSON; the text names it.
    """
    return {key: _text(f"{subject}[{key!r}]", value) for key, value in (metadata or {}).items()}


def _text(subject: str, value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        raise ValueError(f"{subject}: {value!r} is neither a text nor JSON") from None
