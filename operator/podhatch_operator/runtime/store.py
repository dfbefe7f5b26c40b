"""The objects of one kind, in memory, with one index. The cache is made of these."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from podhatch.api.model import JsonObject

Place = tuple[str, str]
"""Namespace and name."""
_NOTHING: Mapping[str, JsonObject] = MappingProxyType({})


def place_of(raw: JsonObject) -> Place:
    """Return where an object is."""
    metadata = raw["metadata"]
    return metadata["namespace"], metadata["name"]


def version_of(raw: JsonObject) -> int:
    """Return an object's resourceVersion, which grows with every change in the cluster."""
    return int(raw["metadata"]["resourceVersion"])


class Store:
    """Objects by place, and by namespace and group. It holds what it is told to hold."""

    def __init__(self, group_of: Callable[[JsonObject], str | None]) -> None:
        self._group_of = group_of
        self._objects: dict[Place, JsonObject] = {}
        self._groups: dict[Place, dict[str, JsonObject]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._objects)

    def get(self, place: Place) -> JsonObject | None:
        """Return the object, or None."""
        return self._objects.get(place)

    def group(self, namespace: str, name: str) -> Mapping[str, JsonObject]:
        """Return the objects of a group by their names. A view: it changes with the store."""
        return self._groups.get((namespace, name), _NOTHING)

    def put(self, raw: JsonObject) -> None:
        """Hold the object in place of what was held there."""
        place = place_of(raw)
        old = self._objects.get(place)
        group = self._group_of(raw)
        if old is not None and (before := self._group_of(old)) != group:
            self._leave(before, place)
        self._objects[place] = raw
        if group is not None:
            self._groups.setdefault((place[0], group), {})[place[1]] = raw

    def drop(self, place: Place) -> None:
        """Hold nothing there any more."""
        old = self._objects.pop(place, None)
        if old is not None:
            self._leave(self._group_of(old), place)

    def _leave(self, group: str | None, place: Place) -> None:
        if group is None:
            return
        members = self._groups[place[0], group]
        del members[place[1]]
        if not members:
            del self._groups[place[0], group]
