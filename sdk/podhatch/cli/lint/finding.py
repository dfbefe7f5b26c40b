"""One thing that is wrong, and where. Made by the checks, printed by the command."""

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """What is wrong with one field of one object."""

    path: Path
    message: str
    written: str = ""
    """The path as whoever found it writes it; empty for our own way."""

    @property
    def field(self) -> str:
        """The path as users write it: `spec.tasks[0].parents`."""
        if self.written:
            return self.written
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text.lstrip(".")


def split_field(field: str) -> Path:
    """Return the path of a field as the operator writes it: `spec.tasks[charge].parents`."""
    parts: list[tuple[str, str]] = re.findall(r"\[([^\]]*)\]|([^.\[\]]+)", field)
    return tuple(int(inner) if inner.isdecimal() else inner or name for inner, name in parts)
