"""Options of one run: how they combine, and which are refused."""

from typing import Any

import pytest
from podhatch import (
    InvalidRun,
    TriggerWorkflowOptions,
)
from podhatch.definitions.options.run_options import (
    NO_OPTIONS,
    Priority,
    RunOptions,
    RunSettings,
    run_settings,
)


def test_a_keyword_option_wins_over_an_options_object() -> None:
    options = TriggerWorkflowOptions(
        additional_metadata={"a": "1", "b": "1"}, priority=1, child_key="options"
    )
    flat: RunOptions = {"additional_metadata": {"b": "2"}, "priority": Priority.HIGH}
    assert run_settings("orders", {"a": "0", "z": "0"}, options, flat) == RunSettings(
        metadata={"a": "1", "b": "2", "z": "0"}, priority=3, child_key="options"
    )
    assert run_settings("orders", {}, TriggerWorkflowOptions(key="k"), {}).child_key == "k"


def test_an_unknown_option_of_a_run_is_refused() -> None:
    flat: Any = {"metadata": {}}
    with pytest.raises(TypeError, match="workflow 'orders': there is no option 'metadata'"):
        run_settings("orders", {}, NO_OPTIONS, flat)


@pytest.mark.parametrize(
    ("flat", "problem"),
    [
        ({"priority": 4}, r"priority: expected a priority from 1 \(low\) to 3 \(high\), got 4"),
        ({"priority": 0}, "priority: expected a priority from 1 .* got 0"),
        ({"priority": True}, "priority: expected a priority from 1 .* got True"),
        ({"child_key": "x" * 254}, "child_key: expected 1 to 253 characters"),
        ({"child_key": ""}, "child_key: expected 1 to 253 characters, got ''"),
        ({"child_key": 5}, "child_key: expected 1 to 253 characters, got 5"),
        (
            {"additional_metadata": "abc"},
            "additional_metadata: expected a mapping from names to values, got 'abc'",
        ),
        ({"additional_metadata": []}, "additional_metadata: expected a mapping from names"),
        ({"additional_metadata": {1: 2}}, "additional_metadata: a name: expected a string, got 1"),
    ],
)
def test_an_invalid_option_of_a_run_is_refused(flat: Any, problem: str) -> None:
    with pytest.raises(InvalidRun, match=f"workflow 'orders': {problem}"):
        run_settings("orders", {}, NO_OPTIONS, flat)


@pytest.mark.parametrize("fields", [{"priority": 0}, {"child_key": ""}, {"key": ""}])
def test_an_invalid_field_of_an_options_object_is_refused(fields: Any) -> None:
    with pytest.raises(InvalidRun, match=r"workflow 'orders': (priority|child_key): "):
        run_settings("orders", {}, TriggerWorkflowOptions(**fields), {})


def test_a_dict_is_not_an_options_object() -> None:
    options: Any = {"priority": 3}
    with pytest.raises(TypeError, match=r"workflow 'orders': options: .* by keyword, as in run"):
        run_settings("orders", {}, options, {})


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({str(n): "" for n in range(65)}, "65 entries, 64 are allowed"),
        ({"a": "x" * 4097}, r"\['a'\]: 4097 characters, 4096 are allowed"),
        ({str(n): "x" * 4096 for n in range(9)}, "36945 bytes as JSON, 32768 are allowed"),
    ],
)
def test_too_much_metadata_is_refused(metadata: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidRun, match=f"workflow 'orders': additional_metadata.*{problem}"):
        run_settings("orders", {}, TriggerWorkflowOptions(additional_metadata=metadata), {})
