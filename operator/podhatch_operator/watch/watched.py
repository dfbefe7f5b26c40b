"""What the controllers watch: objects of some kinds, and what a change affects."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import Kind

from podhatch_operator.cache.cache import Cache, Index
from podhatch_operator.cache.store import place_of
from podhatch_operator.keys import Key

OURS = f"{labels.MANAGED_BY}={labels.MANAGED_BY_VALUE}"
Affects = Callable[[Cache, JsonObject], Iterable[str]]
"""Returns the names of what an object affects: objects of the controller's kind beside it."""


def no_groups(_: JsonObject) -> Iterable[str]:
    """The index of a kind whose objects are found by name alone."""
    return ()


def itself(_: Cache, raw: JsonObject) -> Iterable[str]:
    """Return the object's own name."""
    return (raw["metadata"]["name"],)


def nothing(*_: object) -> Iterable[str]:
    """Return no names: the kind is watched only for its index."""
    return ()


@dataclass(frozen=True)
class Watched:
    """What one controller watches of one kind."""

    kind: Kind
    affects: Affects
    selector: str = ""
    """Label selector of the objects that are ours."""
    index: Index = no_groups
    """The groups by which this controller finds the objects."""
    affects_when_gone: Affects | None = None
    """Set if a deletion affects other keys than a change."""


class WatchList:
    """What all controllers watch together, by kind."""

    def __init__(self, controllers: Sequence[Sequence[Watched]]) -> None:
        self._watched: dict[Kind, list[tuple[Kind, Watched]]]
        """For each kind what watches it, and the kind of what is affected."""
        self._watched = {each[0].kind: [] for each in controllers}
        for each in controllers:
            for watched in each:
                self._watched.setdefault(watched.kind, []).append((each[0].kind, watched))

    @property
    def selectors(self) -> Mapping[Kind, str]:
        """The label selector of each kind, in the order in which to list them.

        The kinds that have controllers come first: so children of finished runs are never held
        whole.
        """
        return {kind: watched[0][1].selector for kind, watched in self._watched.items()}

    @property
    def indexes(self) -> Mapping[Kind, Index]:
        """The index of each kind: all groups that some controller finds its objects by."""
        return {
            kind: _union([each.index for _, each in watched if each.index is not no_groups])
            for kind, watched in self._watched.items()
        }

    def keys(
        self, cache: Cache, kind: Kind, raw: JsonObject, *, is_gone: bool = False
    ) -> list[Key]:
        """Return what has to be reconciled because this object has changed, or is gone."""
        namespace, _ = place_of(raw)
        return [
            Key(owner.kind, namespace, name)
            for owner, each in self._watched[kind]
            for name in ((is_gone and each.affects_when_gone) or each.affects)(cache, raw)
        ]


def _union(indexes: Sequence[Index]) -> Index:
    if len(indexes) == 1:
        return indexes[0]
    return lambda raw: {group: None for index in indexes for group in index(raw)}


class Watches:
    """The watches that the API server has accepted so far."""

    def __init__(self, kinds: Iterable[Kind], namespaces: Sequence[str] = ()) -> None:
        scopes: Sequence[str | None] = namespaces or (None,)
        self._missing = {kind.path(namespace): kind.kind for kind in kinds for namespace in scopes}

    def opened(self, path: str) -> None:
        """A watch of this path was accepted."""
        self._missing.pop(path, None)

    def missing(self) -> list[str]:
        """Return the kinds that have not been watched yet."""
        return sorted(set(self._missing.values()))
