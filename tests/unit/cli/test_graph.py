from collections.abc import Mapping, Sequence

import pytest
from podhatch.cli.rendering.graph import arrange


def picture(graph: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{row.guides}{row.name}" for row in arrange(list(graph), graph)]


def test_a_sequence_stays_at_one_indentation():
    assert picture({"a": [], "b": ["a"], "c": ["b"]}) == ["a", "b", "c"]


def test_a_diamond_forks_and_returns():
    graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}
    assert picture(graph) == ["a", "├b", "└c", "d", "e"]


def test_a_branch_holds_its_own_sequence():
    graph = {"a": [], "a2": ["a"], "b": [], "b2": ["b"], "end": ["a2", "b2"]}
    assert picture(graph) == ["├a", "│a2", "└b", " b2", "end"]


def test_a_fork_within_a_branch_is_indented():
    graph = {"a": [], "b": ["a"], "c": ["b"], "d": ["b"], "e": ["c", "d"], "f": ["a"]}
    assert picture(graph) == ["a", "├b", "│├c", "│└d", "│e", "└f"]


def test_two_joins_of_the_same_branches_go_side_by_side():
    graph = {"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"], "e": ["c", "d"]}
    assert picture(graph) == ["├a", "└b", "├c", "└d", "e"]


def test_the_order_of_definition_does_not_matter_to_the_shape():
    graph = {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}
    assert picture(graph) == ["a", "├c", "└b", "d"]


def test_parents_are_named_if_the_position_does_not_show_them():
    graph = {"a": [], "b": [], "c": ["a"], "d": ["a", "b"]}
    joins = {row.name: row.joins for row in arrange(list(graph), graph)}
    assert joins == {"a": (), "b": (), "c": (), "d": ("a", "b")}


def test_every_task_has_one_line_and_stands_below_its_parents():
    graph = {f"t{i}": [f"t{j}" for j in range(i) if (i * 7 + j * 3) % 5 == 0] for i in range(60)}
    names = [row.name for row in arrange(list(graph), graph)]
    assert sorted(names) == sorted(graph)
    place = {name: index for index, name in enumerate(names)}
    assert all(place[parent] < place[name] for name in graph for parent in graph[name])


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param({}, id="workflow unknown"),
        pytest.param({"a": ["b"], "b": ["a"]}, id="cycle"),
        pytest.param({"a": ["gone"], "b": ["gone"]}, id="parent unknown"),
    ],
)
def test_tasks_whose_order_is_unknown_are_all_shown(graph: dict[str, list[str]]):
    assert [row.name for row in arrange(["a", "b"], graph)] == ["a", "b"]


def test_a_long_chain_does_not_recurse():
    graph = {f"t{i}": [f"t{i - 1}"] if i else [] for i in range(1000)}
    assert picture(graph) == list(graph)
