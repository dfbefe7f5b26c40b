"""Metadata of runs and events: users write any JSON values, as in Hatchet; texts travel.

Used wherever metadata is taken: by runs, crons, schedules, events and the lists of them.
"""

import json
from collections.abc import Mapping

from podhatch.values.parsing import load_json, unexpected


def metadata_texts(subject: str, metadata: Mapping[str, object] | None) -> dict[str, str]:
    """Return metadata as it travels: a text as it is, any other value as its JSON text."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise unexpected(subject, "a mapping from names to values", metadata)
    for key in metadata:
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise unexpected(f"{subject}: a name", "a string", key)
    return {key: _text(f"{subject}[{key!r}]", value) for key, value in metadata.items()}


def _text(subject: str, value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        text = json.dumps(value, allow_nan=False)
        load_json(text)
        return text
    except (TypeError, ValueError):
        raise ValueError(f"{subject}: {value!r} is neither a text nor JSON") from None
