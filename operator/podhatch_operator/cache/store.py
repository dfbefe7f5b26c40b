"""The objects of one kind, in memory, with one index; and the objects deleted lately."""

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType

from podhatch.api.model import JsonObject

Place = tuple[str, str]
"""Namespace and name."""
REMEMBERED_SECONDS = 120.0
"""Longer than any request of the operator may take."""
_NOTHING: Mapping[str, JsonObject] = MappingProxyType({})


def place_of(raw: JsonObject) -> Place:
    """Return where an object is."""
    metadata = raw["metadata"]
    return metadata["namespace"], metadata["name"]


def version_of(raw: JsonObject) -> int:
    """Return an object's resourceVersion, which grows with every change in the cluster."""
    return int(raw["metadata"]["resourceVersion"])


class Store:
    """Objects by place, and by namespace and groups. It holds what it is told to hold.

    Of objects that are not needed in full, it holds only the version.
    """

    def __init__(self, groups_of: Callable[[JsonObject], Iterable[str]]) -> None:
        self._groups_of = groups_of
        self._versions: dict[Place, int] = {}
        self._objects: dict[Place, JsonObject] = {}
        self._groups: dict[Place, dict[str, JsonObject]] = {}
        self._names: dict[Place, set[str]] = {}
        self._owners: dict[Place, str] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._versions)

    def get(self, place: Place) -> JsonObject | None:
        """Return the object, or None."""
        return self._objects.get(place)

    def version(self, place: Place) -> int:
        """Return the object's version, or 0."""
        return self._versions.get(place, 0)

    def group(self, namespace: str, name: str) -> Mapping[str, JsonObject]:
        """Return the objects of a group by their names. A view: it changes with the store."""
        return self._groups.get((namespace, name), _NOTHING)

    def groups(self, namespace: str) -> list[Mapping[str, JsonObject]]:
        """Return all groups of a namespace."""
        return [members for place, members in self._groups.items() if place[0] == namespace]

    def names_of(self, namespace: str, owner: str) -> Iterable[str]:
        """Return the names that were kept for an owner, of objects that are not held whole."""
        return self._names.get((namespace, owner), ())

    def put(self, raw: JsonObject) -> None:
        """Hold the object in place of what was held there."""
        place = place_of(raw)
        self._drop_object(place)
        self._drop_name(place)
        self._versions[place] = version_of(raw)
        self._objects[place] = raw
        for group in self._groups_of(raw):
            self._groups.setdefault((place[0], group), {})[place[1]] = raw

    def put_version(self, place: Place, version: int, owner: str | None = None) -> None:
        """Hold the version alone, and the name for the owner if one is given."""
        self._drop_object(place)
        self._drop_name(place)
        place = sys.intern(place[0]), sys.intern(place[1])
        self._versions.pop(place, None)
        self._versions[place] = version
        if owner is not None:
            self._owners[place] = owner
            self._names.setdefault((place[0], owner), set()).add(place[1])

    def drop(self, place: Place) -> None:
        """Remove what is held there."""
        self._versions.pop(place, None)
        self._drop_object(place)
        self._drop_name(place)

    def _drop_object(self, place: Place) -> None:
        old = self._objects.pop(place, None)
        for group in () if old is None else self._groups_of(old):
            members = self._groups[place[0], group]
            del members[place[1]]
            if not members:
                del self._groups[place[0], group]

    def _drop_name(self, place: Place) -> None:
        owner = self._owners.pop(place, None)
        if owner is None:
            return
        names = self._names[place[0], owner]
        names.discard(place[1])
        if not names:
            del self._names[place[0], owner]


class DeletedVersions:
    """The version at its end of each object that ended lately: an answer may be older than that."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._versions: dict[Hashable, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def record(self, what: Hashable, version: int) -> None:
        """Record a deletion, and drop those of long ago."""
        now = self._clock()
        known = self._versions.pop(what, (0, 0.0))[0]
        self._versions[what] = (max(known, version), now)
        while now - self._versions[oldest := next(iter(self._versions))][1] > REMEMBERED_SECONDS:
            del self._versions[oldest]

    def version(self, what: Hashable) -> int:
        """Return the version at which the object was deleted; 0 if no deletion is known."""
        return self._versions.get(what, (0, 0.0))[0]
