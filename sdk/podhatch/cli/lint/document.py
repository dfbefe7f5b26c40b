"""Reads the documents of a YAML file as kubectl does, and finds the line of a field."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import yaml

from podhatch.api.model import JsonObject
from podhatch.values.parsing import NOT_FINITE, Path, number_problems, path_text


@dataclass(frozen=True)
class Document:
    """One object of a file."""

    value: JsonObject
    node: yaml.Node | None = None
    """Where it is in the file; None for an object from code."""

    def line(self, path: Path) -> int | None:
        """Return the line of a field, or of the nearest field above it."""
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
    """Loads times as strings, and refuses a duplicate key, as kubectl does."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the next mapping, or raise an error if a key is in it twice."""
        node = super().compose_mapping_node(anchor)
        keys = set[str]()
        for key, _ in cast("list[tuple[Any, yaml.Node]]", node.value):
            if isinstance(key, yaml.ScalarNode):
                text = str(key.value)
                if text in keys:
                    problem = f"duplicate key {text}"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                keys.add(text)
        return node


_Loader.add_constructor(
    "tag:yaml.org,2002:timestamp", cast("Any", yaml.SafeLoader).construct_yaml_str
)


def documents(text: str) -> Iterator[Document]:
    """Yield the objects of a file and of its lists; values that are not mappings are skipped.

    Raises:
        yaml.YAMLError: The text is not YAML, or has no equivalent in JSON.
    """
    loader: Any = _Loader(text)  # its stubs do not know these methods
    while loader.check_node():
        node = loader.get_node()
        try:
            value = json.loads(json.dumps(loader.construct_document(node)))
            for path, problem in number_problems(value):
                if problem.startswith(NOT_FINITE):  # JSON has no such number
                    raise ValueError(f"{path_text(path)}{problem}")
        except (TypeError, ValueError) as error:
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from None
        yield from _objects(value, node)


def _objects(value: Any, node: yaml.Node) -> Iterator[Document]:
    """Yield an object, or the items of a List as kubectl and podhatch print it."""
    if not isinstance(value, dict):
        return
    found = cast("JsonObject", value)
    items = found.get("items")
    if str(found.get("kind", "")).endswith("List") and isinstance(items, list):
        nodes: Any = cast("Any", _step(node, "items"))[1].value
        for item, held in zip(cast("list[Any]", items), nodes, strict=True):
            yield from _objects(item, held)
    else:
        yield Document(found, node)


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node where a field or entry begins, and its value; find entries by name too."""
    value: Any = node.value
    if isinstance(node, yaml.MappingNode):
        # entries that `<<` merges from another mapping come before the mapping's own
        return next(((key, held) for key, held in reversed(value) if key.value == part), None)
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
