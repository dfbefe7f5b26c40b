"""The documents of a YAML file, as kubectl would send them, and the line of a field."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import yaml

from podhatch.api.model import JsonObject
from podhatch.cli.lint.finding import Path


@dataclass(frozen=True)
class Document:
    """One object of a file."""

    value: JsonObject
    node: yaml.Node | None = None
    """Where it stands; None when it comes from code."""

    def line(self, path: Path) -> int | None:
        """Return the line of a field, or of what is nearest above it."""
        node = self.node
        if node is None:
            return None
        found = cast("Any", node.start_mark).line
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            line_node, node = step
            found = cast("Any", line_node.start_mark).line
        return int(found) + 1


class _Loader(yaml.SafeLoader):
    """Leaves times as texts, as kubectl does."""


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: str) -> Iterator[Document]:
    """Yield the objects of a file; what is no mapping is left out.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    loader: Any = _Loader(text)  # its stubs do not know these methods
    while loader.check_node():
        node = loader.get_node()
        value = loader.construct_document(node)
        if isinstance(value, dict):
            yield Document(cast("JsonObject", value), node)


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return where a field or entry begins, and the node it holds. Tasks are found by name too."""
    value: Any = node.value
    if isinstance(node, yaml.MappingNode):
        return next(((key, held) for key, held in value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode):
        if isinstance(part, int):
            return (value[part], value[part]) if part < len(value) else None
        named = (entry for entry in value if _name(entry) == part)
        return next(((entry, entry) for entry in named), None)
    return None


def _name(entry: yaml.Node) -> object:
    if not isinstance(entry, yaml.MappingNode):
        return None
    pairs: Any = entry.value
    return next((held.value for key, held in pairs if key.value == "name"), None)
