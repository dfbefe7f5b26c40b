"""Arranges the tasks of a run in lines: a task stands below those it waits for.

Tasks in sequence have the same indentation; where the graph forks, the branches are indented; where
they join, the indentation ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

Parents = Mapping[str, Sequence[str]]
"""The parents of each task, by its name."""

_ROOT = ""
_DRAWN = {"│": "│  ", "├": "├─ ", "└": "└─ ", " ": "   "}


@dataclass(frozen=True)
class Row:
    """One task's line in the picture."""

    name: str
    guides: str
    """One of `│`, `├`, `└` or a space for each level of indentation."""
    joins: tuple[str, ...] = ()
    """The parents, if there are several, because the position cannot show them."""

    @property
    def indentation(self) -> str:
        """The guides as they are drawn, each with the same width."""
        return "".join(_DRAWN[guide] for guide in self.guides)


def arrange(names: Sequence[str], parents: Parents) -> list[Row]:
    """Return a row for each task, top to bottom."""
    graph = _clean(names, parents)
    below = _stages(names, graph)
    rows: list[Row] = []
    waiting = _lines(below[_ROOT], "")
    while waiting:
        name, guides, inside = waiting.pop()
        joins = graph[name] if len(graph[name]) > 1 else ()
        rows.append(Row(name, guides, joins))
        waiting += _lines(below[name], inside)
    return rows


def _clean(names: Sequence[str], parents: Parents) -> dict[str, tuple[str, ...]]:
    """Return the graph of these tasks only; without edges if it has a cycle."""
    known = set(names)
    graph = {name: tuple(p for p in parents.get(name, ()) if p in known) for name in names}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return dict.fromkeys(names, ())
    return graph


def _lines(stages: Sequence[Sequence[str]], outside: str) -> list[tuple[str, str, str]]:
    """Return name, guides, and guides of the tasks inside, for each task, in reverse order."""
    lines: list[tuple[str, str, str]] = []
    for stage in stages:
        if len(stage) == 1:
            lines.append((stage[0], outside, outside))
            continue
        lines += [(name, f"{outside}├", f"{outside}│") for name in stage[:-1]]
        lines.append((stage[-1], f"{outside}└", f"{outside} "))
    return lines[::-1]


def _stages(names: Sequence[str], graph: Parents) -> dict[str, list[list[str]]]:
    """Return the stages of parallel tasks within each task, and within the whole graph.

    A task stands within its nearest dominator, the last task on every path to it.
    """
    order = tuple(TopologicalSorter(graph).static_order())
    chain: dict[str, tuple[str, ...]] = {_ROOT: ()}
    level: dict[str, int] = {}
    for name in order:
        paths = [(*chain[parent], parent) for parent in graph[name]]
        chain[name] = _common(paths)
        depth = len(chain[name])
        before = [level[path[depth]] for path in paths if len(path) > depth]
        level[name] = max(before, default=-1) + 1
    stages: dict[str, list[list[str]]] = {_ROOT: [], **{name: [] for name in names}}
    for name in sorted(names, key=lambda name: level[name]):
        within = stages[chain[name][-1] if chain[name] else _ROOT]
        while len(within) <= level[name]:
            within.append([])
        within[level[name]].append(name)
    return stages


def _common(chains: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the common prefix of the chains."""
    shared: list[str] = []
    for names in zip(*chains, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return tuple(shared)
