"""Durations, desired labels, metadata, and the mark that user code is only being loaded."""

import asyncio
import pickle
from datetime import timedelta
from typing import Any

import pytest
from podhatch import (
    Context,
    DesiredWorkerLabel,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Hatchet,
    InvalidRun,
    NonDeterminismError,
    RetryAfter,
    RunCancelled,
    TaskRunError,
    TriggerWorkflowOptions,
    WorkerLabelComparator,
)
from podhatch.definitions.options.labels import labels_of
from podhatch.definitions.options.priority import Priority
from podhatch.definitions.running.run_options import NO_OPTIONS, RunOptions, Wishes, wishes_of
from podhatch.task.loading import RunReachedWhileLoading, refuse_run, while_loading
from podhatch.values.duration import seconds

NOTHING: Any = None
GREATER = WorkerLabelComparator.GREATER_THAN


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("10s", 10),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1m1s1ms", 61.001),
        ("8760h", 31_536_000),
        (timedelta(minutes=2), 120),
        (timedelta(microseconds=1500), 0.002),
    ],
)
def test_duration(duration: str | timedelta, expected: float) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "10", "s", "10 s", "-1s", "1d", "1s,5m", 10, None])
def test_what_is_no_duration(duration: Any) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(duration)


@pytest.mark.parametrize("duration", ["0s", "0.4ms", "8760h1ms", timedelta(0), timedelta(days=-1)])
def test_duration_out_of_range(duration: str | timedelta) -> None:
    with pytest.raises(ValueError, match="out of range: from 1 ms to 365 days"):
        seconds(duration)


@pytest.mark.parametrize(
    "label",
    [
        DesiredWorkerLabel(key="kubernetes.io/arch", value="arm64", weight=100),
        DesiredWorkerLabel(key="x", value="", weight=1),
        DesiredWorkerLabel(key="memory", value=-1, comparator=GREATER),
        DesiredWorkerLabel(key="memory", value="64", comparator=GREATER),
    ],
)
def test_label(label: DesiredWorkerLabel) -> None:
    assert labels_of([label]) == (label,)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (DesiredWorkerLabel(value="x"), "label '': the key is not"),
        (DesiredWorkerLabel(key="a b", value="x"), "label 'a b': the key is not"),
        (DesiredWorkerLabel(key="a", value="x" * 64), "is not the value of a Kubernetes label"),
        (
            DesiredWorkerLabel(key="a", value="x", weight=101),
            "weight 101 is not a whole number from",
        ),
        (DesiredWorkerLabel(key="a", value="x", weight=0), "weight 0 is not a whole number"),
        ("gpu", "'gpu' is no DesiredWorkerLabel: list those, or"),
        (DesiredWorkerLabel(key=NOTHING, value="x"), "label None: the key is not"),
        (DesiredWorkerLabel(key="a", value=NOTHING), "value None is neither a text nor"),
        (DesiredWorkerLabel(key="a", value="x", comparator=NOTHING), "None is no WorkerLabelComp"),
        (
            DesiredWorkerLabel(key="a", value="1.5", comparator=GREATER),
            "label 'a': GREATER_THAN needs a whole number, not '1.5'",
        ),
    ],
)
def test_label_that_matches_no_node(label: DesiredWorkerLabel, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        labels_of([label])


def test_key_of_a_label_twice() -> None:
    with pytest.raises(ValueError, match="label 'a': its own key says 'b'"):
        labels_of({"a": DesiredWorkerLabel(key="b", value="x")})


def test_what_is_said_by_keyword_counts_more() -> None:
    options = TriggerWorkflowOptions(
        additional_metadata={"a": "1", "b": "1"}, priority=1, child_key="options"
    )
    flat: RunOptions = {"additional_metadata": {"b": "2"}, "priority": Priority.HIGH}
    assert wishes_of("orders", {"a": "0", "z": "0"}, options, flat) == Wishes(
        metadata={"a": "1", "b": "2", "z": "0"}, priority=3, child_key="options"
    )
    assert wishes_of("orders", {}, TriggerWorkflowOptions(key="k"), {}).child_key == "k"


def test_option_of_a_run_that_is_not_there() -> None:
    flat: Any = {"metadata": {}}
    with pytest.raises(TypeError, match="workflow 'orders': there is no option 'metadata'"):
        wishes_of("orders", {}, NO_OPTIONS, flat)


@pytest.mark.parametrize(
    ("flat", "problem"),
    [
        ({"priority": 4}, "priority: 4 is not a priority from 1"),
        ({"priority": 0}, "priority: 0 is not a priority from 1"),
        ({"priority": True}, "priority: True is not"),
        ({"child_key": "x" * 254}, "child_key: .* is no text of 1 to 253 characters"),
        ({"child_key": ""}, "child_key: '' is no text of 1 to 253 characters"),
        ({"child_key": 5}, "child_key: 5 is no text of 1 to 253 characters"),
        ({"additional_metadata": "abc"}, "additional_metadata: 'abc' is no mapping from names"),
        ({"additional_metadata": []}, "additional_metadata: .* is no mapping from names"),
        ({"additional_metadata": {1: 2}}, "additional_metadata: the name 1 is no text"),
    ],
)
def test_wish_that_cannot_be(flat: Any, problem: str) -> None:
    with pytest.raises(InvalidRun, match=f"workflow 'orders': {problem}"):
        wishes_of("orders", {}, NO_OPTIONS, flat)


@pytest.mark.parametrize("fields", [{"priority": 0}, {"child_key": ""}, {"key": ""}])
def test_wish_that_cannot_be_in_an_object_of_options(fields: Any) -> None:
    with pytest.raises(InvalidRun, match=r"workflow 'orders': (priority|child_key): "):
        wishes_of("orders", {}, TriggerWorkflowOptions(**fields), {})


def test_dict_in_the_place_of_options() -> None:
    options: Any = {"priority": 3}
    with pytest.raises(TypeError, match=r"workflow 'orders': options: .* by keyword, as in run"):
        wishes_of("orders", {}, options, {})


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({str(n): "" for n in range(65)}, "65 entries, 64 are allowed"),
        ({"a": "x" * 4097}, r"\['a'\]: 4097 characters, 4096 are allowed"),
        ({str(n): "x" * 4096 for n in range(9)}, "36945 bytes as JSON, 32768 are allowed"),
    ],
)
def test_metadata_that_is_too_much(metadata: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidRun, match=f"workflow 'orders': additional_metadata.*{problem}"):
        wishes_of("orders", {}, TriggerWorkflowOptions(additional_metadata=metadata), {})


@pytest.mark.parametrize(
    "error",
    [
        FailedTaskRunExceptionGroup(
            "orders-1 failed", [TaskRunError("no", "ValueError", task="a")]
        ),
        NonDeterminismError("not as before", "orders-1-a-2"),
        RetryAfter("busy", 7),
        RunCancelled("orders-1", "by Ada"),
        RunCancelled("orders-1"),
        TaskRunError("no", "ValueError", "Traceback", "orders-1-a-1", task="a"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_another_process_as_they_were(error: Exception) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_what_stands_for_the_namespace() -> None:
    assert Hatchet("shop").namespace == "shop"
    assert Hatchet(True).namespace is None  # Hatchet's positional debug
    number: Any = 5
    with pytest.raises(ValueError, match="Hatchet: namespace: 5 is no text"):
        Hatchet(number)


class TestLoading:
    def test_run_is_refused_while_loading_only(self) -> None:
        with while_loading(), pytest.raises(RunReachedWhileLoading):
            refuse_run()
        refuse_run()

    def test_every_run_method_is_refused(self, hatchet: Hatchet) -> None:
        @hatchet.task()
        def hello(input: EmptyModel, ctx: Context) -> None: ...

        with while_loading():
            for runnable in (hello, hello.workflow):
                for run in (runnable.run, runnable.run_no_wait):
                    with pytest.raises(RunReachedWhileLoading):
                        run()
                for aio_run in (runnable.aio_run, runnable.aio_run_no_wait):
                    with pytest.raises(RunReachedWhileLoading):
                        asyncio.run(aio_run())

    def test_scripts_own_except_does_not_hide_it(self) -> None:
        assert not issubclass(RunReachedWhileLoading, Exception)
